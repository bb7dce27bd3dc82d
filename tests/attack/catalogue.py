"""Hostile inputs as data: each an `Attack`, by PDU, item and field. Nothing here touches a socket.

An attack is what is sent, in which state of the association, and how the connection goes on after it.
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

from dcmecho.dimse import CEchoRQ, CEchoRSP
from dcmecho.items import (
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    UnknownItem,
    UserIdentityRQ,
)
from dcmecho.pdu import PDV, AssociateAC, AssociateRQ, PDataTF
from dcmecho.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION
from peers import RELEASE_REQUEST, RELEASE_RESPONSE, RQ, abortion, echo_request, echo_response, message, rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

# The state that the server is in when the attack begins (PS3.8 Table 9-10).
CONNECTED = "Sta2"
ASSOCIATED = "Sta6"
RELEASED = "Sta13"

# How the connection goes on when all is sent.
CLOSE = "close"
SILENCE = "silence"
RESET = "reset"
HALF_CLOSE = "half close"
ENDINGS = (CLOSE, SILENCE, RESET, HALF_CLOSE)


class Attack:
    """`data` is sent in state `state`, then `ending` follows. `label` says which field lies, and how."""

    __slots__ = ("data", "ending", "label", "state")

    def __init__(self, label: str, data: bytes, state: str = CONNECTED, ending: str = SILENCE) -> None:
        self.label = label
        self.data = data
        self.state = state
        self.ending = ending

    def __repr__(self) -> str:
        return f"{self.label} ({self.state}, {len(self.data)} bytes, {self.ending})"


# Valid PDUs that hold every item there is: what the lies begin with.

_UIDS = (IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.1")

FULL_RQ = AssociateRQ(
    "ANY-SCP",
    "ATTACK",
    (PresentationContextRQ(1, VERIFICATION, _UIDS), PresentationContextRQ(3, VERIFICATION, _UIDS[:1])),
    (
        MaximumLength(16384),
        ImplementationClassUID("1.2.3"),
        AsynchronousOperationsWindow(1, 1),
        RoleSelection(VERIFICATION, 1, 0),
        ImplementationVersionName("ATTACK"),
        ExtendedNegotiation(VERIFICATION, b"\1\2"),
        CommonExtendedNegotiation(VERIFICATION, "1.2.840.10008.4.2", ("1.2.3",)),
        UserIdentityRQ(2, 1, b"user", b"word"),
        UnknownItem(0x70, b"abc"),
    ),
    unknown_items=(UnknownItem(0x60, b"xyz"),),
).encode()

FULL_AC = AssociateAC(
    "ANY-SCP",
    "ECHOSCU",
    (PresentationContextAC(1, 0, IMPLICIT_VR_LITTLE_ENDIAN),),
    (MaximumLength(16384), ImplementationClassUID("1.2.3"), ImplementationVersionName("ATTACK")),
).encode()

ECHO_RQ = echo_request(1)
ECHO_RSP = echo_response(1, 0x0110, "why not")
REJECTION = rejection(1, 1, 7)
ABORTION = abortion(2, 6)


# Lengths that lie


class LengthField:
    """Where a length stands in bytes, how many it has, and in which byte order."""

    __slots__ = ("at", "label", "order", "size")

    def __init__(self, label: str, at: int, size: int, order: str = "big") -> None:
        self.label = label
        self.at = at
        self.size = size
        self.order = order

    def lies(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The data with each wrong value in the field."""
        order = "big" if self.order == "big" else "little"
        true = int.from_bytes(data[self.at : self.at + self.size], order)  # type: ignore[arg-type]  # one of the two
        most = (1 << 8 * self.size) - 1
        for value in sorted({0, 1, true - 1, true + 1, 2 * true, most // 2, most - 1, most} - {true, -1}):
            lie = value.to_bytes(self.size, order)  # type: ignore[arg-type]  # one of the two
            yield f"{self.label} {value}", data[: self.at] + lie + data[self.at + self.size :]


def _items(data: bytes, start: int, end: int, path: str) -> Iterator[LengthField]:
    """The length fields of the items between two places, and of what is in them (PS3.8 Tables 9-12 to 9-19)."""
    nested = {0x20: 4, 0x21: 4, 0x50: 0}
    counted = {0x54: (0,), 0x56: (0,), 0x57: (0,), 0x58: (2,)}
    while start < end:
        kind, length = data[start], int.from_bytes(data[start + 2 : start + 4], "big")
        label = f"{path}{kind:02X}H"
        yield LengthField(f"{label} length", start + 2, 2)
        for inner in counted.get(kind, ()):
            yield LengthField(f"{label} inner length", start + 4 + inner, 2)
        if kind in nested:
            yield from _items(data, start + 4 + nested[kind], start + 4 + length, f"{label}/")
        start += 4 + length


def associate_lengths(data: bytes) -> list[LengthField]:
    """Every length field of an A-ASSOCIATE-RQ or -AC."""
    return [LengthField("PDU length", 2, 4), *_items(data, 74, len(data), "")]


def data_lengths(data: bytes) -> list[LengthField]:
    """Every length field of a P-DATA-TF with one command set in one PDV."""
    fields = [LengthField("PDU length", 2, 4), LengthField("PDV length", 6, 4)]
    place = 12
    while place < len(data):
        label = f"(0000,{int.from_bytes(data[place + 2 : place + 4], 'little'):04X}) length"
        fields.append(LengthField(label, place + 4, 4, "little"))
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "little")
    return fields


def lying(label: str, data: bytes, fields: list[LengthField], state: str) -> list[Attack]:
    return [Attack(f"{label} {lie}", forged, state) for field in fields for lie, forged in field.lies(data)]


def lying_lengths() -> list[Attack]:
    """Each length of each PDU: zero, one, off by one, doubled, the half of all, all there is (4 GiB)."""
    found = lying("A-ASSOCIATE-RQ", FULL_RQ, associate_lengths(FULL_RQ), CONNECTED)
    found += lying("P-DATA-TF", ECHO_RQ, data_lengths(ECHO_RQ), ASSOCIATED)
    for name, data in (("A-RELEASE-RQ", RELEASE_REQUEST), ("A-ABORT", ABORTION), ("A-RELEASE-RP", RELEASE_RESPONSE)):
        found += lying(name, data, [LengthField("PDU length", 2, 4)], ASSOCIATED)
    return found


# Truncation


def truncations() -> list[Attack]:
    """Each PDU cut after each of its bytes, followed by close and by silence; every eighth by reset and half close."""
    pdus = (
        ("A-ASSOCIATE-RQ", RQ, CONNECTED),
        ("P-DATA-TF", ECHO_RQ, ASSOCIATED),
        ("A-RELEASE-RQ", RELEASE_REQUEST, ASSOCIATED),
        ("A-ABORT", ABORTION, ASSOCIATED),
    )
    return [
        Attack(f"{name} cut after {count} bytes", data[:count], state, ending)
        for name, data, state in pdus
        for count in range(len(data))
        for ending in (ENDINGS if count % 8 == 0 else (CLOSE, SILENCE))
    ]


# Nesting that lies, and too much of everything


def _item(kind: int, value: bytes) -> bytes:
    return pack(">BxH", kind, len(value)) + value


def associate(*items: bytes, version: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ of these items."""
    body = pack(">H2x16s16s32x", version, b"ANY-SCP".ljust(16), b"ATTACK".ljust(16)) + b"".join(items)
    return pack(">BxI", 1, len(body)) + body


APPLICATION = _item(0x10, b"1.2.840.10008.3.1.1.1")
ABSTRACT = _item(0x30, VERIFICATION.encode())
TRANSFER = _item(0x40, IMPLICIT_VR_LITTLE_ENDIAN.encode())
USER = _item(0x50, _item(0x51, pack(">I", 16384)) + _item(0x52, b"1.2.3"))


def context(context_id: int = 1, *items: bytes) -> bytes:
    return _item(0x20, bytes([context_id, 0, 0, 0]) + b"".join(items or (ABSTRACT, TRANSFER)))


def _nested(kind: int, depth: int, core: bytes) -> bytes:
    for _ in range(depth):
        core = _item(kind, core)
    return core


def associations() -> list[Attack]:
    """A-ASSOCIATE-RQs whose items are where they do not belong, missing, twice, or very many."""
    unknown = _item(0x99, b"")
    forged = {
        "no item": (),
        "no application context": (context(), USER),
        "two application contexts": (APPLICATION, APPLICATION, context(), USER),
        "empty application context": (_item(0x10, b""), context(), USER),
        "foreign application context": (_item(0x10, b"1.2.3"), context(), USER),
        "no presentation context": (APPLICATION, USER),
        "no user information": (APPLICATION, context()),
        "two user informations": (APPLICATION, context(), USER, USER),
        "even context id": (APPLICATION, context(2), USER),
        "context id 0": (APPLICATION, context(0), USER),
        "context id 255": (APPLICATION, context(255), USER),
        "one id twice": (APPLICATION, context(1), context(1), USER),
        "empty context": (APPLICATION, _item(0x20, b""), USER),
        "context of three bytes": (APPLICATION, _item(0x20, b"\1\0\0"), USER),
        "no abstract syntax": (APPLICATION, context(1, TRANSFER), USER),
        "two abstract syntaxes": (APPLICATION, context(1, ABSTRACT, ABSTRACT, TRANSFER), USER),
        "no transfer syntax": (APPLICATION, context(1, ABSTRACT), USER),
        "empty transfer syntax": (APPLICATION, context(1, ABSTRACT, _item(0x40, b"")), USER),
        "UIDs of 60000 bytes": (APPLICATION, context(1, _item(0x30, b"1" * 30000), _item(0x40, b"2" * 30000)), USER),
        "UIDs of control characters": (APPLICATION, context(1, _item(0x30, b"\x1b[2J"), _item(0x40, b"\r\n")), USER),
        "context inside a context": (APPLICATION, context(1, ABSTRACT, context(3), TRANSFER), USER),
        "context inside user information": (APPLICATION, _item(0x50, context())),
        "user information inside itself": (APPLICATION, context(), _nested(0x50, 4000, b"")),
        "contexts nested 4000 deep": (APPLICATION, _nested(0x20, 4000, TRANSFER), USER),
        "transfer syntax outside": (APPLICATION, ABSTRACT, TRANSFER, USER),
        "an answer's context": (APPLICATION, _item(0x21, b"\1\0\0\0" + TRANSFER), USER),
        "128 contexts": (APPLICATION, *(context(2 * number + 1) for number in range(128)), USER),
        "9000 contexts": (APPLICATION, *(context(2 * number % 256 + 1) for number in range(9000)), USER),
        "2500 transfer syntaxes": (APPLICATION, context(1, ABSTRACT, *[TRANSFER] * 2500), USER),
        "16000 empty sub-items": (APPLICATION, context(), _item(0x50, unknown * 16000)),
        "120000 unknown items": (APPLICATION, context(), USER, unknown * 120000),
        "maximum length 1": (APPLICATION, context(), _item(0x50, _item(0x51, pack(">I", 1)))),
        "maximum length 7": (APPLICATION, context(), _item(0x50, _item(0x51, pack(">I", 7)))),
        "maximum length 8": (APPLICATION, context(), _item(0x50, _item(0x51, pack(">I", 8)))),
        "maximum length 4 GiB": (APPLICATION, context(), _item(0x50, _item(0x51, pack(">I", 0xFFFFFFFF)))),
        "maximum length of 3 bytes": (APPLICATION, context(), _item(0x50, _item(0x51, b"\0\0\1"))),
        "1000 roles": (APPLICATION, context(), _item(0x50, _item(0x54, b"\0\x111.2.840.10008.1.1\1\1") * 1000)),
        "user identity of 60000 bytes": (
            APPLICATION,
            context(),
            _item(0x50, _item(0x58, b"\1\1" + pack(">H", 60000) + b"u" * 60000 + b"\0\0")),
        ),
    }
    found = [Attack(f"A-ASSOCIATE-RQ: {label}", associate(*items)) for label, items in forged.items()]
    found += [
        Attack(f"A-ASSOCIATE-RQ: protocol version {version}", associate(APPLICATION, context(), USER, version=version))
        for version in (0, 2, 0xFFFE, 0xFFFF)
    ]
    found.append(Attack("A-ASSOCIATE-RQ: 100 in one piece", RQ * 100))
    found.append(Attack("A-ASSOCIATE-RQ, abort, and again", RQ + ABORTION + RQ))
    found.append(Attack("whole association in one piece", RQ + ECHO_RQ + RELEASE_REQUEST))
    return found


def _element(element: int, value: bytes, length: int | None = None, group: int = 0) -> bytes:
    return pack("<HHI", group, element, len(value) if length is None else length) + value


def messages() -> list[Attack]:
    """P-DATA-TFs whose PDVs or command sets are not what they should be."""
    command = CEchoRQ(1).encode()
    sop = _element(0x0002, VERIFICATION.encode() + b"\0")
    field = _element(0x0100, b"\x30\0")
    number, none = _element(0x0110, b"\1\0"), _element(0x0800, b"\1\1")
    forged = {
        "empty command set": b"",
        "one byte": b"\0",
        "half an element": sop[:6],
        "no command field": sop + number + none,
        "command field of one byte": sop + _element(0x0100, b"\x30") + number + none,
        "command field of 4 bytes": sop + _element(0x0100, b"\x30\0\0\0") + number + none,
        "command field twice": sop + field + field + number + none,
        "no message id": sop + field + none,
        "empty message id": sop + field + _element(0x0110, b"") + none,
        "no data set type": sop + field + number,
        "announces a data set": sop + field + number + _element(0x0800, b"\0\0"),
        "no SOP class": field + number + none,
        "foreign SOP class": _element(0x0002, b"1.2.3\0") + field + number + none,
        "SOP class of control characters": _element(0x0002, b"\x1b[2J\r\n") + field + number + none,
        "foreign group": sop + field + number + none + _element(0x0010, b"AB", group=8),
        "group 0xFFFF": _element(0xFFFF, b"", group=0xFFFF),
        "undefined length": sop + _element(0x0100, b"\x30\0", length=0xFFFFFFFF),
        "element of 4 GiB": _element(0x0002, b"", length=0xFFFFFFFE),
        "a response": CEchoRSP(1).encode(),
        "C-STORE-RQ": sop + _element(0x0100, b"\1\0") + number + _element(0x0800, b"\0\0"),
        "C-CANCEL-RQ": _element(0x0100, b"\xff\x0f") + number + none,
        "unknown command": sop + _element(0x0100, b"\xad\xde") + number + none,
        "8000 elements": b"".join(_element(each, b"") for each in range(8000)),
        "command set of 16 KiB of zeros": bytes(16000),
    }
    found = [Attack(f"command set: {label}", message(data), ASSOCIATED) for label, data in forged.items()]
    pdvs = {
        "foreign context": (PDV(3, True, True, command),),
        "context id 0": (PDV(0, True, True, command),),
        "data set fragment": (PDV(1, False, True, command),),
        "data set fragment inside a command": (PDV(1, True, False, command), PDV(1, False, True, b"")),
        "two contexts in one message": (PDV(1, True, False, command[:4]), PDV(5, True, True, command[4:])),
        "200 echoes in one PDU": tuple([PDV(1, True, True, command)] * 200),
        "2000 empty fragments": (*[PDV(1, True, False, b"")] * 2000, PDV(1, True, True, command)),
        "2300 bytes singly": tuple([PDV(1, True, False, b"\0")] * 2300),
    }
    found += [Attack(f"PDV: {label}", PDataTF(each).encode(), ASSOCIATED) for label, each in pdvs.items()]
    forged_pdus = {
        "P-DATA-TF without a PDV": pack(">BxI", 4, 0),
        "PDV of length 0": pack(">BxII", 4, 4, 0),
        "PDV of length 1": pack(">BxIIB", 4, 5, 1, 1),
        "reserved control bits": pack(">BxIIBB", 4, 6 + len(command), 2 + len(command), 1, 0xFF) + command,
        "a PDU of the future": pack(">BxI", 8, 4) + bytes(4),
        "PDU type 0": pack(">BxI", 0, 4) + bytes(4),
        "PDU type 255": b"\xff" * 64,
        "A-ASSOCIATE-AC": FULL_AC,
        "A-ASSOCIATE-RJ": REJECTION,
        "A-RELEASE-RP": RELEASE_RESPONSE,
        "second A-ASSOCIATE-RQ": RQ,
        "abort of unknown source": abortion(77, 99),
        "release, then echo": RELEASE_REQUEST + ECHO_RQ,
        "release twice": RELEASE_REQUEST * 2,
        "abort, then all again": ABORTION + RQ + ECHO_RQ,
    }
    found += [Attack(label, data, ASSOCIATED) for label, data in forged_pdus.items()]
    found += [Attack(f"{label}, too early", data, CONNECTED) for label, data in forged_pdus.items() if data[0] != 1]
    found += [Attack(f"{label}, too late", data, RELEASED) for label, data in forged_pdus.items()]
    return found


# Endings at each state

_MOMENTS = (
    ("nothing sent", b"", CONNECTED),
    ("half a request", RQ[:40], CONNECTED),
    ("request sent, answer not read", RQ, CONNECTED),
    ("rejected", associate(_item(0x10, b"1.2.3"), context(), USER), CONNECTED),
    ("refused as no DICOM", b"GET / HTTP/1.0\r\n\r\n", CONNECTED),
    ("associated", b"", ASSOCIATED),
    ("inside a PDU", ECHO_RQ[:20], ASSOCIATED),
    ("inside a message", PDataTF((PDV(1, True, False, b"\0\0"),)).encode(), ASSOCIATED),
    ("echo sent, answer not read", ECHO_RQ * 3, ASSOCIATED),
    ("aborted by the server", pack(">BxI", 8, 4) + bytes(4), ASSOCIATED),
    ("release sent, answer not read", RELEASE_REQUEST, ASSOCIATED),
    ("aborted", ABORTION, ASSOCIATED),
    ("released", b"", RELEASED),
)


def endings() -> list[Attack]:
    """Each way to end a connection in each state."""
    return [Attack(label, data, state, ending) for label, data, state in _MOMENTS for ending in ENDINGS]


# Texts that would write to a log or a terminal

EVIL_TEXTS = (
    "X\nF: forged",
    "X\rF: forged",
    "X\r\nF: forged",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31mred",
    "\x00\x01\x02\x7f",
    "a\x85b\xa0c\xad",
    "\\x1b[31m",
    '" called "',
    "%s%n{0}$(id)`id`",
)
"""At most 16 characters of ISO 8859-1 each, as an AE title is."""

HOSTILE_GREETINGS = (
    b"GET /\x1b[2J HTTP/1.1\r\nF: forged\r\n\r\n",
    b"SSH-2.0-\x1b]0;x\x07\r\n",
    b"\x16\x03\x01\x02\x00" + b"\x01" * 64,
    b"\nF: forged\n" * 10,
    b"\x1b[31m" * 20,
    bytes(range(256)) * 4,
)


def injections() -> list[Attack]:
    """Every field that a log line may quote, with each evil text."""
    found = []
    for text in EVIL_TEXTS:
        title = text[:16].ljust(16)
        raw = text.encode("latin-1")
        contexts = (PresentationContextRQ(1, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)),)
        name = (MaximumLength(16384), ImplementationClassUID("1.2.3"), ImplementationVersionName(text[:16]))
        requests = {
            "called title": AssociateRQ(title, "HERE", contexts, name),
            "calling title": AssociateRQ("ANY-SCP", title, contexts, name),
            "class UID": AssociateRQ("ANY-SCP", "HERE", contexts, (*name[:1], ImplementationClassUID(text))),
            "application context": AssociateRQ(title, title, contexts, name, application_context=text),
            "syntaxes": AssociateRQ("ANY-SCP", title, (PresentationContextRQ(1, text, (text,)),), name),
            "user identity": AssociateRQ("ANY-SCP", title, contexts, (*name, UserIdentityRQ(2, 1, raw, raw))),
            "unknown items": AssociateRQ(title, title, contexts, (*name, UnknownItem(0x77, raw))),
        }
        for label, request in requests.items():
            found.append(Attack(f"{text!r} as {label}", request.encode(), CONNECTED, CLOSE))
        padded = raw + b" " * (len(raw) % 2)
        command = _element(0x0002, padded) + _element(0x0100, b"\x30\x80") + _element(0x0902, padded)
        found.append(Attack(f"{text!r} in a command set", message(command), ASSOCIATED, CLOSE))
        found.append(Attack(f"{text!r} as first bytes", raw * 8, CONNECTED, CLOSE))
    found += [Attack(f"greeting {greeting[:12]!r}", greeting, CONNECTED, CLOSE) for greeting in HOSTILE_GREETINGS]
    return found


# Floods: what is sent again and again until the server ends it, or a limit of bytes is reached


class Flood:
    """`block` is sent in state `state` without end, and nothing is read meanwhile."""

    __slots__ = ("block", "label", "opening", "state")

    def __init__(self, label: str, block: bytes, state: str, opening: bytes = b"") -> None:
        self.label = label
        self.block = block
        self.state = state
        self.opening = opening

    def __repr__(self) -> str:
        return self.label


_ONE_BYTE = PDataTF((PDV(1, True, False, b"\0"),)).encode()
_NO_BYTE = PDataTF((PDV(1, True, False, b""),)).encode()
_FULL_OF_NONE = PDataTF(tuple([PDV(1, True, False, b"")] * 2700)).encode()

FLOODS = (
    Flood("echoes", ECHO_RQ, ASSOCIATED),
    Flood("PDVs of one byte", _ONE_BYTE, ASSOCIATED),
    Flood("PDVs of no byte", _NO_BYTE, ASSOCIATED),
    Flood("PDUs full of empty PDVs", _FULL_OF_NONE, ASSOCIATED),
    Flood("A-ASSOCIATE-RQ on an association", RQ, ASSOCIATED),
    Flood("A-ASSOCIATE-RQ after the release", RQ, RELEASED),
    Flood("echoes after the release", ECHO_RQ, RELEASED),
    Flood("releases", RELEASE_REQUEST, ASSOCIATED),
    Flood("aborts", ABORTION, ASSOCIATED),
    Flood("zeros", bytes(1024), CONNECTED),
    Flood("text", b"GET / HTTP/1.1\r\n" * 64, CONNECTED),
    Flood("a request of 4 GiB", b"\0" * 1024, CONNECTED, pack(">BxI", 1, 0xFFFFFFFF)),
    Flood("a request of 512 KiB", _item(0x99, b"") * 256, CONNECTED, pack(">BxI", 1, 524288)),
    Flood("a P-DATA-TF of 4 GiB", b"\0" * 1024, ASSOCIATED, pack(">BxI", 4, 0xFFFFFFFF)),
)
