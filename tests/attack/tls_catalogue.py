"""Hostile TLS records as data: none, too long, out of turn, cut, or with a message inside that lies."""

from __future__ import annotations

import ssl
from struct import pack

from peers import RQ

from .catalogue import CLOSE, CONNECTED, ENDINGS, SILENCE, Attack

HANDSHAKES_MAY_TAKE = 36 * 1024
"""KiB: 400 at one time, each with the 80 KiB that the TLS library takes for one that has begun."""

ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23


def hello(context: ssl.SSLContext) -> bytes:
    """A ClientHello that the server would answer."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def record(kind: int, data: bytes, length: int | None = None, version: int = 0x0303) -> bytes:
    """A TLS record (RFC 8446 5.1), whose length may lie."""
    return pack(">BHH", kind, version, len(data) if length is None else length) + data


def records(hello: bytes) -> list[Attack]:
    """Records that are none, are too long or empty, come out of turn, or hold a handshake message that lies."""
    body = hello[5:]
    forged = {
        "zeros": bytes(2000),
        "no such type": record(99, body),
        "empty handshake records": record(HANDSHAKE, b"") * 40,
        "record of 64 KiB": record(HANDSHAKE, body, 0xFFFF) + bytes(70000),
        "record shorter than it says": record(HANDSHAKE, body, len(body) + 100),
        "record longer than it says": record(HANDSHAKE, body, len(body) - 10),
        "version 9.9": record(HANDSHAKE, body, version=0x0909),
        "SSL 2 hello": b"\x80\x2e\x01\x00\x02" + bytes(44),
        "message of 16 MiB": record(HANDSHAKE, b"\x01\xff\xff\xff" + body[4:]),
        "message of no byte": record(HANDSHAKE, b"\x01\x00\x00\x00"),
        "server's hello": record(HANDSHAKE, b"\x02" + body[1:]),
        "finished at once": record(HANDSHAKE, b"\x14\x00\x00\x0c" + bytes(12)),
        "hello twice": hello * 2,
        "hello, then zeros": hello + bytes(500),
        "hello, then data in the clear": hello + record(APPLICATION_DATA, RQ),
        "hello, then DICOM": hello + RQ,
        "data before all": record(APPLICATION_DATA, RQ),
        "fatal alert": record(ALERT, b"\x02\x28"),
        "alerts": record(ALERT, b"\x01\x5a") * 500,
        "alert of one byte": record(ALERT, b"\x01"),
        "DICOM": RQ,
        "HTTP": b"GET / HTTP/1.1\r\n\r\n",
        "evil text": b"\x1b[2J\nF: forged\n",
    }
    found = [Attack(f"TLS: {label}", data, CONNECTED, ending) for label, data in forged.items() for ending in ENDINGS]
    found += [
        Attack(f"ClientHello cut after {count} bytes", hello[:count], CONNECTED, ending)
        for count in range(0, len(hello), 7)
        for ending in (CLOSE, SILENCE)
    ]
    for place in range(5, len(hello), 3):
        broken = hello[:place] + bytes([hello[place] ^ 0xFF]) + hello[place + 1 :]
        found.append(Attack(f"ClientHello, byte {place} inverted", broken))
    return found
