"""What `-d` shows: every PDU and message, field by field. Loaded only when that is asked for.

Everything that a peer sent is escaped here.
"""

from dcmecho.association import Observer
from dcmecho.dimse import (
    COMMAND_DATA_SET_TYPE,
    NO_DATA_SET,
    CEchoRQ,
    CEchoRSP,
    CommandSet,
    command_name,
    decode_command,
    status_text,
)
from dcmecho.errors import MalformedMessage, MalformedPDU
from dcmecho.items import (
    CONTEXT_RESULTS,
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    RoleSelection,
    UserIdentityAC,
    UserIdentityRQ,
    find,
)
from dcmecho.pdu import (
    A_ASSOCIATE_RQ,
    ABORT_REASONS,
    ABORT_SOURCES,
    HEADER_LENGTH,
    PDU_NAMES,
    REJECTION_REASONS,
    REJECTION_RESULTS,
    REJECTION_SOURCES,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcmecho.text import escape
from dcmecho.uids import MAX_ASSOCIATION_PDU, name_of

from .log import DEBUG, NETWORK, TRACE, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dcmecho.items import UserInformation
    from dcmecho.pdu import PDU

    from .dictionary import Dictionary

_WIDTH = 76
_LABEL = 38
_MESSAGE_LABEL = 30
_MAX_HEX_BYTES = 4096
_SHOWN_VALUE = 64

_KINDS = {
    AssociateRQ: 1,
    AssociateAC: 2,
    AssociateRJ: 3,
    PDataTF: 4,
    ReleaseRQ: 5,
    ReleaseRP: 6,
    Abort: 7,
}


class Dumper(Observer):
    """Writes what crosses an association to the log: PDUs and messages at debug level, bytes at trace level.

    `who` is put before each dump where several associations share a log.
    """

    def __init__(self, log: Log, dictionary: "Dictionary", who: str = "") -> None:
        self._log = log
        self._dictionary = dictionary
        self._who = who
        self._shows_bytes = log.is_enabled(TRACE)
        self._request: bytes | None = b""
        """What has come of an association request that is not whole yet; None once it is, or is none."""

    def data(self, sent: bool, data: bytes) -> None:
        if not self._shows_bytes:
            return
        direction = "sent" if sent else "received"
        self._write(
            TRACE, [f"{len(data)} bytes {direction}", *hex_lines(data if sent else self._without_secrets(data))]
        )

    def _without_secrets(self, data: bytes) -> bytes:
        """Return what has come, with asterisks for what a user identity holds (PS3.7 D.3.3.7).

        Of a request that comes in pieces only the last is shown: before it, nobody can tell where a secret is.
        """
        if self._request is None:
            return data
        request = self._request + data
        if request[0] != A_ASSOCIATE_RQ:
            self._request = None
            return data
        self._request = request
        end = HEADER_LENGTH + int.from_bytes(request[2:HEADER_LENGTH], "big")
        if len(request) < min(end, HEADER_LENGTH + MAX_ASSOCIATION_PDU):
            return b""
        self._request = None
        try:
            identity = find(AssociateRQ.decode(request[:end]).user_information, UserIdentityRQ)
        except MalformedPDU:
            return b""
        for secret in (identity.primary_field, identity.secondary_field) if identity else ():
            if secret:
                request = request.replace(secret, b"*" * len(secret))
        return request

    def pdu(self, sent: bool, pdu: "PDU") -> None:
        self._write(DEBUG, pdu_lines(sent, pdu))

    def message(self, sent: bool, context_id: int, command: bytes) -> None:
        self._write(DEBUG, message_lines(sent, context_id, command, self._dictionary))

    def _write(self, level: int, lines: list[str]) -> None:
        if self._who:
            lines = [self._who, *lines]
        self._log.write(level, "\n".join(lines), NETWORK)


def _line(label: str, value: object) -> str:
    return f"{label + ':':<{_LABEL}}{value}"


def _uid(uid: str) -> str:
    name = name_of(uid)
    return f"{escape(uid)} ({name})" if name else escape(uid)


def hex_lines(data: bytes) -> list[str]:
    """Return bytes as lines of offset, hexadecimal and text."""
    lines = []
    for place in range(0, min(len(data), _MAX_HEX_BYTES), 16):
        row = data[place : place + 16]
        text = "".join([chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row])
        lines.append(f"{place:06x}  {row.hex(' '):<47}  {text}")
    if len(data) > _MAX_HEX_BYTES:
        lines.append(f"... and {len(data) - _MAX_HEX_BYTES} bytes more")
    return lines


def pdu_lines(sent: bool, pdu: "PDU") -> list[str]:
    """Return a PDU as lines between two rulers."""
    name = PDU_NAMES[_KINDS[type(pdu)]]
    direction = "OUTGOING" if sent else "INCOMING"
    lines = [f" {direction} {name} PDU ".center(_WIDTH, "=")]
    if isinstance(pdu, AssociateRQ | AssociateAC):
        lines += _associate_lines(sent, pdu)
    elif isinstance(pdu, AssociateRJ):
        lines += [
            _line("Result", f"{pdu.result} ({REJECTION_RESULTS.get(pdu.result, 'unknown')})"),
            _line("Source", f"{pdu.source} ({REJECTION_SOURCES.get(pdu.source, 'unknown')})"),
            _line("Reason", f"{pdu.reason} ({REJECTION_REASONS.get((pdu.source, pdu.reason), 'unknown')})"),
        ]
    elif isinstance(pdu, Abort):
        lines += [
            _line("Abort Source", f"{pdu.source} ({ABORT_SOURCES.get(pdu.source, 'unknown')})"),
            _line("Abort Reason", f"{pdu.reason} ({ABORT_REASONS.get(pdu.reason, 'unknown')})"),
        ]
    elif isinstance(pdu, PDataTF):
        for pdv in pdu.pdvs:
            kind = "command" if pdv.is_command else "data set"
            last = ", last" if pdv.is_last else ""
            value = f"context {pdv.context_id}, {kind} fragment of {len(pdv.data)} bytes{last}"
            lines.append(_line("Presentation Data Value", value))
    return [*lines, f" END {name} PDU ".center(_WIDTH, "=")]


def _associate_lines(sent: bool, pdu: AssociateRQ | AssociateAC) -> list[str]:
    whose = "Our" if sent else "Their"
    class_uid = find(pdu.user_information, ImplementationClassUID)
    version = find(pdu.user_information, ImplementationVersionName)
    maximum = find(pdu.user_information, MaximumLength)
    limit = "none announced" if maximum is None else str(maximum.length or "0 (no limit)")
    lines = [
        _line(f"{whose} Implementation Class UID", escape(class_uid.uid) if class_uid else "none"),
        _line(f"{whose} Implementation Version Name", escape(version.name) if version else "none"),
        _line("Application Context Name", _uid(pdu.application_context)),
        _line("Called AE Title", f'"{escape(pdu.called_ae_title)}"'),
        _line("Calling AE Title", f'"{escape(pdu.calling_ae_title)}"'),
        _line(f"{whose} Max PDU Receive Size", limit),
        "Presentation Contexts:",
    ]
    for context in pdu.presentation_contexts:
        if isinstance(context, PresentationContextAC):
            result = CONTEXT_RESULTS.get(context.result, "unknown result")
            lines.append(f"  Context ID:        {context.context_id} ({result})")
            lines.append(f"    Transfer Syntax: {_uid(context.transfer_syntax)}")
        else:
            lines.append(f"  Context ID:        {context.context_id} (proposed)")
            lines.append(f"    Abstract Syntax: {_uid(context.abstract_syntax)}")
            lines += [f"    Transfer Syntax: {_uid(uid)}" for uid in context.transfer_syntaxes]
    lines += _user_information_lines(pdu.user_information)
    lines += [f"Unknown Item {unknown.kind:02X}H: {len(unknown.data)} bytes" for unknown in pdu.unknown_items]
    return lines


def _user_information_lines(sub_items: "Iterable[UserInformation]") -> list[str]:
    lines = []
    for sub_item in sub_items:
        if isinstance(sub_item, AsynchronousOperationsWindow):
            value = f"invoked {sub_item.invoked}, performed {sub_item.performed}"
            lines.append(_line("Asynchronous Operations Window", value))
        elif isinstance(sub_item, RoleSelection):
            value = f"{_uid(sub_item.sop_class_uid)}, SCU {sub_item.scu_role}, SCP {sub_item.scp_role}"
            lines.append(_line("SCP/SCU Role Selection", value))
        elif isinstance(sub_item, ExtendedNegotiation):
            value = f"{_uid(sub_item.sop_class_uid)}, {len(sub_item.information)} bytes"
            lines.append(_line("Extended Negotiation", value))
        elif isinstance(sub_item, CommonExtendedNegotiation):
            value = f"{_uid(sub_item.sop_class_uid)}, service class {_uid(sub_item.service_class_uid)}"
            lines.append(_line("Common Extended Negotiation", value))
        elif isinstance(sub_item, UserIdentityRQ):
            value = f"type {sub_item.identity_type}, {len(sub_item.primary_field)} bytes (not shown)"
            lines.append(_line("User Identity", value))
        elif isinstance(sub_item, UserIdentityAC):
            lines.append(_line("User Identity Response", f"{len(sub_item.server_response)} bytes (not shown)"))
        elif not isinstance(sub_item, MaximumLength | ImplementationClassUID | ImplementationVersionName):
            lines.append(_line(f"Unknown Sub-Item {sub_item.kind:02X}H", f"{len(sub_item.data)} bytes"))
    return lines


def message_lines(sent: bool, context_id: int, command: bytes, dictionary: "Dictionary") -> list[str]:
    """Return a message as lines between two rulers: what it means, then its elements."""
    direction = "OUTGOING" if sent else "INCOMING"
    lines = [f" {direction} DIMSE MESSAGE ".center(_WIDTH, "=")]
    try:
        lines += _message_lines(context_id, command, dictionary)
    except MalformedMessage as error:
        lines.append(f"Not a command set: {error}")
    return [*lines, " END DIMSE MESSAGE ".center(_WIDTH, "=")]


def _message_lines(context_id: int, command: bytes, dictionary: "Dictionary") -> list[str]:
    elements = CommandSet.decode(command)
    decoded = decode_command(command)
    values: list[tuple[str, object]] = [
        ("Message Type", " ".join(command_name(decoded.command_field).rsplit("-", 1))),
        ("Presentation Context ID", context_id),
    ]
    if isinstance(decoded, CEchoRQ):
        values.append(("Message ID", decoded.message_id))
    elif isinstance(decoded, CEchoRSP):
        values.append(("Message ID Being Responded To", decoded.message_id))
    has_data_set = elements.uint16(COMMAND_DATA_SET_TYPE) != NO_DATA_SET
    values.append(("Data Set", "present" if has_data_set else "None"))
    if isinstance(decoded, CEchoRSP):
        values.append(("DIMSE Status", status_text(decoded.status)))
    lines = [f"{label:<{_MESSAGE_LABEL}}: {value}" for label, value in values]
    lines.append("Command Set:")
    for tag in sorted(elements.elements):
        group, element = tag >> 16, tag & 0xFFFF
        vr = dictionary.vr(group, element)
        value = element_text(vr, elements.elements[tag])
        lines.append(f"  ({group:04X},{element:04X}) {vr} {dictionary.name(group, element)}: {value}")
    return lines


def element_text(vr: str, value: bytes) -> str:
    """Return the value of a command element in a form that fits its VR."""
    if vr in ("US", "UL") and value:
        size = 2 if vr == "US" else 4
        numbers = [int.from_bytes(value[place : place + size], "little") for place in range(0, len(value), size)]
        return "\\".join([f"{number:0{2 * size}X}H" for number in numbers[:16]])
    if vr == "AT" and value:
        tags = [value[place : place + 4] for place in range(0, len(value), 4)][:16]
        return "\\".join(
            [f"({int.from_bytes(tag[:2], 'little'):04X},{int.from_bytes(tag[2:], 'little'):04X})" for tag in tags]
        )
    text = escape(value[:_SHOWN_VALUE].decode("latin-1").rstrip("\0 "))
    more = f" ... ({len(value)} bytes)" if len(value) > _SHOWN_VALUE else ""
    return f"[{text}]{more}"
