"""Looks up a host's addresses, within a limit of time."""

import socket

from . import causes
from .errors import ResolveError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
    Address = tuple[socket.AddressFamily, SocketAddress]

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


def arrange(found: "list[tuple[socket.AddressFamily, SocketAddress]]") -> "list[Address]":
    """Put IPv4 addresses first, otherwise in the order of the resolver, each once."""
    addresses: list[Address] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        addresses += [each for each in dict.fromkeys(found) if each[0] == family]
    return addresses


def resolve_error(host: str, error: OSError | UnicodeError, detail: str = "") -> ResolveError:
    """Turn the resolver's error into ours. `detail` is for a host that is not found."""
    absent = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAMILY")}
    if isinstance(error, UnicodeError) or error.errno in absent:
        return ResolveError(host, detail=detail)
    return ResolveError(host, causes.RESOLVE_FAILED, error.strerror or str(error))


def encoded(host: str) -> bytes | str:
    """The host as getaddrinfo takes it fastest: bytes, where no international name has to be encoded."""
    if not isinstance(host, str) or not host or "\0" in host or len(host) > 1025:
        raise UsageError("the host is no name: empty, too long, or with a null character")
    return host.encode("ascii") if host.isascii() else host


def lookup(host: str, port: int, ip_version: int | None) -> "list[Address]":
    """Look up a host's addresses, however long it takes. ResolveError if there are none."""
    name = encoded(host)
    try:
        found = socket.getaddrinfo(name, port, FAMILIES[ip_version], socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise resolve_error(host, error, f"no IPv{ip_version} address" if ip_version else "") from None
    addresses = arrange([(family, address) for family, _, _, _, address in found])
    if not addresses:
        raise ResolveError(host)
    return addresses


def resolve(host: str, port: int, ip_version: int | None, limit: float | None) -> "list[Address] | None":
    """Look up a host's addresses within `limit` seconds; None if that was not enough.

    The system's resolver cannot be interrupted: with a limit it works in a thread, which is left behind if it is late.
    """
    if limit is None or is_numeric(host):
        return lookup(host, port, ip_version)
    outcome: list[list[Address] | ResolveError | UsageError] = []
    lookup_in_thread(host, port, ip_version, outcome.append).join(limit)
    if not outcome:
        return None
    if isinstance(outcome[0], list):
        return outcome[0]
    raise outcome[0]


def lookup_in_thread(
    host: str,
    port: int,
    ip_version: int | None,
    tell: "Callable[[list[Address] | ResolveError | UsageError], object]",
) -> "threading.Thread":
    """Look up a host's addresses in a thread, which calls `tell` and does not keep the process from ending."""
    import threading

    def work() -> None:
        try:
            tell(lookup(host, port, ip_version))
        except (ResolveError, UsageError) as error:
            tell(error)

    thread = threading.Thread(target=work, name="dcmecho-resolve", daemon=True)
    thread.start()
    return thread


def is_numeric(host: str) -> bool:
    """Tell whether a host is an IP address, which needs no name server."""
    try:
        socket.getaddrinfo(encoded(host), None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True
