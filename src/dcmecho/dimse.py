"""Messages: command sets and their fragments (PS3.7 6.3, 9.1.5, 9.3.5 and Annex E; PS3.8 Annex E).

A command set is always encoded in implicit VR little endian: tag (two numbers of 2 bytes), length (4 bytes), value.
"""

from struct import Struct

from .errors import MalformedMessage
from .pdu import PDV, PDV_OVERHEAD, PDataTF
from .record import Record
from .text import bytes_to_text
from .uids import MAX_MESSAGE_LENGTH, VERIFICATION

_ELEMENT_HEADER = Struct("<HHI")
_UINT16 = Struct("<H")
_UINT32 = Struct("<I")

# Command elements (PS3.7 E.1), as group << 16 | element
COMMAND_GROUP_LENGTH = 0x00000000
AFFECTED_SOP_CLASS_UID = 0x00000002
COMMAND_FIELD = 0x00000100
MESSAGE_ID = 0x00000110
MESSAGE_ID_BEING_RESPONDED_TO = 0x00000120
COMMAND_DATA_SET_TYPE = 0x00000800
STATUS = 0x00000900
OFFENDING_ELEMENT = 0x00000901
ERROR_COMMENT = 0x00000902
ERROR_ID = 0x00000903

NO_DATA_SET = 0x0101
"""The command data set type that says: no data set follows. Any other value says one does (PS3.7 E.1)."""

C_ECHO_RQ = 0x0030
C_ECHO_RSP = 0x8030

COMMAND_NAMES = {
    0x0001: "C-STORE-RQ",
    0x0010: "C-GET-RQ",
    0x0020: "C-FIND-RQ",
    0x0021: "C-MOVE-RQ",
    C_ECHO_RQ: "C-ECHO-RQ",
    0x0100: "N-EVENT-REPORT-RQ",
    0x0110: "N-GET-RQ",
    0x0120: "N-SET-RQ",
    0x0130: "N-ACTION-RQ",
    0x0140: "N-CREATE-RQ",
    0x0150: "N-DELETE-RQ",
    0x0FFF: "C-CANCEL-RQ",
    0x8001: "C-STORE-RSP",
    0x8010: "C-GET-RSP",
    0x8020: "C-FIND-RSP",
    0x8021: "C-MOVE-RSP",
    C_ECHO_RSP: "C-ECHO-RSP",
    0x8100: "N-EVENT-REPORT-RSP",
    0x8110: "N-GET-RSP",
    0x8120: "N-SET-RSP",
    0x8130: "N-ACTION-RSP",
    0x8140: "N-CREATE-RSP",
    0x8150: "N-DELETE-RSP",
}
"""Every DIMSE message by its command field (PS3.7 E.1)."""

SUCCESS = 0x0000

STATUS_NAMES = {
    SUCCESS: "Success",
    0x0105: "No Such Attribute",
    0x0106: "Invalid Attribute Value",
    0x0107: "Attribute List Error",
    0x0110: "Processing Failure",
    0x0111: "Duplicate SOP Instance",
    0x0112: "No Such SOP Instance",
    0x0113: "No Such Event Type",
    0x0114: "No Such Argument",
    0x0115: "Invalid Argument Value",
    0x0116: "Attribute Value Out of Range",
    0x0117: "Invalid SOP Instance",
    0x0118: "No Such SOP Class",
    0x0119: "Class-Instance Conflict",
    0x0120: "Missing Attribute",
    0x0121: "Missing Attribute Value",
    0x0122: "Refused: SOP Class Not Supported",
    0x0123: "No Such Action",
    0x0124: "Refused: Not Authorized",
    0x0210: "Duplicate Invocation",
    0x0211: "Unrecognized Operation",
    0x0212: "Mistyped Argument",
    0x0213: "Resource Limitation",
    0xFE00: "Cancel",
    0xFF00: "Pending",
    0xFF01: "Pending",
}
"""Status values that PS3.7 Annex C names."""


