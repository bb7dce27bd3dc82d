"""What speaks where DICOM was expected."""

import pytest

from dcmecho.recognition import readable, recognize


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS"),
        (b"\x16\x03\x03\x00\x7a", "TLS"),
        (b"\x16", "TLS"),
        (b"\x16\x02", ""),
        (b"\x17\x03\x03", ""),
        (b"HTTP/1.0 400 Bad request", "HTTP"),
        (b"GET / HTTP/1.1", "HTTP"),
        (b"HEAD / HTTP/1.1", "HTTP"),
        (b"POST / HTTP/1.1", "HTTP"),
        (b"PUT /x HTTP/1.1", "HTTP"),
        (b"DELETE /x HTTP/1.1", "HTTP"),
        (b"OPTIONS * HTTP/1.1", "HTTP"),
        (b"CONNECT x:1 HTTP/1.1", "HTTP"),
        (b"PATCH /x HTTP/1.1", "HTTP"),
        (b"TRACE /x HTTP/1.1", "HTTP"),
        (b"PRI * HTTP/2.0", "HTTP"),
        (b"GETTING", ""),
        (b"SSH-2.0-x", "SSH"),
        (b"SSH", ""),
        (b"220 mail", ""),
        (b"", ""),
        (b"\x01\x00", ""),
    ],
)
def test_recognize(data: bytes, name: str) -> None:
    assert recognize(data) == name


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"220 mail ready\r\nmore", '"220 mail ready"'),
        (b"x" * 60, f'"{"x" * 40}"'),
        (b"ab", "61 62"),
        (b"\x1b[2J", "1b 5b 32 4a"),
        (b"text \x1b[2J", "74 65 78 74 20 1b 5b 32 4a"),
        (b"caf\xe9", "63 61 66 e9"),
        (bytes(30), " ".join(["00"] * 16)),
        (b"", ""),
    ],
)
def test_readable(data: bytes, text: str) -> None:
    assert readable(data) == text
    assert text.isprintable()
