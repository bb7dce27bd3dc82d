"""Items and sub-items of the association PDUs (PS3.8 9.3.2, 9.3.3, Annex D; PS3.7 Annex D.3.3).

Every item is a type (byte 1), a reserved byte and a length (bytes 3-4, big endian, of what follows). Byte ranges
in the comments count from 1, as the standard does.
"""

from struct import Struct

from .errors import MalformedPDU
from .record import Record
from .text import bytes_to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    _Item = TypeVar("_Item", bound=Record)

_HEADER = Struct(">BxH")
_UINT16 = Struct(">H")
_UINT32 = Struct(">I")
_TWO_UINT16 = Struct(">HH")

APPLICATION_CONTEXT_ITEM = 0x10
PRESENTATION_CONTEXT_RQ_ITEM = 0x20
PRESENTATION_CONTEXT_AC_ITEM = 0x21
ABSTRACT_SYNTAX_ITEM = 0x30
TRANSFER_SYNTAX_ITEM = 0x40
USER_INFORMATION_ITEM = 0x50

SMALLEST_MAXIMUM_LENGTH = 8
"""A maximum length below this has no room for a presentation data value's header and two bytes of a message."""


class Source:
    """The bytes of one PDU, with the checks that every reader of them needs. Offsets count from its first byte."""

    __slots__ = ("data", "pdu")

    def __init__(self, pdu: str, data: bytes) -> None:
        self.pdu = pdu
        self.data = data

    def malformed(self, problem: str, offset: int) -> MalformedPDU:
        return MalformedPDU(self.pdu, problem, offset=offset + 1)

    def items(self, start: int, end: int) -> "Iterator[tuple[int, int, int]]":
        """Yield type, start and end of the value of each item between two offsets."""
        while start < end:
            if end - start < 4:
                raise self.malformed("an item header is cut short", start)
            kind, length = _HEADER.unpack_from(self.data, start)
            start += 4
            if length > end - start:
                raise self.malformed(f"item {kind:02X}H claims {length} bytes, {end - start} are left", start - 2)
            yield kind, start, start + length
            start += length

    def need(self, start: int, end: int, length: int, what: str) -> None:
        if end - start < length:
            raise self.malformed(f"{what} is {end - start} bytes long, at least {length} are needed", start)

    def exactly(self, start: int, end: int, length: int, what: str) -> None:
        if end - start != length:
            raise self.malformed(f"{what} is {end - start} bytes long, not {length}", start)

    def uint16(self, offset: int) -> int:
        value: int = _UINT16.unpack_from(self.data, offset)[0]
        return value

    def uid(self, start: int, end: int) -> str:
        """A UID. Padding that some senders add (NUL or space at the end) is taken off."""
        return bytes_to_text(self.data[start:end]).rstrip("\0 ")

    def counted(self, start: int, end: int, what: str) -> tuple[int, int]:
        """Start and end of a field that begins with its own length in two bytes."""
        self.need(start, end, 2, f"the length of {what}")
        length = self.uint16(start)
        if length > end - start - 2:
            raise self.malformed(f"{what} claims {length} bytes, {end - start - 2} are left", start)
        return start + 2, start + 2 + length


def item(kind: int, value: bytes) -> bytes:
    """Encode one item. ValueError if the value does not fit its 16-bit length."""
    if len(value) > 0xFFFF:
        raise ValueError(f"item {kind:02X}H would be {len(value)} bytes long; 65535 fit")
    return _HEADER.pack(kind, len(value)) + value


def _text(value: str) -> bytes:
    return value.encode("latin-1")


def _counted(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"a field would be {len(value)} bytes long; 65535 fit")
    return _UINT16.pack(len(value)) + value


