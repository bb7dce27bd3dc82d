"""The exception tree: what is caught by what, the values each carries, and texts that are safe to show."""

import pickle

import pytest

import dcmecho
from dcmecho import causes, errors
from dcmecho.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    ConnectionLost,
    EchoFailed,
    Error,
    LocalError,
    LocalProtocolError,
    MalformedMessage,
    MalformedPDU,
    NoAcceptableContext,
    PeerProtocolError,
    RemoteProtocolError,
    ResolveError,
    TLSError,
    UnexpectedPDU,
    UsageError,
    VerificationError,
    VerificationTimeout,
)

BASES = {
    LocalProtocolError: (Error,),
    RemoteProtocolError: (Error,),
    MalformedPDU: (RemoteProtocolError,),
    MalformedMessage: (RemoteProtocolError,),
    UnexpectedPDU: (RemoteProtocolError,),
    UsageError: (Error, ValueError),
    VerificationError: (Error,),
    ResolveError: (VerificationError,),
    ConnectError: (VerificationError,),
    TLSError: (VerificationError,),
    AssociationRejected: (VerificationError,),
    NoAcceptableContext: (VerificationError,),
    AssociationAborted: (VerificationError,),
    ConnectionLost: (VerificationError,),
    PeerProtocolError: (VerificationError,),
    VerificationTimeout: (VerificationError, TimeoutError),
    EchoFailed: (VerificationError,),
    LocalError: (VerificationError,),
}

SAMPLES: list[Error] = [
    Error("text"),
    LocalProtocolError("text"),
    RemoteProtocolError("text"),
    MalformedPDU("A-ABORT", "too short", offset=3, excerpt=b"x"),
    MalformedMessage("text"),
    UnexpectedPDU("text"),
    UsageError("text"),
    VerificationError(causes.ABORTED, causes.ECHO, "detail", hint="try"),
    ResolveError("host", detail="why"),
    ConnectError(causes.CONNECTION_REFUSED, "detail"),
    TLSError(causes.TLS_UNKNOWN_CA, "detail", verify_code=20),
    AssociationRejected(causes.REJECTED, 1, 2, 3, "detail"),
    NoAcceptableContext("detail"),
    AssociationAborted(causes.RELEASE, 2, 6, "detail"),
    ConnectionLost(causes.CONNECTION_CLOSED, causes.ECHO),
    PeerProtocolError(causes.NOT_DICOM, causes.ASSOCIATE),
    VerificationTimeout(causes.ECHO_TIMEOUT, causes.ECHO, 2.5),
    EchoFailed(0x0122, "detail"),
    LocalError(causes.INPUT_FILE_INVALID, "detail", path="key.pem", hint="try"),
]


@pytest.mark.parametrize("kind", BASES, ids=lambda kind: kind.__name__)
def test_what_is_caught_by_what(kind: type[Error]) -> None:
    assert kind.__bases__ == BASES[kind]


def test_the_tree_is_complete_in_code_and_docstring() -> None:
    here = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Error)}
    assert here == {Error, *BASES}
    assert errors.__doc__ is not None
    assert all(f" {kind.__name__} " in errors.__doc__.replace("\n", " \n") for kind in BASES)
    assert {type(sample) for sample in SAMPLES} == here


def test_a_remote_protocol_error_shows_its_problem_escaped() -> None:
    error = MalformedMessage("bad \x1b[2J")
    assert error.problem == "bad \x1b[2J"
    assert error.text() == "bad \x1b[2J"
    assert str(error) == "bad \\x1b[2J"


def test_malformed_pdu() -> None:
    error = MalformedPDU("P-DATA-TF", "cut\nshort", abort_reason=1, offset=7, excerpt=b"HTTP")
    assert (error.pdu, error.problem, error.abort_reason) == ("P-DATA-TF", "cut\nshort", 1)
    assert (error.offset, error.excerpt) == (7, b"HTTP")
    assert error.text() == "P-DATA-TF: cut\nshort at byte 7"
    assert str(error) == "P-DATA-TF: cut\\x0ashort at byte 7"


def test_malformed_pdu_without_a_place() -> None:
    error = MalformedPDU("A-ABORT", "wrong")
    assert (error.abort_reason, error.offset, error.excerpt) == (6, None, b"")
    assert str(error) == "A-ABORT: wrong"


