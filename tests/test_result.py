"""What a verification found out."""

import json
import random

import pytest

from dcmecho import causes
from dcmecho.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectError,
    EchoFailed,
    NoAcceptableContext,
    VerificationError,
    VerificationTimeout,
)
from dcmecho.result import (
    MAX_ECHO_RECORDS,
    ConnectAttempt,
    ContextResult,
    EchoResult,
    EchoStatistics,
    Negotiated,
    VerificationResult,
    failure_to_dict,
)


def result() -> VerificationResult:
    return VerificationResult("peer.example", 104, "PACS", "ME")


def is_ok(found: VerificationResult) -> bool:
    return found.ok


def failure_of(found: VerificationResult) -> VerificationError | None:
    return found.failure


def timed(*seconds: float) -> EchoStatistics:
    statistics = EchoStatistics()
    for each in seconds:
        statistics.add(each)
    return statistics


class TestStatistics:
    def test_nothing(self) -> None:
        statistics = timed()
        assert (statistics.average, statistics.median, statistics.p99) == (0.0, 0.0, 0.0)
        assert statistics.to_dict() == {"sent": 0, "answered": 0, "failed": 0, "seconds": None}

    def test_few(self) -> None:
        statistics = timed(4.0, 1.0, 3.0, 2.0)
        assert statistics.to_dict()["seconds"] == {"min": 1.0, "average": 2.5, "median": 2.0, "p99": 4.0, "max": 4.0}

    def test_a_first_time_of_zero_counts(self) -> None:
        assert timed(0.0, 5.0).minimum == 0.0

    @pytest.mark.parametrize(
        ("percent", "found"), [(0, 1.0), (1, 1.0), (50, 50.0), (50.5, 51.0), (99, 99.0), (100, 100.0)]
    )
    def test_nearest_rank(self, percent: float, found: float) -> None:
        assert timed(*[float(number) for number in range(100, 0, -1)]).percentile(percent) == found

    def test_many_take_little_memory_and_stay_right(self) -> None:
        numbers = random.Random(7)
        times = [numbers.uniform(0.0001, 0.01) for _ in range(150_000)]
        statistics = timed(*times)
        times.sort()
        assert statistics.answered == 150_000
        assert statistics.minimum == times[0]
        assert statistics.maximum == times[-1]
        assert statistics.average == pytest.approx(sum(times) / 150_000)
        assert statistics.median == pytest.approx(times[74_999], rel=0.01)
        assert statistics.p99 == pytest.approx(times[148_499], rel=0.01)
        assert len(statistics._samples) + len(statistics._counts) < 70_000

    def test_asking_in_between_changes_nothing(self) -> None:
        statistics = timed(*[0.001] * 70_000)
        assert statistics.median == 0.001
        for _ in range(100_000):
            statistics.add(0.002)
        assert statistics.median == 0.002


class TestNegotiated:
    def test_the_first_that_is_accepted_counts(self) -> None:
        contexts = (
            ContextResult(1, "1.1", 3, ""),
            ContextResult(3, "1.1", 0, "1.2"),
            ContextResult(5, "1.1", 0, "1.3"),
        )
        negotiated = Negotiated(contexts, 0, "", "")
        assert (negotiated.context_id, negotiated.transfer_syntax) == (3, "1.2")
        told = negotiated.to_dict()
        assert told["peer_implementation_class_uid"] is None
        assert [each["accepted"] for each in told["presentation_contexts"]] == [False, True, True]

    def test_none_is_accepted(self) -> None:
        negotiated = Negotiated((ContextResult(1, "1.1", None, ""),), 16384, "1.2", "X")
        assert (negotiated.context_id, negotiated.transfer_syntax) == (None, "")
        assert negotiated.to_dict()["transfer_syntax"] is None


class TestEchoes:
    def test_only_the_first_are_kept(self) -> None:
        found = result()
        for number in range(MAX_ECHO_RECORDS + 5):
            found.add_echo(EchoResult(number + 1, 0.001))
        assert len(found.echoes) == MAX_ECHO_RECORDS
        assert found.statistics.answered == MAX_ECHO_RECORDS + 5

    def test_detail_appears_where_there_is_any(self) -> None:
        assert EchoResult(1, 0.5).to_dict() == {"message_id": 1, "seconds": 0.5, "status": 0}
        told = EchoResult(2, 0.5, 0x0110, "why", 7, (0x00000002, 0x7FE00010)).to_dict()
        assert told["offending_elements"] == ["0000,0002", "7FE0,0010"]
        assert (told["error_comment"], told["error_id"]) == ("why", 7)


