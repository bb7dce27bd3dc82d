"""The operating system's errors as causes."""

import errno

import pytest

from dcmecho import causes, oserrors
from dcmecho.causes import Cause
from dcmecho.result import ConnectAttempt


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ECONNREFUSED, causes.CONNECTION_REFUSED),
        (errno.ETIMEDOUT, causes.CONNECT_TIMEOUT),
        (errno.EHOSTUNREACH, causes.HOST_UNREACHABLE),
        (errno.ENETUNREACH, causes.HOST_UNREACHABLE),
        (errno.EADDRNOTAVAIL, causes.HOST_UNREACHABLE),
        (errno.EAFNOSUPPORT, causes.HOST_UNREACHABLE),
        (errno.EACCES, causes.CONNECT_FAILED),
        (errno.EMFILE, causes.CONNECT_FAILED),
    ],
)
def test_connect_cause(number: int, cause: Cause) -> None:
    assert oserrors.connect_cause(OSError(number, "x")) is cause


def test_a_timeout_of_the_socket_is_a_connect_timeout() -> None:
    assert oserrors.connect_cause(TimeoutError("timed out")) is causes.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ECONNRESET, causes.CONNECTION_RESET),
        (errno.ECONNABORTED, causes.CONNECTION_RESET),
        (errno.EPIPE, causes.CONNECTION_RESET),
        (errno.EHOSTUNREACH, causes.CONNECTION_LOST),
        (errno.ETIMEDOUT, causes.CONNECTION_LOST),
        (errno.EIO, causes.CONNECTION_LOST),
    ],
)
def test_lost_cause(number: int, cause: Cause) -> None:
    assert oserrors.lost_cause(OSError(number, "x")) is cause


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.EPIPE, "Broken pipe"), "Broken pipe"),
        (OSError("of our own"), "of our own"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_text(error: OSError, text: str) -> None:
    assert oserrors.text(error) == text


def attempt(address: str, cause: Cause, detail: str = "") -> ConnectAttempt:
    return ConnectAttempt(address, 0.1, cause, detail)


class TestConnectError:
    def test_one_address(self) -> None:
        attempts = (attempt("192.0.2.1", causes.CONNECTION_REFUSED, "refused"),)
        error = oserrors.connect_error(attempts, 104, None)
        assert error.cause is causes.CONNECTION_REFUSED
        assert error.attempts == attempts
        assert error.detail == "192.0.2.1 port 104"

    def test_all_failed_alike(self) -> None:
        attempts = tuple([attempt(address, causes.CONNECTION_REFUSED) for address in ("192.0.2.1", "2001:db8::1")])
        error = oserrors.connect_error(attempts, 104, None)
        assert error.cause is causes.CONNECTION_REFUSED
        assert "192.0.2.1, 2001:db8::1 port 104" in str(error)

    def test_each_failed_for_itself(self) -> None:
        attempts = (
            attempt("192.0.2.1", causes.CONNECTION_REFUSED),
            attempt("2001:db8::1", causes.HOST_UNREACHABLE),
        )
        error = oserrors.connect_error(attempts, 104, None)
        assert error.cause is causes.CONNECT_FAILED
        assert "192.0.2.1 (connection refused)" in str(error)
        assert "2001:db8::1 (host unreachable)" in str(error)

    def test_the_limit_is_told(self) -> None:
        error = oserrors.connect_error((attempt("192.0.2.1", causes.CONNECT_TIMEOUT),), 104, 2.5)
        assert "within 2.5 s" in str(error)
        assert "within" not in str(oserrors.connect_error((attempt("192.0.2.1", causes.CONNECT_TIMEOUT),), 104, None))

    def test_what_has_no_name_is_told_in_the_systems_words(self) -> None:
        error = oserrors.connect_error((attempt("192.0.2.1", causes.CONNECT_FAILED, "Too many open files"),), 104, None)
        assert "Too many open files" in str(error)
