"""Text from outside is shown so that it cannot steer a terminal, forge a line, or pass for an escape of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.text import bytes_to_text, escape, quote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("ANY-SCP", "ANY-SCP"),
        ("Röntgen 放射線", "Röntgen 放射線"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\r\nF: forged", "a\\x0d\\x0aF: forged"),
        ("\0\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("\u202egpj", "\\u202egpj"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\ue000", "\\ue000"),
        ("\U000e0001", "\\U000e0001"),
        ("\\", "\\\\"),
        ("\\x1b", "\\\\x1b"),
        ("\xa0", "\\xa0"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(st.text())
def test_what_is_escaped_is_printable(text: str) -> None:
    assert escape(text).isprintable()


@given(st.text(), st.text())
def test_two_texts_are_never_shown_alike(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)
    assert (quote(one) == quote(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "shown"), [("", '""'), (" A B ", '" A B "'), ('a"b', '"a\\"b"'), ('\\"', '"\\\\\\""'), ("\n", '"\\x0a"')]
)
def test_quote(text: str, shown: str) -> None:
    assert quote(text) == shown


def test_every_byte_becomes_one_character() -> None:
    data = bytes(range(256))
    assert bytes_to_text(data) == "".join(map(chr, range(256)))
