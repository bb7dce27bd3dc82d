"""What a verification found out: every step's duration, what was negotiated, each echo, and the failure, if any."""

from . import causes
from .errors import AssociationAborted, AssociationRejected, ConnectError, EchoFailed, VerificationTimeout
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .causes import Cause
    from .errors import VerificationError
    from .tls.wire import TLSReport

MAX_ECHO_RECORDS = 1000
"""Echoes whose details a result keeps: the first so many. The statistics are of all."""

_EXACT_SAMPLES = 65536


def _seconds(seconds: float) -> float:
    """Seconds for JSON, to the nanosecond: what a clock has beyond that is noise."""
    return round(seconds, 9)


class ConnectAttempt(Record):
    """An address that was tried: `cause` and `detail` say why it failed, None and empty if it did not."""

    __slots__ = ("address", "cause", "detail", "seconds")

    def __init__(self, address: str, seconds: float, cause: "Cause | None" = None, detail: str = "") -> None:
        self.address = address
        self.seconds = seconds
        self.cause = cause
        self.detail = detail

    def to_dict(self) -> "dict[str, Any]":
        cause = self.cause.name if self.cause else None
        return {
            "address": self.address,
            "seconds": _seconds(self.seconds),
            "cause": cause,
            "detail": self.detail or None,
        }


class ContextResult(Record):
    """A presentation context and what became of it: `result` is a key of `dcmecho.items.CONTEXT_RESULTS`, or None if
    the peer did not mention it. `transfer_syntax` is empty unless it was accepted."""

    __slots__ = ("abstract_syntax", "context_id", "result", "transfer_syntax")

    def __init__(self, context_id: int, abstract_syntax: str, result: int | None, transfer_syntax: str) -> None:
        self.context_id = context_id
        self.abstract_syntax = abstract_syntax
        self.result = result
        self.transfer_syntax = transfer_syntax

    @property
    def is_accepted(self) -> bool:
        return self.result == 0

    def to_dict(self) -> "dict[str, Any]":
        return {
            "id": self.context_id,
            "abstract_syntax": self.abstract_syntax,
            "result": self.result,
            "accepted": self.is_accepted,
            "transfer_syntax": self.transfer_syntax or None,
        }


class Negotiated(Record):
    """What the association was negotiated to be.

    `context_id` and `transfer_syntax` are of the presentation context that carries the echoes (None and empty if none
    is accepted), `peer_max_pdu` the longest P-DATA-TF the peer takes in bytes (0: no limit).
    """

    __slots__ = (
        "context_id",
        "contexts",
        "peer_implementation_class_uid",
        "peer_implementation_version_name",
        "peer_max_pdu",
        "transfer_syntax",
    )

    def __init__(
        self,
        contexts: tuple[ContextResult, ...],
        peer_max_pdu: int,
        peer_implementation_class_uid: str,
        peer_implementation_version_name: str,
    ) -> None:
        self.contexts = contexts
        self.peer_max_pdu = peer_max_pdu
        self.peer_implementation_class_uid = peer_implementation_class_uid
        self.peer_implementation_version_name = peer_implementation_version_name
        accepted = [context for context in contexts if context.is_accepted]
        self.context_id = accepted[0].context_id if accepted else None
        self.transfer_syntax = accepted[0].transfer_syntax if accepted else ""

    def to_dict(self) -> "dict[str, Any]":
        return {
            "context_id": self.context_id,
            "transfer_syntax": self.transfer_syntax or None,
            "presentation_contexts": [context.to_dict() for context in self.contexts],
            "peer_max_pdu": self.peer_max_pdu,
            "peer_implementation_class_uid": self.peer_implementation_class_uid or None,
            "peer_implementation_version_name": self.peer_implementation_version_name or None,
        }


