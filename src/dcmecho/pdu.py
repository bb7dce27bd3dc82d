"""The seven PDUs of the upper layer and how they are cut from a stream (PS3.8 9.3).

Every PDU begins with its type (byte 1), a reserved byte and its length (bytes 3-6, big endian, of what follows).
Byte ranges in the comments count from 1, as the standard does.
"""

from struct import Struct

from .errors import MalformedPDU
from .items import (
    APPLICATION_CONTEXT_ITEM,
    PRESENTATION_CONTEXT_AC_ITEM,
    PRESENTATION_CONTEXT_RQ_ITEM,
    USER_INFORMATION_ITEM,
    PresentationContextAC,
    PresentationContextRQ,
    Source,
    UnknownItem,
    decode_user_information,
    encode_user_information,
    item,
)
from .record import Record
from .text import bytes_to_text
from .uids import APPLICATION_CONTEXT, MAX_ASSOCIATION_PDU, MAX_UNLIMITED_PDU

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .items import UserInformation

_HEADER = Struct(">BxI")
_ASSOCIATE_HEAD = Struct(">H2x16s16s32s")
_PDV_HEADER = Struct(">IBB")

HEADER_LENGTH = 6
"""Bytes of a PDU that its length field does not count."""

PDV_OVERHEAD = 6
"""Bytes of a presentation data value item that are not fragment: length, context id, message control header."""

A_ASSOCIATE_RQ = 0x01
A_ASSOCIATE_AC = 0x02
A_ASSOCIATE_RJ = 0x03
P_DATA_TF = 0x04
A_RELEASE_RQ = 0x05
A_RELEASE_RP = 0x06
A_ABORT = 0x07

PDU_NAMES = {
    A_ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    A_ASSOCIATE_AC: "A-ASSOCIATE-AC",
    A_ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA_TF: "P-DATA-TF",
    A_RELEASE_RQ: "A-RELEASE-RQ",
    A_RELEASE_RP: "A-RELEASE-RP",
    A_ABORT: "A-ABORT",
}

_FOUR_BYTES = (A_ASSOCIATE_RJ, A_RELEASE_RQ, A_RELEASE_RP, A_ABORT)

# Values of A-ASSOCIATE-RJ (PS3.8 Table 9-21)
REJECTED_PERMANENT = 1
REJECTED_TRANSIENT = 2
SOURCE_USER = 1
SOURCE_ACSE = 2
SOURCE_PRESENTATION = 3

REJECTION_RESULTS = {REJECTED_PERMANENT: "permanent", REJECTED_TRANSIENT: "transient"}
REJECTION_SOURCES = {
    SOURCE_USER: "service user",
    SOURCE_ACSE: "service provider (ACSE)",
    SOURCE_PRESENTATION: "service provider (presentation)",
}
REJECTION_REASONS = {
    (SOURCE_USER, 1): "no reason given",
    (SOURCE_USER, 2): "application context name not supported",
    (SOURCE_USER, 3): "calling AE title not recognized",
    (SOURCE_USER, 7): "called AE title not recognized",
    (SOURCE_ACSE, 1): "no reason given",
    (SOURCE_ACSE, 2): "protocol version not supported",
    (SOURCE_PRESENTATION, 1): "temporary congestion",
    (SOURCE_PRESENTATION, 2): "local limit exceeded",
}

# Values of A-ABORT (PS3.8 Table 9-26)
ABORT_SOURCE_USER = 0
ABORT_SOURCE_PROVIDER = 2
NO_REASON_GIVEN = 0
UNRECOGNIZED_PDU = 1
UNEXPECTED_PDU = 2
UNRECOGNIZED_PARAMETER = 4
UNEXPECTED_PARAMETER = 5
INVALID_PARAMETER_VALUE = 6