def status_text(status: int) -> str:
    """Return the standard's name of a status, or of its class (PS3.7 Annex C), with its number unless Success."""
    if status == SUCCESS:
        return "Success"
    name = STATUS_NAMES.get(status)
    if name is None:
        if 0xA000 <= status <= 0xAFFF or 0xC000 <= status <= 0xCFFF or 0x0100 <= status <= 0x02FF:
            name = "Failure"
        elif 0xB000 <= status <= 0xBFFF or status == 1:
            name = "Warning"
        else:
            name = "Unknown"
    return f"{name}, {status:04X}H"


class CommandSet(Record):
    """The elements of a command set, by tag, as they were sent. The group length is not among them."""

    __slots__ = ("elements",)

    def __init__(self, elements: dict[int, bytes]) -> None:
        self.elements = elements

    def __hash__(self) -> int:
        return hash(frozenset(self.elements.items()))

    def encode(self) -> bytes:
        """Encode, with the group length first and the tags in ascending order (PS3.7 6.3.1)."""
        body = b"".join(
            [
                _ELEMENT_HEADER.pack(tag >> 16, tag & 0xFFFF, len(self.elements[tag])) + self.elements[tag]
                for tag in sorted(self.elements)
            ]
        )
        return _ELEMENT_HEADER.pack(0, 0, 4) + _UINT32.pack(len(body)) + body

    @classmethod
    def decode(cls, data: bytes) -> "CommandSet":
        """Decode a whole command set. MalformedMessage if it is not one.

        A group length that is missing or wrong, and tags out of order, are passed over: they change nothing.
        """
        elements: dict[int, bytes] = {}
        place, end = 0, len(data)
        while place < end:
            if end - place < 8:
                raise MalformedMessage("the command set ends inside an element")
            group, element, length = _ELEMENT_HEADER.unpack_from(data, place)
            place += 8
            if length > end - place:
                raise MalformedMessage(
                    f"element ({group:04X},{element:04X}) claims {length} bytes, the command set has {end - place} left"
                )
            if group:
                raise MalformedMessage(f"element ({group:04X},{element:04X}) does not belong in a command set")
            if element in elements:
                raise MalformedMessage(f"element (0000,{element:04X}) is in the command set twice")
            if element:
                elements[element] = data[place : place + length]
            place += length
        return cls(elements)

    def uint16(self, tag: int) -> int | None:
        """The first value of an element of VR US, None if it is absent or empty."""
        value = self.elements.get(tag, b"")
        if not value:
            return None
        if len(value) < 2:
            raise MalformedMessage(f"element (0000,{tag:04X}) of the command set is {len(value)} byte long, not 2")
        number: int = _UINT16.unpack_from(value)[0]
        return number

    def text(self, tag: int) -> str:
        """An element of text without its padding, empty if it is absent. Characters may be anything."""
        return bytes_to_text(self.elements.get(tag, b"")).rstrip("\0 ")

    def required_uint16(self, tag: int, what: str) -> int:
        number = self.uint16(tag)
        if number is None:
            raise MalformedMessage(f"the command set has no {what} (0000,{tag:04X})")
        return number


def _text_value(text: str, pad: bytes) -> bytes:
    encoded = text.encode("latin-1")
    return encoded + pad if len(encoded) % 2 else encoded


class CEchoRQ(Record):
    """C-ECHO-RQ (PS3.7 9.3.5.1). `message_id` is 0 to 65535."""

    __slots__ = ("message_id",)

    command_field = C_ECHO_RQ

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id

    def command_set(self) -> CommandSet:
        return CommandSet(
            {
                AFFECTED_SOP_CLASS_UID: _text_value(VERIFICATION, b"\0"),
                COMMAND_FIELD: _UINT16.pack(C_ECHO_RQ),
                MESSAGE_ID: _UINT16.pack(self.message_id),
                COMMAND_DATA_SET_TYPE: _UINT16.pack(NO_DATA_SET),
            }
        )

    def encode(self) -> bytes:
        return _RQ_BEFORE_ID + _UINT16.pack(self.message_id) + _RQ_AFTER_ID