def test_a_verification_error_takes_side_hint_and_words_from_its_cause() -> None:
    error = VerificationError(causes.PEER_BUSY, causes.ASSOCIATE)
    assert (error.cause, error.step, error.side, error.detail) == (causes.PEER_BUSY, "associate", "peer", "")
    assert error.hint == causes.PEER_BUSY.hint
    assert error.result is None
    assert str(error) == causes.PEER_BUSY.summary


def test_a_verification_error_with_detail_and_a_hint_of_its_own() -> None:
    error = VerificationError(causes.CONNECT_FAILED, causes.CONNECT, "why\r", hint="")
    assert error.hint == ""
    assert error.detail == "why\r"
    assert error.text() == "could not connect: why\r"
    assert str(error) == "could not connect: why\\x0d"


def test_resolve_error_quotes_the_host() -> None:
    error = ResolveError("evil\x1b ")
    assert (error.host, error.step, error.cause) == ("evil\x1b ", "resolve", causes.HOST_NOT_FOUND)
    assert str(error) == 'no such host: "evil\\x1b "'
    other = ResolveError("pacs", causes.RESOLVE_FAILED, "later\n")
    assert str(other) == 'the name could not be looked up: "pacs" (later\\x0a)'


def test_each_failure_carries_its_values() -> None:
    refused = ConnectError(causes.CONNECTION_REFUSED, "d", ())
    assert (refused.step, refused.attempts, refused.side) == ("connect", (), "peer")
    tls = TLSError(causes.TLS_CLIENT_CERTIFICATE_REFUSED, step=causes.ASSOCIATE, hint="h", verify_code=19)
    assert (tls.step, tls.hint, tls.verify_code) == ("associate", "h", 19)
    assert (TLSError(causes.TLS_TIMEOUT).step, TLSError(causes.TLS_TIMEOUT).verify_code) == ("tls", None)
    rejected = AssociationRejected(causes.CALLED_AE_TITLE_REFUSED, 1, 2, 7, hint="h")
    assert (rejected.rejection_result, rejected.source, rejected.reason) == (1, 2, 7)
    assert (rejected.step, rejected.hint) == ("associate", "h")
    none = NoAcceptableContext()
    assert (none.cause, none.step) == (causes.NO_ACCEPTABLE_CONTEXT, "associate")
    aborted = AssociationAborted(causes.RELEASE, 2, 6)
    assert (aborted.cause, aborted.step, aborted.source, aborted.reason) == (causes.ABORTED, "release", 2, 6)
    failed = EchoFailed(0xC000, "d")
    assert (failed.cause, failed.step, failed.status, failed.detail) == (causes.ECHO_STATUS, "echo", 0xC000, "d")
    local = LocalError(causes.PORT_UNAVAILABLE, "d")
    assert (local.step, local.path, local.hint, local.side) == ("setup", None, "", "local")
    assert LocalError(causes.INPUT_FILE_UNREADABLE, path="x", hint="h").path == "x"


def test_a_timeout_tells_its_limit() -> None:
    error = VerificationTimeout(causes.ECHO_TIMEOUT, causes.ECHO, 2.5)
    assert (error.seconds, error.step, error.cause) == (2.5, "echo", causes.ECHO_TIMEOUT)
    assert str(error) == "no answer to an echo request within 2.5 s"


def test_a_timeout_is_no_error_of_a_file() -> None:
    """TimeoutError is an OSError: its number and file name are not the place for our cause, step and detail."""
    error = VerificationTimeout(causes.ECHO_TIMEOUT, causes.ECHO, 2.5)
    assert (error.errno, error.strerror, error.filename) == (None, None, None)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: Error) -> None:
    """A worker process must be able to hand its failure back; a cause stays the one of the closed list."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_the_failure_of_a_run_survives_pickling() -> None:
    """Its result refers back to it."""
    failure = dcmecho.verify("127.0.0.1", 1, check=False).failure
    assert failure is not None
    copy = pickle.loads(pickle.dumps(failure))
    assert (str(copy), copy.cause, copy.step) == (str(failure), failure.cause, failure.step)
    assert copy.result is not None
    assert copy.result.failure is copy
