"""Turns the operating system's errors into our causes. The one place that does."""

import errno
import os

from . import causes
from .errors import ConnectError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .causes import Cause
    from .result import ConnectAttempt

_UNREACHABLE = frozenset(
    getattr(errno, name)
    for name in ("EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "EADDRNOTAVAIL", "EAFNOSUPPORT")
    if hasattr(errno, name)
)


def connect_cause(error: OSError) -> "Cause":
    """Return why a connection could not be made."""
    if isinstance(error, ConnectionRefusedError):
        return causes.CONNECTION_REFUSED
    if isinstance(error, TimeoutError):
        return causes.CONNECT_TIMEOUT
    return causes.HOST_UNREACHABLE if error.errno in _UNREACHABLE else causes.CONNECT_FAILED


def lost_cause(error: OSError) -> "Cause":
    """Return why a connection that stood was lost."""
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return causes.CONNECTION_RESET
    return causes.CONNECTION_LOST


def text(error: OSError) -> str:
    """Return what the operating system says of an error, in one line."""
    if error.errno is not None and type(error).__module__ == "builtins":
        return os.strerror(error.errno)  # asyncio puts words of its own into `strerror`
    return error.strerror or str(error) or type(error).__name__


def connect_error(attempts: "tuple[ConnectAttempt, ...]", port: int, limit: float | None) -> ConnectError:
    """Return the failure that sums up attempts of which none was good. `limit` is the connection timeout in force."""
    found = {attempt.cause for attempt in attempts if attempt.cause}
    if len(attempts) == 1 or len(found) == 1:
        where = ", ".join([attempt.address for attempt in attempts])
        cause = attempts[0].cause or causes.CONNECT_FAILED
        detail = f"{where} port {port}"
        if cause is causes.CONNECT_FAILED:
            detail += f" ({attempts[0].detail})"
        elif cause is causes.CONNECT_TIMEOUT and limit is not None:
            detail += f" within {limit:g} s"
        return ConnectError(cause, detail, attempts)
    each = ", ".join([f"{attempt.address} ({attempt.cause.summary})" for attempt in attempts if attempt.cause])
    return ConnectError(causes.CONNECT_FAILED, f"port {port} of {each}", attempts)
