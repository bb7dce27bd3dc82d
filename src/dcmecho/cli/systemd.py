"""systemd's three interfaces to a service: sockets that it passes, the state it is told, and its watchdog.

All are environment variables and plain sockets (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)); a process that
systemd has not started finds none of them.
"""

import os
import socket
import time

from dcmecho import causes
from dcmecho.errors import LocalError
from dcmecho.oserrors import text
from dcmecho.text import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: the first of the sockets that are passed."""

METRICS_NAME = "metrics"
"""The name (FileDescriptorName=) of a passed socket on which counters are asked for, not echoes."""

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"

_MOST_SOCKETS = 1024


def reloading() -> str:
    """Return the state that says that a reload has begun, which needs the time for systemd to tell it from the last."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"


def is_activated(environ: "Mapping[str, str]") -> bool:
    """Tell whether sockets were passed to this very process."""
    return _number(environ, "LISTEN_PID") == os.getpid() and _number(environ, "LISTEN_FDS") > 0


def inherited_sockets(
    environ: "Mapping[str, str]", first: int = FIRST_DESCRIPTOR
) -> tuple[list[socket.socket], list[socket.socket]]:
    """Return the listening sockets that were passed: those for associations, and those named `METRICS_NAME`.

    LocalError (`PORT_UNAVAILABLE`): one of them does not listen for TCP.
    """
    count = min(_number(environ, "LISTEN_FDS"), _MOST_SOCKETS)
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    associations: list[socket.socket] = []
    metrics: list[socket.socket] = []
    for place in range(count):
        name = names[place] if place < len(names) else ""
        listener = _listener(first + place, name)
        (metrics if name == METRICS_NAME else associations).append(listener)
    return associations, metrics


def _listener(descriptor: int, name: str) -> socket.socket:
    what = f"socket {descriptor}{f' ({quote(name)})' if name else ''} passed by systemd"
    try:
        passed = socket.socket(fileno=descriptor)
    except OSError as error:
        raise LocalError(causes.PORT_UNAVAILABLE, f"{what}: {text(error)}") from None
    is_tcp = passed.family in (socket.AF_INET, socket.AF_INET6) and passed.type == socket.SOCK_STREAM
    if not is_tcp or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.detach()
        hint = "the socket unit needs ListenStream= with a TCP port, and Accept=no (or give --inetd)"
        raise LocalError(causes.PORT_UNAVAILABLE, f"{what} does not listen for TCP", hint=hint)
    passed.setblocking(False)
    passed.set_inheritable(False)
    return passed


def notifier(environ: "Mapping[str, str]") -> "Callable[[str], None] | None":
    """Return what tells systemd a state, None if it does not want to know. It never fails and never blocks."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    target = f"\0{address[1:]}" if address.startswith("@") else address

    def notify(state: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(state.encode(), target)
        except OSError:
            pass  # the service works all the same; systemd notices what it must

    return notify


def watchdog_seconds(environ: "Mapping[str, str]") -> float | None:
    """Return within how many seconds systemd wants a sign of life from this process, None if it wants none."""
    if "WATCHDOG_PID" in environ and _number(environ, "WATCHDOG_PID") != os.getpid():
        return None
    microseconds = _number(environ, "WATCHDOG_USEC")
    return microseconds / 1_000_000 if microseconds > 0 else None


def _number(environ: "Mapping[str, str]", name: str) -> int:
    """Return a variable as a number, 0 if it is none."""
    word = environ.get(name, "")
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else 0