ABORT_SOURCES = {ABORT_SOURCE_USER: "service user", ABORT_SOURCE_PROVIDER: "service provider"}
ABORT_REASONS = {
    NO_REASON_GIVEN: "no reason given",
    UNRECOGNIZED_PDU: "unrecognized PDU",
    UNEXPECTED_PDU: "unexpected PDU",
    UNRECOGNIZED_PARAMETER: "unrecognized PDU parameter",
    UNEXPECTED_PARAMETER: "unexpected PDU parameter",
    INVALID_PARAMETER_VALUE: "invalid PDU parameter value",
}


def _pdu(kind: int, value: bytes) -> bytes:
    return _HEADER.pack(kind, len(value)) + value


def _title(title: str) -> bytes:
    encoded = title.encode("latin-1")
    if len(encoded) > 16:
        raise ValueError(f"AE title {title!r} is longer than 16 characters")
    return encoded.ljust(16)


class _Associate(Record):
    """What A-ASSOCIATE-RQ and -AC share: all but the kind of presentation context."""

    __slots__ = (
        "application_context",
        "called_ae_title",
        "calling_ae_title",
        "presentation_contexts",
        "protocol_version",
        "reserved",
        "unknown_items",
        "user_information",
    )

    def __init__(
        self,
        called_ae_title: str,
        calling_ae_title: str,
        presentation_contexts: "tuple[PresentationContextRQ, ...] | tuple[PresentationContextAC, ...]",
        user_information: "tuple[UserInformation, ...]",
        *,
        application_context: str = APPLICATION_CONTEXT,
        protocol_version: int = 1,
        reserved: bytes = bytes(32),
        unknown_items: tuple[UnknownItem, ...] = (),
    ) -> None:
        self.protocol_version = protocol_version  # bytes 7-8
        self.called_ae_title = called_ae_title  # bytes 11-26
        self.calling_ae_title = calling_ae_title  # bytes 27-42
        self.reserved = reserved  # bytes 43-74
        self.application_context = application_context
        self.presentation_contexts = presentation_contexts
        self.user_information = user_information
        self.unknown_items = unknown_items

    def _encode(self, kind: int) -> bytes:
        if len(self.reserved) != 32 or not 0 <= self.protocol_version <= 0xFFFF:
            raise ValueError("the reserved field must be 32 bytes, the protocol version a number of 16 bits")
        parts = [
            _ASSOCIATE_HEAD.pack(
                self.protocol_version, _title(self.called_ae_title), _title(self.calling_ae_title), self.reserved
            ),
            item(APPLICATION_CONTEXT_ITEM, self.application_context.encode("latin-1")),
        ]
        parts += [context.encode() for context in self.presentation_contexts]
        parts.append(encode_user_information(self.user_information))
        parts += [unknown.encode() for unknown in self.unknown_items]
        return _pdu(kind, b"".join(parts))


class _AssociateReader:
    """Reads what A-ASSOCIATE-RQ and -AC share, and finds the places of the presentation contexts."""

    __slots__ = (
        "application_context",
        "called",
        "calling",
        "contexts",
        "reserved",
        "source",
        "unknown",
        "user",
        "version",
    )

    def __init__(self, data: bytes, kind: int, context_item: int) -> None:
        self.source = source = Source(PDU_NAMES[kind], data)
        source.need(HEADER_LENGTH, len(data), _ASSOCIATE_HEAD.size, "the fixed part")
        self.version, called, calling, self.reserved = _ASSOCIATE_HEAD.unpack_from(data, HEADER_LENGTH)
        self.called = bytes_to_text(called).rstrip(" ")
        self.calling = bytes_to_text(calling).rstrip(" ")
        self.application_context = ""
        self.contexts: list[tuple[int, int]] = []
        user: list[UserInformation] = []
        unknown: list[UnknownItem] = []
        for item_type, start, end in source.items(HEADER_LENGTH + _ASSOCIATE_HEAD.size, len(data)):
            if item_type == context_item:
                self.contexts.append((start, end))
            elif item_type == APPLICATION_CONTEXT_ITEM:
                self.application_context = source.uid(start, end)
            elif item_type == USER_INFORMATION_ITEM:
                user += decode_user_information(source, start, end)
            else:
                unknown.append(UnknownItem(item_type, data[start:end]))
        self.user = tuple(user)
        self.unknown = tuple(unknown)


