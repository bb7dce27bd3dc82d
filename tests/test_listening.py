"""The sockets that a server listens on."""

import errno
import socket
from contextlib import ExitStack

import pytest

from dcmecho import causes, listening
from dcmecho.errors import LocalError, UsageError
from dcmecho.listening import listening_sockets

HAS_IPV6 = True
try:
    socket.create_server(("::1", 0), family=socket.AF_INET6).close()
except OSError:
    HAS_IPV6 = False


def opened(stack: ExitStack, address: str | None, port: int = 0) -> list[socket.socket]:
    return [stack.enter_context(each) for each in listening_sockets(address, port)]


def test_one_address() -> None:
    with ExitStack() as stack:
        (found,) = opened(stack, "127.0.0.1")
        assert found.family is socket.AF_INET
        assert found.getsockname()[0] == "127.0.0.1"
        assert found.getsockname()[1] > 0
        assert found.gettimeout() == 0.0


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_both_families_on_one_free_port() -> None:
    with ExitStack() as stack:
        found = opened(stack, None)
        assert [each.family for each in found] == [socket.AF_INET, socket.AF_INET6]
        assert len({each.getsockname()[1] for each in found}) == 1
        for each in found:
            each.listen()
        assert found[1].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_an_ipv6_address() -> None:
    with ExitStack() as stack:
        (found,) = opened(stack, "::1")
        assert found.family is socket.AF_INET6


def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            listening_sockets("127.0.0.1", port)
    assert caught.value.cause is causes.PORT_UNAVAILABLE
    assert caught.value.step == causes.SETUP
    assert str(port) in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_a_port_that_is_taken_for_one_family() -> None:
    with ExitStack() as stack:
        taken = stack.enter_context(socket.socket(socket.AF_INET6))
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("::", 0))
        taken.listen()
        with pytest.raises(LocalError) as caught:
            listening_sockets(None, taken.getsockname()[1])
    assert caught.value.cause is causes.PORT_UNAVAILABLE


@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_a_free_port_is_sought_again_if_the_other_family_has_it_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bind, tried = listening._bind, []

    def refuse_once(family: int, address: tuple[object, ...], reuse_port: bool) -> socket.socket:
        tried.append(address[1])
        if len(tried) == 2:
            raise OSError(errno.EADDRINUSE, "taken")
        return bind(family, address, reuse_port)

    monkeypatch.setattr(listening, "_bind", refuse_once)
    with ExitStack() as stack:
        assert len(opened(stack, None)) == 2
    assert tried[0] == tried[2] == 0
    assert len(tried) == 4


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_there_is_ipv4(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    bind = listening._bind

    def only_ipv4(family: int, address: tuple[object, ...], reuse_port: bool) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(number, "no IPv6")
        return bind(family, address, reuse_port)

    monkeypatch.setattr(listening, "_bind", only_ipv4)
    with ExitStack() as stack:
        assert [each.family for each in opened(stack, None)] == [socket.AF_INET]


@pytest.mark.parametrize("address", ["192.0.2.77", "no.such.name.invalid", "\u00fc" * 70, ""])
def test_an_address_that_is_not_ours(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    if "." in address and address[0] == "n":
        monkeypatch.setattr(socket, "getaddrinfo", _unknown)
    with pytest.raises(LocalError) as caught:
        listening_sockets(address, 0)
    assert caught.value.cause is causes.PORT_UNAVAILABLE


def _unknown(*_: object, **__: object) -> object:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_without_the_privilege_the_hint_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(listening, "_bind", forbid)
    with pytest.raises(LocalError) as caught:
        listening_sockets("127.0.0.1", 104)
    assert "1024" in caught.value.hint


@pytest.mark.parametrize("port", [-1, 65536, 70000])
def test_a_port_that_cannot_be(port: int) -> None:
    """Resolvers cut a port down to 16 bits, so that another one would be taken silently."""
    with pytest.raises((UsageError, LocalError)), ExitStack() as stack:
        opened(stack, "127.0.0.1", port)