class TestOk:
    def test_only_if_all_sent_were_answered(self) -> None:
        found = result()
        assert not is_ok(found)
        found.statistics.sent = 2
        found.add_echo(EchoResult(1, 0.1))
        assert not is_ok(found)
        found.add_echo(EchoResult(2, 0.1))
        assert is_ok(found)
        found.raise_for_failure()
        assert "ok" in repr(found)

    def test_what_ended_the_run_goes_before_a_bad_status(self) -> None:
        found = result()
        status, timeout = EchoFailed(0x0110), VerificationTimeout(causes.ECHO_TIMEOUT, "echo", 5.0)
        found.fail(status)
        assert failure_of(found) is status
        found.fail(timeout)
        assert failure_of(found) is timeout
        found.fail(EchoFailed(0x0211))
        found.fail(VerificationTimeout(causes.RELEASE_TIMEOUT, "release", 5.0))
        assert failure_of(found) is timeout
        assert timeout.result is found
        with pytest.raises(VerificationTimeout):
            found.raise_for_failure()
        assert "echo-timeout" in repr(found)


ATTEMPT = ConnectAttempt("192.0.2.1", 0.5, causes.CONNECTION_REFUSED, "refused")

FAILURES = [
    (AssociationRejected(causes.REJECTED, 1, 2, 1, "no"), {"rejection": {"result": 1, "source": 2, "reason": 1}}),
    (AssociationAborted("echo", 2, 6), {"abort": {"source": 2, "reason": 6}}),
    (EchoFailed(0x0122), {"status": 0x0122}),
    (VerificationTimeout(causes.ECHO_TIMEOUT, "echo", 2.5), {"limit_seconds": 2.5}),
    (
        ConnectError(causes.CONNECTION_REFUSED, "x", (ATTEMPT,)),
        {
            "attempts": [
                {"address": "192.0.2.1", "seconds": 0.5, "cause": "connection-refused", "detail": "refused"},
            ]
        },
    ),
    (NoAcceptableContext("none"), {}),
]


@pytest.mark.parametrize(("failure", "more"), FAILURES)
def test_failures_as_json(failure: VerificationError, more: dict[str, object]) -> None:
    told = failure_to_dict(failure)
    assert json.loads(json.dumps(told)) == told
    assert told == {
        "step": failure.step,
        "cause": failure.cause.name,
        "side": failure.cause.side,
        "message": str(failure),
        "hint": failure.hint or None,
        **more,
    }


def test_the_whole_as_json() -> None:
    found = result()
    found.address, found.seconds = "192.0.2.2", 1.5
    found.steps = {"echo": 0.2, "connect": 0.1, "resolve": 0.0}
    found.attempts = [ATTEMPT, ConnectAttempt("192.0.2.2", 0.1)]
    found.negotiated = Negotiated((ContextResult(1, "1.1", 0, "1.2"),), 16384, "1.3", "\x1b[2J")
    found.statistics.sent = 1
    found.add_echo(EchoResult(1, 0.2))
    told = json.loads(json.dumps(found.to_dict()))
    assert told["schema"] == 1
    assert told["ok"] is True
    assert told["peer"] == {"host": "peer.example", "port": 104, "address": "192.0.2.2"}
    assert (told["called_ae_title"], told["calling_ae_title"]) == ("PACS", "ME")
    assert [step["step"] for step in told["steps"]] == ["resolve", "connect", "echo"]
    assert told["attempts"][1] == {"address": "192.0.2.2", "seconds": 0.1, "cause": None, "detail": None}
    assert told["failure"] is None
    assert told["tls"] is None
    assert set(told) == {
        "schema", "ok", "peer", "called_ae_title", "calling_ae_title", "seconds", "steps", "attempts", "tls",
        "negotiated", "echoes", "statistics", "failure",
    }  # fmt: skip
    assert "\x1b" not in json.dumps(found.to_dict())