class CEchoRSP(Record):
    """C-ECHO-RSP (PS3.7 9.3.5.2).

    `message_id` is that of the request, `status` one of PS3.7 Annex C. The status detail: `offending_elements` are
    tags, `error_comment` up to 64 characters, `error_id` a number; empty and None where absent.
    """

    __slots__ = ("error_comment", "error_id", "message_id", "offending_elements", "status")

    command_field = C_ECHO_RSP

    def __init__(
        self,
        message_id: int,
        status: int = SUCCESS,
        *,
        offending_elements: tuple[int, ...] = (),
        error_comment: str = "",
        error_id: int | None = None,
    ) -> None:
        self.message_id = message_id
        self.status = status
        self.offending_elements = offending_elements
        self.error_comment = error_comment
        self.error_id = error_id

    def command_set(self) -> CommandSet:
        elements = {
            AFFECTED_SOP_CLASS_UID: _text_value(VERIFICATION, b"\0"),
            COMMAND_FIELD: _UINT16.pack(C_ECHO_RSP),
            MESSAGE_ID_BEING_RESPONDED_TO: _UINT16.pack(self.message_id),
            COMMAND_DATA_SET_TYPE: _UINT16.pack(NO_DATA_SET),
            STATUS: _UINT16.pack(self.status),
        }
        if self.offending_elements:
            elements[OFFENDING_ELEMENT] = b"".join(
                [_UINT16.pack(tag >> 16) + _UINT16.pack(tag & 0xFFFF) for tag in self.offending_elements]
            )
        if self.error_comment:
            elements[ERROR_COMMENT] = _text_value(self.error_comment, b" ")
        if self.error_id is not None:
            elements[ERROR_ID] = _UINT16.pack(self.error_id)
        return CommandSet(elements)

    def encode(self) -> bytes:
        if self.status == SUCCESS and not self.offending_elements and not self.error_comment and self.error_id is None:
            return _RSP_BEFORE_ID + _UINT16.pack(self.message_id) + _RSP_AFTER_ID
        return self.command_set().encode()


class OtherCommand(Record):
    """Any other DIMSE message: `command_field` and the whole `command`."""

    __slots__ = ("command", "command_field")

    def __init__(self, command_field: int, command: CommandSet) -> None:
        self.command_field = command_field
        self.command = command


def command_name(command_field: int) -> str:
    """Return the standard's name of a message, such as ``C-STORE-RQ``."""
    return COMMAND_NAMES.get(command_field, f"unknown command {command_field:04X}H")


def _around_id(command: CommandSet, tag: int) -> tuple[bytes, bytes]:
    """What stands before and after the value of one element of two bytes."""
    whole = command.encode()
    place = whole.index(_ELEMENT_HEADER.pack(0, tag, 2)) + 8
    return whole[:place], whole[place + 2 :]


# An echo is the same bytes over and over but for its message id: comparing them is ten times faster than decoding.
_RQ_BEFORE_ID, _RQ_AFTER_ID = _around_id(CEchoRQ(0).command_set(), MESSAGE_ID)
_RSP_BEFORE_ID, _RSP_AFTER_ID = _around_id(CEchoRSP(0).command_set(), MESSAGE_ID_BEING_RESPONDED_TO)
_ID_IN_RQ = len(_RQ_BEFORE_ID)
_ID_IN_RSP = len(_RSP_BEFORE_ID)


def decode_command(data: bytes) -> CEchoRQ | CEchoRSP | OtherCommand:
    """Decode a whole command set. MalformedMessage if it is none, or a C-ECHO that cannot be one."""
    if data.startswith(_RQ_BEFORE_ID) and data[_ID_IN_RQ + 2 :] == _RQ_AFTER_ID:
        return CEchoRQ(_UINT16.unpack_from(data, _ID_IN_RQ)[0])
    if data.startswith(_RSP_BEFORE_ID) and data[_ID_IN_RSP + 2 :] == _RSP_AFTER_ID:
        return CEchoRSP(_UINT16.unpack_from(data, _ID_IN_RSP)[0])
    return _decode_any_command(data)


