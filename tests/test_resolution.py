"""Looking up a host's addresses."""

import socket
import threading
from collections.abc import Callable

import pytest

from dcmecho import causes, resolution
from dcmecho.causes import Cause
from dcmecho.errors import ResolveError, UsageError

V4, V6 = socket.AF_INET, socket.AF_INET6


def answers(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., object]) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answer)


def fails(error: Exception) -> Callable[..., object]:
    def answer(*_: object, **__: object) -> object:
        raise error

    return answer


def test_arrange_puts_ipv4_first_and_each_once() -> None:
    found: list[tuple[socket.AddressFamily, resolution.SocketAddress]] = [
        (V6, ("::1", 104, 0, 0)),
        (V4, ("192.0.2.2", 104)),
        (V4, ("192.0.2.1", 104)),
        (V6, ("::1", 104, 0, 0)),
        (V4, ("192.0.2.2", 104)),
    ]
    assert resolution.arrange(found) == [
        (V4, ("192.0.2.2", 104)),
        (V4, ("192.0.2.1", 104)),
        (V6, ("::1", 104, 0, 0)),
    ]


def test_arrange_leaves_other_families_out() -> None:
    assert resolution.arrange([(socket.AF_UNIX, ("x", 1))]) == []


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize(
    ("host", "version", "addresses"),
    [
        ("127.0.0.1", None, [(V4, ("127.0.0.1", 104))]),
        ("::1", None, [(V6, ("::1", 104, 0, 0))]),
        ("127.0.0.1", 4, [(V4, ("127.0.0.1", 104))]),
        ("localhost", 4, [(V4, ("127.0.0.1", 104))]),
    ],
)
def test_resolve(host: str, version: int | None, addresses: object, limit: float | None) -> None:
    assert resolution.resolve(host, 104, version, limit) == addresses


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), causes.HOST_NOT_FOUND),
        (socket.gaierror(socket.EAI_NODATA, "no address"), causes.HOST_NOT_FOUND),
        (UnicodeError("label too long"), causes.HOST_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "later"), causes.RESOLVE_FAILED),
        (socket.gaierror(socket.EAI_FAIL, "broken"), causes.RESOLVE_FAILED),
        (OSError("no resolver"), causes.RESOLVE_FAILED),
    ],
)
def test_what_the_resolver_says(
    monkeypatch: pytest.MonkeyPatch, error: Exception, cause: Cause, limit: float | None
) -> None:
    monkeypatch.setattr(resolution, "is_numeric", lambda host: False)
    answers(monkeypatch, fails(error))
    with pytest.raises(ResolveError) as caught:
        resolution.resolve("pacs.example", 104, None, limit)
    assert caught.value.cause is cause
    assert caught.value.host == "pacs.example"


def test_no_address_of_a_usable_family(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, lambda *_, **__: [])
    with pytest.raises(ResolveError):
        resolution.lookup("pacs.example", 104, None)


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize("host", ["", "a\0b", "a" * 1026])
def test_what_can_be_no_host_is_a_usage_error(host: str, limit: float | None) -> None:
    with pytest.raises(UsageError):
        resolution.resolve(host, 104, None, limit)


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize("host", ["\u00fc" * 70, "a..\u00fc", "\udc80"], ids=ascii)
def test_a_name_that_cannot_be_encoded_is_not_found(host: str, limit: float | None) -> None:
    with pytest.raises(ResolveError):
        resolution.resolve(host, 104, None, limit)


def test_the_version_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def answer(host: object, port: object, family: object, kind: object) -> object:
        asked.append((host, port, family, kind))
        return [(V6, kind, 6, "", ("::1", 104, 0, 0))]

    answers(monkeypatch, answer)
    resolution.lookup("pacs.example", 104, 6)
    resolution.lookup("b\u00fccher.example", 104, None)
    assert asked == [
        (b"pacs.example", 104, V6, socket.SOCK_STREAM),
        ("b\u00fccher.example", 104, socket.AF_UNSPEC, socket.SOCK_STREAM),
    ]


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def answer(*_: object, **__: object) -> object:
        is_over.wait(10)
        return []

    monkeypatch.setattr(resolution, "is_numeric", lambda host: False)
    answers(monkeypatch, answer)
    try:
        assert resolution.resolve("pacs.example", 104, None, 0.05) is None
    finally:
        is_over.set()
        for thread in threading.enumerate():
            if thread.name == "dcmecho-resolve":
                thread.join(10)