class EchoResult(Record):
    """One echo that was answered: `seconds` from request to response, `status` and its detail (PS3.7 9.3.5.2)."""

    __slots__ = ("error_comment", "error_id", "message_id", "offending_elements", "seconds", "status")

    def __init__(
        self,
        message_id: int,
        seconds: float,
        status: int = 0,
        error_comment: str = "",
        error_id: int | None = None,
        offending_elements: tuple[int, ...] = (),
    ) -> None:
        self.message_id = message_id
        self.seconds = seconds
        self.status = status
        self.error_comment = error_comment
        self.error_id = error_id
        self.offending_elements = offending_elements

    @property
    def is_success(self) -> bool:
        return self.status == 0

    def to_dict(self) -> "dict[str, Any]":
        found: dict[str, Any] = {
            "message_id": self.message_id,
            "seconds": _seconds(self.seconds),
            "status": self.status,
        }
        if self.error_comment:
            found["error_comment"] = self.error_comment
        if self.error_id is not None:
            found["error_id"] = self.error_id
        if self.offending_elements:
            found["offending_elements"] = [f"{tag >> 16:04X},{tag & 0xFFFF:04X}" for tag in self.offending_elements]
        return found


class EchoStatistics:
    """Numbers of all echoes (`failed` of the `answered` had another status than Success) and their round-trip times, in
    seconds.

    Minimum, maximum and average are exact. Median and 99th percentile are exact up to 65,536 echoes and to three
    digits beyond, so that a run of any length takes little memory.
    """

    __slots__ = ("_counts", "_samples", "_total", "answered", "failed", "maximum", "minimum", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.failed = 0
        self.minimum = 0.0
        self.maximum = 0.0
        self._total = 0.0
        self._samples: list[float] = []
        self._counts: dict[float, int] = {}

    def add(self, seconds: float, *, is_success: bool = True) -> None:
        """Count an answered echo."""
        if not is_success:
            self.failed += 1
        if not self.answered or seconds < self.minimum:
            self.minimum = seconds
        if seconds > self.maximum:
            self.maximum = seconds
        self.answered += 1
        self._total += seconds
        self._samples.append(seconds)
        if len(self._samples) >= _EXACT_SAMPLES:
            self._fold()

    def _fold(self) -> None:
        counts = self._counts
        for seconds in self._samples:
            rounded = float(f"{seconds:.3g}")
            counts[rounded] = counts.get(rounded, 0) + 1
        self._samples.clear()

    @property
    def average(self) -> float:
        return self._total / self.answered if self.answered else 0.0

    @property
    def median(self) -> float:
        return self.percentile(50)

    @property
    def p99(self) -> float:
        return self.percentile(99)

    def percentile(self, percent: float) -> float:
        """The smallest time that at least `percent` of the echoes did not exceed (nearest rank); 0.0 without any."""
        if not self.answered:
            return 0.0
        rank = max(1, -int(-self.answered * percent // 100))
        if not self._counts:
            return sorted(self._samples)[rank - 1]
        self._fold()
        seen = 0
        for seconds in sorted(self._counts):
            seen += self._counts[seconds]
            if seen >= rank:
                return min(max(seconds, self.minimum), self.maximum)
        return self.maximum

    def to_dict(self) -> "dict[str, Any]":
        times = {
            "min": self.minimum,
            "average": self.average,
            "median": self.median,
            "p99": self.p99,
            "max": self.maximum,
        }
        return {
            "sent": self.sent,
            "answered": self.answered,
            "failed": self.failed,
            "seconds": {name: _seconds(time) for name, time in times.items()} if self.answered else None,
        }


class VerificationResult:
    """All that a verification found out.

    `host` and `port` are what was asked for, `address` the one connected (empty before). `steps` maps the steps
    that were begun to their durations in seconds (``echo`` is the time all echoes took together), `attempts` tells of
    each address that was tried, `negotiated` is None before the association stands, `echoes` holds the first
    `MAX_ECHO_RECORDS` answered echoes, `statistics` is of all, `seconds` the whole duration, `failure` why it failed,
    None if it did not.
    """

    __slots__ = (
        "address",
        "attempts",
        "called_ae_title",
        "calling_ae_title",
        "echoes",
        "failure",
        "host",
        "negotiated",
        "port",
        "seconds",
        "statistics",
        "steps",
        "tls_report",
    )

    def __init__(self, host: str, port: int, called_ae_title: str, calling_ae_title: str) -> None:
        self.host = host
        self.port = port
        self.called_ae_title = called_ae_title
        self.calling_ae_title = calling_ae_title
        self.address = ""
        self.seconds = 0.0
        self.steps: dict[str, float] = {}
        self.attempts: list[ConnectAttempt] = []
        self.tls_report: TLSReport | None = None
        self.negotiated: Negotiated | None = None
        self.echoes: list[EchoResult] = []
        self.statistics = EchoStatistics()
        self.failure: VerificationError | None = None

    def __repr__(self) -> str:
        outcome = "ok" if self.ok else (self.failure.cause.name if self.failure else "unfinished")
        return f"<VerificationResult {self.host}:{self.port} {outcome} {self.seconds:.6f} s>"

    @property
    def tls(self) -> "dict[str, Any] | None":
        """What the TLS handshake told, as JSON's types; None without one."""
        return self.tls_report.to_dict() if self.tls_report is not None else None

    @property
    def ok(self) -> bool:
        """True if every echo was answered with Success and nothing failed."""
        return self.failure is None and self.statistics.sent > 0 and self.statistics.sent == self.statistics.answered

    def raise_for_failure(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def fail(self, error: "VerificationError") -> None:
        """Record a failure: the first echo with a bad status, or in its place what ended the run."""
        if self.failure is None or (isinstance(self.failure, EchoFailed) and not isinstance(error, EchoFailed)):
            self.failure = error
            error.result = self

    def add_echo(self, echo: EchoResult) -> None:
        """Record an answered echo."""
        self.statistics.add(echo.seconds, is_success=echo.status == 0)
        if len(self.echoes) < MAX_ECHO_RECORDS:
            self.echoes.append(echo)

    def to_dict(self) -> "dict[str, Any]":
        """Return the result as JSON's types; docs/reference/json.md describes it."""
        return {
            "schema": 1,
            "ok": self.ok,
            "peer": {"host": self.host, "port": self.port, "address": self.address or None},
            "called_ae_title": self.called_ae_title,
            "calling_ae_title": self.calling_ae_title,
            "seconds": _seconds(self.seconds),
            "steps": [
                {"step": step, "seconds": _seconds(self.steps[step])} for step in causes.STEPS if step in self.steps
            ],
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "tls": self.tls,
            "negotiated": self.negotiated.to_dict() if self.negotiated else None,
            "echoes": [echo.to_dict() for echo in self.echoes],
            "statistics": self.statistics.to_dict(),
            "failure": failure_to_dict(self.failure) if self.failure else None,
        }


def failure_to_dict(failure: "VerificationError") -> "dict[str, Any]":
    """Return a failure as JSON's types."""
    found: dict[str, Any] = {
        "step": failure.step,
        "cause": failure.cause.name,
        "side": failure.side,
        "message": str(failure),
        "hint": failure.hint or None,
    }
    if isinstance(failure, AssociationRejected):
        values = {"result": failure.rejection_result, "source": failure.source, "reason": failure.reason}
        found["rejection"] = values
    elif isinstance(failure, AssociationAborted):
        found["abort"] = {"source": failure.source, "reason": failure.reason}
    elif isinstance(failure, EchoFailed):
        found["status"] = failure.status
    elif isinstance(failure, VerificationTimeout):
        found["limit_seconds"] = failure.seconds
    elif isinstance(failure, ConnectError):
        found["attempts"] = [attempt.to_dict() for attempt in failure.attempts]
    return found