def _decode_any_command(data: bytes) -> CEchoRQ | CEchoRSP | OtherCommand:
    command = CommandSet.decode(data)
    field = command.required_uint16(COMMAND_FIELD, "command field")
    if field not in (C_ECHO_RQ, C_ECHO_RSP):
        return OtherCommand(field, command)
    if command.required_uint16(COMMAND_DATA_SET_TYPE, "command data set type") != NO_DATA_SET:
        raise MalformedMessage(f"{COMMAND_NAMES[field]} announces a data set, and has none (PS3.7 9.3.5)")
    if field == C_ECHO_RQ:
        return CEchoRQ(command.required_uint16(MESSAGE_ID, "message id"))
    offending = command.elements.get(OFFENDING_ELEMENT, b"")
    return CEchoRSP(
        command.required_uint16(MESSAGE_ID_BEING_RESPONDED_TO, "message id being responded to"),
        command.required_uint16(STATUS, "status"),
        offending_elements=tuple(
            [
                _UINT16.unpack_from(offending, place)[0] << 16 | _UINT16.unpack_from(offending, place + 2)[0]
                for place in range(0, len(offending) - 3, 4)
            ]
        ),
        error_comment=command.text(ERROR_COMMENT),
        error_id=command.uint16(ERROR_ID),
    )


def fragment(context_id: int, command: bytes, max_pdu: int) -> list[PDataTF]:
    """Split a command set into P-DATA-TF PDUs of at most `max_pdu` bytes after the PDU header; 0 is no limit.

    `max_pdu` is at least 8: what holds two bytes of a message.
    """
    room = (max_pdu - PDV_OVERHEAD) & ~1 if max_pdu else len(command)
    if len(command) <= room:
        return [PDataTF((PDV(context_id, True, True, command),))]
    pieces = [command[place : place + room] for place in range(0, len(command), room)]
    last = len(pieces) - 1
    return [PDataTF((PDV(context_id, True, number == last, piece),)) for number, piece in enumerate(pieces)]


class MessageAssembler:
    """Joins the fragments of command sets (PS3.8 Annex E), one message at a time.

    Verification has no data sets: a data set fragment is an error. `max_length` bounds what is held.
    """

    __slots__ = ("_context_id", "_length", "_pieces", "max_length")

    def __init__(self, max_length: int = MAX_MESSAGE_LENGTH) -> None:
        self.max_length = max_length
        self._pieces: list[bytes] = []
        self._length = 0
        self._context_id: int | None = None

    @property
    def is_inside_message(self) -> bool:
        """True if a message has begun to arrive and is not complete."""
        return self._context_id is not None

    def receive(self, pdv: PDV) -> bytes | None:
        """Take a fragment; return the whole command set if it was the last. MalformedMessage if it cannot be taken."""
        if not pdv.is_command:
            raise MalformedMessage("a data set fragment arrived where only commands are exchanged")
        if self._context_id is None:
            if pdv.is_last and len(pdv.data) <= self.max_length:
                return pdv.data
            self._context_id = pdv.context_id
        elif pdv.context_id != self._context_id:
            raise MalformedMessage(
                f"a fragment of presentation context {pdv.context_id} inside a message of context {self._context_id}"
            )
        self._length += len(pdv.data)
        if self._length > self.max_length:
            raise MalformedMessage(f"the command set is longer than {self.max_length} bytes")
        if pdv.data:
            self._pieces.append(pdv.data)
        if not pdv.is_last:
            return None
        whole = b"".join(self._pieces)
        self.discard()
        return whole

    def discard(self) -> None:
        """Forget what is held."""
        self._pieces, self._length, self._context_id = [], 0, None
