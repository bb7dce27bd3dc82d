"""Recognizes what speaks where DICOM was expected, by its first bytes. Imports nothing of ours."""

_HTTP_METHODS = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"PATCH ",
    b"TRACE ",
    b"PRI ",
)


def recognize(first_bytes: bytes) -> str:
    """Return ``"TLS"``, ``"HTTP"``, ``"SSH"`` or, for what it does not know, an empty string."""
    # A TLS record (RFC 8446 5.1): alert or handshake, then the major version 3.
    if first_bytes[:1] in (b"\x15", b"\x16") and first_bytes[1:2] in (b"", b"\x03"):
        return "TLS"
    if first_bytes.startswith(b"HTTP/") or first_bytes.startswith(_HTTP_METHODS):
        return "HTTP"
    if first_bytes.startswith(b"SSH-"):
        return "SSH"
    return ""


def is_dicom(first_bytes: bytes) -> bool:
    """Tell whether bytes begin as a PDU of the upper layer does (PS3.8 9.3): type 1 to 7, then a reserved zero."""
    return len(first_bytes) >= 2 and 1 <= first_bytes[0] <= 7 and first_bytes[1] == 0


def readable(first_bytes: bytes) -> str:
    """Return the beginning of a peer's bytes for a message: as text where they are text, else as hexadecimal."""
    line = first_bytes.split(b"\n", 1)[0].rstrip(b"\r")[:40]
    if len(line) >= 3 and all(0x20 <= byte < 0x7F for byte in line):
        return f'"{line.decode("ascii")}"'
    return first_bytes[:16].hex(" ")
