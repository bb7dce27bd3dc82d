"""PDUs as they nearly always are on the wire, byte for byte: comparing them takes a tenth of the time of decoding.

An echo is one P-DATA-TF with one presentation data value, a whole command set with the elements that the standard asks
for, in their order; only two numbers in it ever change. A release is always the same. What is read and written here is
what `dcmecho.pdu` and `dcmecho.dimse` would read and write.
"""

from struct import Struct

from .dimse import CEchoRQ, CEchoRSP
from .pdu import HEADER_LENGTH, PDV_OVERHEAD, ReleaseRP, ReleaseRQ, encode_whole_command

RELEASE_REQUEST = ReleaseRQ().encode()
RELEASE_RESPONSE = ReleaseRP().encode()

_MESSAGE_ID = 0x5A5A


def _around(message: CEchoRQ | CEchoRSP) -> tuple[Struct, bytes, bytes, bytes]:
    """Return the layout of a message's PDU, and what stands before, between and after its two numbers."""
    pdu = encode_whole_command(1, message.encode())
    context_at = HEADER_LENGTH + PDV_OVERHEAD - 2
    id_at = pdu.index(_MESSAGE_ID.to_bytes(2, "little"))
    before, between, after = pdu[:context_at], pdu[context_at + 1 : id_at], pdu[id_at + 2 :]
    return Struct(f"<{len(before)}sB{len(between)}sH{len(after)}s"), before, between, after


_REQUEST, _RQ_BEFORE, _RQ_BETWEEN, _RQ_AFTER = _around(CEchoRQ(_MESSAGE_ID))
_RESPONSE, _RSP_BEFORE, _RSP_BETWEEN, _RSP_AFTER = _around(CEchoRSP(_MESSAGE_ID))
_REQUEST_SIZE = _REQUEST.size


def read_echo_request(data: bytes) -> tuple[int, int] | None:
    """Return context id and message id if `data` are a plain C-ECHO-RQ, and nothing else; None if they are anything
    else, which may well be an echo too."""
    if len(data) != _REQUEST_SIZE:
        return None
    before, context_id, between, message_id, after = _REQUEST.unpack(data)
    if before == _RQ_BEFORE and between == _RQ_BETWEEN and after == _RQ_AFTER:
        return context_id, message_id
    return None


def echo_request(context_id: int, message_id: int) -> bytes:
    """Return the PDU of a plain C-ECHO-RQ."""
    return _REQUEST.pack(_RQ_BEFORE, context_id, _RQ_BETWEEN, message_id, _RQ_AFTER)


def echo_success(context_id: int, message_id: int) -> bytes:
    """Return the PDU of a plain C-ECHO-RSP with status Success."""
    return _RESPONSE.pack(_RSP_BEFORE, context_id, _RSP_BETWEEN, message_id, _RSP_AFTER)