class PresentationContextRQ(Record):
    """A proposed presentation context (PS3.8 9.3.2.2): `context_id` is odd, 1 to 255."""

    __slots__ = ("abstract_syntax", "context_id", "transfer_syntaxes")

    def __init__(self, context_id: int, abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> None:
        self.context_id = context_id
        self.abstract_syntax = abstract_syntax
        self.transfer_syntaxes = transfer_syntaxes

    def encode(self) -> bytes:
        parts = [bytes((self.context_id, 0, 0, 0)), item(ABSTRACT_SYNTAX_ITEM, _text(self.abstract_syntax))]
        parts += [item(TRANSFER_SYNTAX_ITEM, _text(uid)) for uid in self.transfer_syntaxes]
        return item(PRESENTATION_CONTEXT_RQ_ITEM, b"".join(parts))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "PresentationContextRQ":
        source.need(start, end, 4, "a presentation context")
        context_id = source.data[start]  # byte 5; 6-8 are reserved
        if not context_id % 2:
            raise source.malformed(f"presentation context id {context_id} is not odd", start)
        abstract_syntax: str | None = None
        transfer_syntaxes: list[str] = []
        for kind, first, last in source.items(start + 4, end):
            if kind == TRANSFER_SYNTAX_ITEM:
                transfer_syntaxes.append(source.uid(first, last))
            elif kind == ABSTRACT_SYNTAX_ITEM:
                if abstract_syntax is not None:
                    raise source.malformed(f"presentation context {context_id} has two abstract syntaxes", first)
                abstract_syntax = source.uid(first, last)
        if abstract_syntax is None or not transfer_syntaxes:
            raise source.malformed(f"presentation context {context_id} lacks an abstract or transfer syntax", start)
        return cls(context_id, abstract_syntax, tuple(transfer_syntaxes))


ACCEPTANCE = 0
USER_REJECTION = 1
NO_REASON = 2
ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
TRANSFER_SYNTAXES_NOT_SUPPORTED = 4

CONTEXT_RESULTS = {
    ACCEPTANCE: "acceptance",
    USER_REJECTION: "user rejection",
    NO_REASON: "no reason (provider rejection)",
    ABSTRACT_SYNTAX_NOT_SUPPORTED: "abstract syntax not supported (provider rejection)",
    TRANSFER_SYNTAXES_NOT_SUPPORTED: "transfer syntaxes not supported (provider rejection)",
}
"""Result/reason of a presentation context in an A-ASSOCIATE-AC (PS3.8 Table 9-18)."""


class PresentationContextAC(Record):
    """The answer to a proposed presentation context (PS3.8 9.3.3.2).

    `result` is a key of `CONTEXT_RESULTS`. `transfer_syntax` means something only if `result` is `ACCEPTANCE`; it
    is empty where the peer sent none.
    """

    __slots__ = ("context_id", "result", "transfer_syntax")

    def __init__(self, context_id: int, result: int, transfer_syntax: str) -> None:
        self.context_id = context_id
        self.result = result
        self.transfer_syntax = transfer_syntax

    def encode(self) -> bytes:
        syntax = item(TRANSFER_SYNTAX_ITEM, _text(self.transfer_syntax))
        return item(PRESENTATION_CONTEXT_AC_ITEM, bytes((self.context_id, 0, self.result, 0)) + syntax)

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "PresentationContextAC":
        source.need(start, end, 4, "a presentation context")
        context_id, result = source.data[start], source.data[start + 2]  # bytes 5 and 7
        transfer_syntax = ""
        for kind, first, last in source.items(start + 4, end):
            if kind == TRANSFER_SYNTAX_ITEM:
                transfer_syntax = source.uid(first, last)
        return cls(context_id, result, transfer_syntax)


class UnknownItem(Record):
    """An item of an association PDU, or of its user information, whose type we do not know: kept, and otherwise passed
    over (PS3.8 9.3.1). Inside a presentation context it is only passed over.
    """

    __slots__ = ("data", "kind")

    def __init__(self, kind: int, data: bytes) -> None:
        self.kind = kind
        self.data = data

    def encode(self) -> bytes:
        return item(self.kind, self.data)


class MaximumLength(Record):
    """The largest P-DATA-TF PDU that the sender of this item wants to receive, in bytes after the PDU header
    (PS3.8 D.1). 0 is no limit."""

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        self.length = length

    def encode(self) -> bytes:
        return item(0x51, _UINT32.pack(self.length))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "MaximumLength":
        source.exactly(start, end, 4, "the maximum length")
        length: int = _UINT32.unpack_from(source.data, start)[0]
        if 0 < length < SMALLEST_MAXIMUM_LENGTH:
            raise source.malformed(f"a maximum length of {length} lets no message through", start)
        return cls(length)


class ImplementationClassUID(Record):
    """Identifies the implementation of an application entity (PS3.7 D.3.3.2.1)."""

    __slots__ = ("uid",)

    def __init__(self, uid: str) -> None:
        self.uid = uid

    def encode(self) -> bytes:
        return item(0x52, _text(self.uid))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "ImplementationClassUID":
        return cls(source.uid(start, end))


class AsynchronousOperationsWindow(Record):
    """How many operations may be outstanding, invoked and performed; 0 is no limit (PS3.7 D.3.3.3.1)."""

    __slots__ = ("invoked", "performed")

    def __init__(self, invoked: int, performed: int) -> None:
        self.invoked = invoked
        self.performed = performed

    def encode(self) -> bytes:
        return item(0x53, _TWO_UINT16.pack(self.invoked, self.performed))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "AsynchronousOperationsWindow":
        source.exactly(start, end, 4, "the asynchronous operations window")
        return cls(*_TWO_UINT16.unpack_from(source.data, start))


class RoleSelection(Record):
    """SCP/SCU role selection for one SOP class (PS3.7 D.3.3.4.1). Each role is 0 or 1."""

    __slots__ = ("scp_role", "scu_role", "sop_class_uid")

    def __init__(self, sop_class_uid: str, scu_role: int, scp_role: int) -> None:
        self.sop_class_uid = sop_class_uid
        self.scu_role = scu_role
        self.scp_role = scp_role

    def encode(self) -> bytes:
        return item(0x54, _counted(_text(self.sop_class_uid)) + bytes((self.scu_role, self.scp_role)))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "RoleSelection":
        first, last = source.counted(start, end, "the SOP class of a role selection")
        source.exactly(last, end, 2, "the roles of a role selection")
        return cls(source.uid(first, last), source.data[last], source.data[last + 1])


class ImplementationVersionName(Record):
    """Names the version of an implementation, up to 16 characters (PS3.7 D.3.3.2.3)."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self) -> bytes:
        return item(0x55, _text(self.name))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "ImplementationVersionName":
        return cls(bytes_to_text(source.data[start:end]).rstrip("\0 "))


class ExtendedNegotiation(Record):
    """SOP class extended negotiation: information that the service class defines (PS3.7 D.3.3.5.1)."""

    __slots__ = ("information", "sop_class_uid")

    def __init__(self, sop_class_uid: str, information: bytes) -> None:
        self.sop_class_uid = sop_class_uid
        self.information = information

    def encode(self) -> bytes:
        return item(0x56, _counted(_text(self.sop_class_uid)) + self.information)

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "ExtendedNegotiation":
        first, last = source.counted(start, end, "the SOP class of an extended negotiation")
        return cls(source.uid(first, last), source.data[last:end])


class CommonExtendedNegotiation(Record):
    """SOP class common extended negotiation: service class and related general SOP classes (PS3.7 D.3.3.6.1)."""

    __slots__ = ("related_sop_class_uids", "service_class_uid", "sop_class_uid")

    def __init__(self, sop_class_uid: str, service_class_uid: str, related_sop_class_uids: tuple[str, ...]) -> None:
        self.sop_class_uid = sop_class_uid
        self.service_class_uid = service_class_uid
        self.related_sop_class_uids = related_sop_class_uids

    def encode(self) -> bytes:
        related = b"".join([_counted(_text(uid)) for uid in self.related_sop_class_uids])
        return item(
            0x57, _counted(_text(self.sop_class_uid)) + _counted(_text(self.service_class_uid)) + _counted(related)
        )

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "CommonExtendedNegotiation":
        first, last = source.counted(start, end, "the SOP class of a common extended negotiation")
        sop_class_uid = source.uid(first, last)
        first, last = source.counted(last, end, "the service class of a common extended negotiation")
        service_class_uid = source.uid(first, last)
        place, stop = source.counted(last, end, "the related general SOP classes")
        related: list[str] = []
        while place < stop:
            first, place = source.counted(place, stop, "a related general SOP class")
            related.append(source.uid(first, place))
        return cls(sop_class_uid, service_class_uid, tuple(related))


class UserIdentityRQ(Record):
    """Who the requestor's user is (PS3.7 D.3.3.7.1).

    `identity_type`: 1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token. The fields are
    secrets: the repr shows their lengths only.
    """

    __slots__ = ("identity_type", "positive_response_requested", "primary_field", "secondary_field")

    def __init__(
        self, identity_type: int, positive_response_requested: int, primary_field: bytes, secondary_field: bytes = b""
    ) -> None:
        self.identity_type = identity_type
        self.positive_response_requested = positive_response_requested
        self.primary_field = primary_field
        self.secondary_field = secondary_field

    def __repr__(self) -> str:
        return (
            f"UserIdentityRQ(identity_type={self.identity_type}, "
            f"positive_response_requested={self.positive_response_requested}, "
            f"primary_field=<{len(self.primary_field)} bytes>, secondary_field=<{len(self.secondary_field)} bytes>)"
        )

    def encode(self) -> bytes:
        flags = bytes((self.identity_type, self.positive_response_requested))
        return item(0x58, flags + _counted(self.primary_field) + _counted(self.secondary_field))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "UserIdentityRQ":
        source.need(start, end, 2, "the user identity")
        primary, stop = source.counted(start + 2, end, "the primary field of the user identity")
        secondary, last = source.counted(stop, end, "the secondary field of the user identity")
        source.exactly(last, end, 0, "what follows the user identity")
        data = source.data
        return cls(data[start], data[start + 1], data[primary:stop], data[secondary:last])


class UserIdentityAC(Record):
    """The acceptor's answer to a user identity, if one was asked for (PS3.7 D.3.3.7.2). A secret too."""

    __slots__ = ("server_response",)

    def __init__(self, server_response: bytes) -> None:
        self.server_response = server_response

    def __repr__(self) -> str:
        return f"UserIdentityAC(server_response=<{len(self.server_response)} bytes>)"

    def encode(self) -> bytes:
        return item(0x59, _counted(self.server_response))

    @classmethod
    def decode(cls, source: Source, start: int, end: int) -> "UserIdentityAC":
        first, last = source.counted(start, end, "the server response of the user identity")
        source.exactly(last, end, 0, "what follows the user identity")
        return cls(source.data[first:last])


if TYPE_CHECKING:
    UserInformation = (
        MaximumLength
        | ImplementationClassUID
        | AsynchronousOperationsWindow
        | RoleSelection
        | ImplementationVersionName
        | ExtendedNegotiation
        | CommonExtendedNegotiation
        | UserIdentityRQ
        | UserIdentityAC
        | UnknownItem
    )

_USER_INFORMATION: "dict[int, Callable[[Source, int, int], UserInformation]]" = {
    0x51: MaximumLength.decode,
    0x52: ImplementationClassUID.decode,
    0x53: AsynchronousOperationsWindow.decode,
    0x54: RoleSelection.decode,
    0x55: ImplementationVersionName.decode,
    0x56: ExtendedNegotiation.decode,
    0x57: CommonExtendedNegotiation.decode,
    0x58: UserIdentityRQ.decode,
    0x59: UserIdentityAC.decode,
}


def decode_user_information(source: Source, start: int, end: int) -> "tuple[UserInformation, ...]":
    """Decode the sub-items of a user information item, in their order."""
    found: list[UserInformation] = []
    for kind, first, last in source.items(start, end):
        decode = _USER_INFORMATION.get(kind)
        found.append(decode(source, first, last) if decode else UnknownItem(kind, source.data[first:last]))
    return tuple(found)


def encode_user_information(sub_items: "tuple[UserInformation, ...]") -> bytes:
    """Encode a user information item (PS3.8 9.3.2.3) with these sub-items."""
    return item(USER_INFORMATION_ITEM, b"".join([sub_item.encode() for sub_item in sub_items]))


def find(sub_items: "tuple[UserInformation, ...]", kind: "type[_Item]") -> "_Item | None":
    """Return the first sub-item of a class, or None."""
    for sub_item in sub_items:
        if isinstance(sub_item, kind):
            return sub_item
    return None