class AssociateRQ(_Associate):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2).

    `protocol_version` is a bit field, bit 0 for version 1. AE titles are up to 16 characters; trailing spaces are
    padding and taken off, leading ones are kept (neither is significant). `application_context` is empty if the peer
    sent none. `reserved` goes back in the A-ASSOCIATE-AC.
    """

    __slots__ = ()

    presentation_contexts: tuple[PresentationContextRQ, ...]

    def encode(self) -> bytes:
        """Encode the whole PDU. ValueError if a title or an item is too long."""
        return self._encode(A_ASSOCIATE_RQ)

    @classmethod
    def decode(cls, data: bytes) -> "AssociateRQ":
        """Decode a whole PDU. MalformedPDU if it is not one."""
        read = _AssociateReader(data, A_ASSOCIATE_RQ, PRESENTATION_CONTEXT_RQ_ITEM)
        contexts = tuple([PresentationContextRQ.decode(read.source, start, end) for start, end in read.contexts])
        if not contexts:
            raise MalformedPDU("A-ASSOCIATE-RQ", "it proposes no presentation context")
        if len({context.context_id for context in contexts}) != len(contexts):
            raise MalformedPDU("A-ASSOCIATE-RQ", "it proposes two presentation contexts with one id")
        return cls(
            read.called,
            read.calling,
            contexts,
            read.user,
            application_context=read.application_context,
            protocol_version=read.version,
            reserved=read.reserved,
            unknown_items=read.unknown,
        )


class AssociateAC(_Associate):
    """A-ASSOCIATE-AC (PS3.8 9.3.3).

    The titles and `reserved` repeat what the A-ASSOCIATE-RQ held, and nobody tests them.
    """

    __slots__ = ()

    presentation_contexts: tuple[PresentationContextAC, ...]

    def encode(self) -> bytes:
        """Encode the whole PDU. ValueError if a title or an item is too long."""
        return self._encode(A_ASSOCIATE_AC)

    @classmethod
    def decode(cls, data: bytes) -> "AssociateAC":
        """Decode a whole PDU. MalformedPDU if it is not one."""
        read = _AssociateReader(data, A_ASSOCIATE_AC, PRESENTATION_CONTEXT_AC_ITEM)
        return cls(
            read.called,
            read.calling,
            tuple([PresentationContextAC.decode(read.source, start, end) for start, end in read.contexts]),
            read.user,
            application_context=read.application_context,
            protocol_version=read.version,
            reserved=read.reserved,
            unknown_items=read.unknown,
        )


class AssociateRJ(Record):
    """A-ASSOCIATE-RJ (PS3.8 9.3.4).

    `result`, `source` and `reason` are keys of `REJECTION_RESULTS`, `REJECTION_SOURCES` and `REJECTION_REASONS`.
    """

    __slots__ = ("reason", "result", "source")

    def __init__(self, result: int, source: int, reason: int) -> None:
        self.result = result
        self.source = source
        self.reason = reason

    def encode(self) -> bytes:
        return _pdu(A_ASSOCIATE_RJ, bytes((0, self.result, self.source, self.reason)))

    @classmethod
    def decode(cls, data: bytes) -> "AssociateRJ":
        return cls(data[7], data[8], data[9])


class PDV(Record):
    """A presentation data value: one fragment of a message (PS3.8 9.3.5.1, Annex E).

    `is_command` tells a command fragment from a data set fragment, `is_last` the last of its kind.
    """

    __slots__ = ("context_id", "data", "is_command", "is_last")

    def __init__(self, context_id: int, is_command: bool, is_last: bool, data: bytes) -> None:
        self.context_id = context_id
        self.is_command = is_command
        self.is_last = is_last
        self.data = data

    def encode(self) -> bytes:
        control = (1 if self.is_command else 0) | (2 if self.is_last else 0)
        return _PDV_HEADER.pack(len(self.data) + 2, self.context_id, control) + self.data


class PDataTF(Record):
    """P-DATA-TF (PS3.8 9.3.5): one or more presentation data values."""

    __slots__ = ("pdvs",)

    def __init__(self, pdvs: tuple[PDV, ...]) -> None:
        self.pdvs = pdvs

    def encode(self) -> bytes:
        return _pdu(P_DATA_TF, b"".join([pdv.encode() for pdv in self.pdvs]))

    @classmethod
    def decode(cls, data: bytes) -> "PDataTF":
        """Decode a whole PDU. MalformedPDU if it is not one."""
        pdvs: list[PDV] = []
        place, end = HEADER_LENGTH, len(data)
        while place < end:
            if end - place < PDV_OVERHEAD:
                raise MalformedPDU("P-DATA-TF", "a presentation data value is cut short", offset=place + 1)
            length, context_id, control = _PDV_HEADER.unpack_from(data, place)
            stop = place + 4 + length
            if length < 2 or stop > end:
                raise MalformedPDU(
                    "P-DATA-TF",
                    f"a presentation data value claims {length} bytes, {end - place - 4} are left",
                    offset=place + 1,
                )
            pdvs.append(PDV(context_id, control & 1 != 0, control & 2 != 0, data[place + PDV_OVERHEAD : stop]))
            place = stop
        if not pdvs:
            raise MalformedPDU("P-DATA-TF", "it holds no presentation data value")
        return cls(tuple(pdvs))


_WHOLE_COMMAND = Struct(">BxIIBB")


def encode_whole_command(context_id: int, command: bytes) -> bytes:
    """Encode a P-DATA-TF with one presentation data value, a command set that is whole in it."""
    return _WHOLE_COMMAND.pack(P_DATA_TF, len(command) + PDV_OVERHEAD, len(command) + 2, context_id, 3) + command


class ReleaseRQ(Record):
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    __slots__ = ()

    def encode(self) -> bytes:
        return _pdu(A_RELEASE_RQ, bytes(4))

    @classmethod
    def decode(cls, data: bytes) -> "ReleaseRQ":  # noqa: ARG003 - four reserved bytes, never tested
        return cls()


class ReleaseRP(Record):
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    __slots__ = ()

    def encode(self) -> bytes:
        return _pdu(A_RELEASE_RP, bytes(4))

    @classmethod
    def decode(cls, data: bytes) -> "ReleaseRP":  # noqa: ARG003 - four reserved bytes, never tested
        return cls()


class Abort(Record):
    """A-ABORT (PS3.8 9.3.8). `source` and `reason`: `ABORT_SOURCES`, `ABORT_REASONS`."""

    __slots__ = ("reason", "source")

    def __init__(self, source: int, reason: int) -> None:
        self.source = source
        self.reason = reason

    def encode(self) -> bytes:
        return _pdu(A_ABORT, bytes((0, 0, self.source, self.reason)))

    @classmethod
    def decode(cls, data: bytes) -> "Abort":
        return cls(data[8], data[9])


if TYPE_CHECKING:
    PDU = AssociateRQ | AssociateAC | AssociateRJ | PDataTF | ReleaseRQ | ReleaseRP | Abort

_DECODERS: "dict[int, Callable[[bytes], PDU]]" = {
    A_ASSOCIATE_RQ: AssociateRQ.decode,
    A_ASSOCIATE_AC: AssociateAC.decode,
    A_ASSOCIATE_RJ: AssociateRJ.decode,
    P_DATA_TF: PDataTF.decode,
    A_RELEASE_RQ: ReleaseRQ.decode,
    A_RELEASE_RP: ReleaseRP.decode,
    A_ABORT: Abort.decode,
}


def decode(data: bytes) -> "PDU":
    """Decode one whole PDU, as `Framing` hands it out. MalformedPDU if it is not one."""
    if len(data) < HEADER_LENGTH:
        raise MalformedPDU("PDU", "it is shorter than a PDU header", excerpt=data)
    kind, length = _HEADER.unpack_from(data)
    if kind not in _DECODERS:
        raise MalformedPDU(
            f"PDU type {kind:02X}H", "no such PDU", abort_reason=UNRECOGNIZED_PDU, offset=1, excerpt=data
        )
    if length != len(data) - HEADER_LENGTH or (kind in _FOUR_BYTES and length != 4):
        raise MalformedPDU(
            PDU_NAMES[kind], f"it claims {length} bytes, there are {len(data) - HEADER_LENGTH}", offset=3
        )
    return _DECODERS[kind](data)


class Framing:
    """Cuts a stream into PDUs, whatever the pieces it arrives in.

    `max_pdu` is the longest P-DATA-TF we announced (0: none, and then `MAX_UNLIMITED_PDU` is read),
    `max_association_pdu` the longest A-ASSOCIATE-RQ or -AC; both in bytes after the PDU header. The type and the length
    of a PDU are checked as soon as they are there, so that nothing is held for a PDU that would not be taken.
    """

    __slots__ = ("_held", "_place", "max_association_pdu", "max_pdu")

    def __init__(self, max_pdu: int, max_association_pdu: int = MAX_ASSOCIATION_PDU) -> None:
        self.max_pdu = max_pdu or MAX_UNLIMITED_PDU
        self.max_association_pdu = max_association_pdu
        self._held: bytes | bytearray = b""
        self._place = 0

    @property
    def is_inside_pdu(self) -> bool:
        """True if a PDU has begun to arrive and is not complete."""
        return self._place < len(self._held)

    @property
    def excerpt(self) -> bytes:
        """The first bytes that are held, at most 64: for messages about what they might be."""
        return bytes(self._held[self._place : self._place + 64])

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        if not self.is_inside_pdu:
            self._held = data
            self._place = 0
            return
        if self._place or not isinstance(self._held, bytearray):
            self._held = bytearray(self._held[self._place :])
            self._place = 0
        self._held += data

    def discard(self) -> None:
        """Forget what is held."""
        self._held, self._place = b"", 0

    def next_pdu(self) -> bytes | None:
        """Return the next whole PDU with its header, or None if more is needed. MalformedPDU if it cannot be taken."""
        held, place = self._held, self._place
        available = len(held) - place
        if available < HEADER_LENGTH:
            if available and held[place] not in PDU_NAMES:
                self._refuse(held[place])
            return None
        kind, length = _HEADER.unpack_from(held, place)
        if kind == P_DATA_TF:
            if length > self.max_pdu:
                raise MalformedPDU("P-DATA-TF", f"it claims {length} bytes, {self.max_pdu} are allowed", offset=3)
        elif kind in (A_ASSOCIATE_RQ, A_ASSOCIATE_AC):
            if length > self.max_association_pdu:
                raise MalformedPDU(
                    PDU_NAMES[kind], f"it claims {length} bytes, {self.max_association_pdu} are allowed", offset=3
                )
        elif kind not in PDU_NAMES:
            self._refuse(kind)
        elif length != 4:  # one of _FOUR_BYTES
            raise MalformedPDU(PDU_NAMES[kind], f"it claims {length} bytes, not 4", offset=3)
        end = place + HEADER_LENGTH + length
        if end > len(held):
            return None
        self._place = end
        if end == len(held):
            self._held, self._place = b"", 0
            return bytes(held[place:end] if place else held)
        return bytes(held[place:end])

    def _refuse(self, kind: int) -> None:
        raise MalformedPDU(
            f"PDU type {kind:02X}H", "no such PDU", abort_reason=UNRECOGNIZED_PDU, offset=1, excerpt=self.excerpt
        )
