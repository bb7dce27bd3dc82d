"""Opens the sockets that a server listens on."""

import errno
import os
import socket

from . import causes
from .errors import LocalError
from .oserrors import text
from .settings import check_port

_ATTEMPTS_FOR_FREE_PORT = 16


def listening_sockets(bind_address: str | None, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Return bound sockets, one a family, all on one port; port 0 takes a free one.

    With `reuse_port` others may listen there too, and the system spreads the connections (SO_REUSEPORT).

    LocalError (cause `PORT_UNAVAILABLE`) if that cannot be. A machine without IPv6 is served with IPv4 alone.
    """
    check_port(port, lowest=0)
    for _ in range(_ATTEMPTS_FOR_FREE_PORT):
        try:
            return _bind_all(bind_address, port, reuse_port)
        except _Taken as error:
            if port:
                raise unavailable(bind_address, port, error.error) from None
    raise unavailable(bind_address, port, OSError("no port is free in both IPv4 and IPv6"))


class _Taken(Exception):
    """A port that was free for one family is taken for the other."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def unavailable(bind_address: str | None, port: int, error: OSError) -> LocalError:
    """Return the failure that says that a port cannot be had, and what to do."""
    where = f"port {port}" + (f" of {bind_address}" if bind_address else "")
    hint = "choose another port with the last argument, or stop what uses it"
    if isinstance(error, PermissionError):
        hint = "ports below 1024 need privileges (on Linux CAP_NET_BIND_SERVICE)"
    return LocalError(causes.PORT_UNAVAILABLE, f"{where} ({text(error)})", hint=hint)


def _bind_all(bind_address: str | None, port: int, reuse_port: bool) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(bind_address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        problem = error if isinstance(error, OSError) else OSError(str(error))
        raise unavailable(bind_address, port, problem) from None
    tails = {address[0]: address[2:] for _, _, _, _, address in found}
    addresses = {
        address[0]: family for family, _, _, _, address in found if family in (socket.AF_INET, socket.AF_INET6)
    }
    sockets: list[socket.socket] = []
    for address, family in sorted(addresses.items(), key=lambda each: each[1] != socket.AF_INET):
        try:
            sockets.append(_bind(family, (str(address), port, *tails[address]), reuse_port))
        except OSError as error:
            if sockets and _is_absent_family(error):
                continue
            for bound in sockets:
                bound.close()
            if sockets:
                raise _Taken(error) from None
            raise unavailable(bind_address, port, error) from None
        port = sockets[-1].getsockname()[1]
    return sockets


def _is_absent_family(error: OSError) -> bool:
    """Tell whether this machine has no IPv6, or has it turned off."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def _bind(family: int, address: tuple[object, ...], reuse_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
