"""The exit codes of the commands, and which failure leads to which."""

from dcmecho import causes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.errors import VerificationError

OK = 0
USAGE = 1
NO_ASSOCIATION = 1
INPUT_UNREADABLE = 20
INPUT_INVALID = 22
OUTPUT_UNWRITABLE = 40
PORT_UNAVAILABLE = 60
ECHO_FAILED = 62
ASSOCIATION_LOST = 70
INTERRUPTED = 130

_USAGE = (USAGE, "the command line is wrong")
_UNREADABLE = (INPUT_UNREADABLE, "an input file cannot be read")
_INVALID = (INPUT_INVALID, "an input file is not what it should be, or a certificate fails +vc or +rc")
_UNWRITABLE = (OUTPUT_UNWRITABLE, "an output file cannot be written")

ECHOSCU_CODES = (
    (OK, "every echo was answered with Success, and the association ended as asked"),
    (NO_ASSOCIATION, "the command line is wrong, or there was no association"),
    _UNREADABLE,
    _INVALID,
    _UNWRITABLE,
    (ECHO_FAILED, "an echo was answered with a status other than Success"),
    (ASSOCIATION_LOST, "the association was aborted, lost or timed out, or the peer broke the protocol"),
    (INTERRUPTED, "interrupted (Ctrl-C)"),
)
"""Each exit code of echoscu with its meaning."""

ECHOSCP_CODES = (
    (OK, "ended by SIGINT (Ctrl-C) or SIGTERM"),
    (USAGE, "the command line is wrong, or TLS cannot be set up as asked"),
    _UNREADABLE,
    _INVALID,
    _UNWRITABLE,
    (PORT_UNAVAILABLE, "the port cannot be listened on"),
)
"""Each exit code of echoscp with its meaning."""

_BY_CAUSE = {
    causes.INPUT_FILE_UNREADABLE: INPUT_UNREADABLE,
    causes.INPUT_FILE_INVALID: INPUT_INVALID,
    causes.OUTPUT_FILE_UNWRITABLE: OUTPUT_UNWRITABLE,
    causes.PORT_UNAVAILABLE: PORT_UNAVAILABLE,
    causes.ECHO_STATUS: ECHO_FAILED,
    causes.INTERRUPTED: INTERRUPTED,
}


def exit_code(error: "VerificationError") -> int:
    """Return the exit code for a failure: that of its cause if it has one, else that of the step it came at.

    A wrong key password, a key that does not belong to its certificate and a profile that the TLS library cannot
    offer count as TLS that failed, not as a file that is wrong: NO_ASSOCIATION.
    """
    code = _BY_CAUSE.get(error.cause)
    if code is not None:
        return code
    return ASSOCIATION_LOST if error.step in (causes.ECHO, causes.RELEASE) else NO_ASSOCIATION
