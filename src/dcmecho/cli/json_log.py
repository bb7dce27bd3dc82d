"""The log of echoscp as JSON, one object a line. Loaded only for `--log-format json`.

Every object has `time` (UTC, ISO 8601 with milliseconds), `level` and `event`. Text is as it came: JSON's own escapes
(all that is not ASCII is escaped) keep it harmless on a terminal.
"""

import json
import sys
import time

from dcmecho.pdu import REJECTION_REASONS, REJECTION_RESULTS, REJECTION_SOURCES

from .journal import Journal, end_level
from .log import FATAL, INFO, LEVELS, SECURITY, WARN, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dcmecho.counters import Counters
    from dcmecho.handler import Peer
    from dcmecho.pdu import AssociateRJ

_WORDS = {number: word for word, number in LEVELS.items()}


class JsonLog(Log):
    """Writes events at or above a level to standard error."""

    def event(self, level: int, event: str, **fields: object) -> None:
        """Write one object; a field that is None is left out."""
        if level < self.level:
            return
        line: dict[str, object] = {"time": _now(), "level": _WORDS[level], "event": event}
        line |= {name: value for name, value in fields.items() if value is not None}
        try:
            sys.stderr.write(f"{json.dumps(line)}\n")
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):  # full, closed, or never there
            self.level = FATAL + 1  # nobody reads what we say: the exit code still tells

    def write(self, level: int, text: str, source: str = "") -> None:
        self.event(level, "message", message=text, source=source or None)

    def fatal(self, text: str) -> None:
        self.event(FATAL, "failed", message=text)


def _now() -> str:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1_000_000:03d}Z"


class JsonJournal(Journal):
    """Writes the events of echoscp as objects."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(log)
        self._events = log

    def tell(self, level: int, event: str, text: str, source: str = "", **fields: object) -> None:
        self._events.event(level, event, message=text, source=source or None, **fields)

    def count(self, counters: "Counters") -> None:
        self._events.event(
            WARN,
            "counters",
            connections=counters.connections,
            accepted=counters.accepted,
            open=counters.open,
            echoes=counters.echoes,
            echoes_failed=counters.echoes_failed,
            bytes_received=counters.bytes_received,
            bytes_sent=counters.bytes_sent,
            rejected=counters.rejected,
            ended=counters.ended,
            dropped=counters.dropped,
        )

    # What the server reports

    def accepted(self, peer: "Peer") -> None:
        if self._tells_steps:
            self._peer_event(
                INFO,
                "association-accepted",
                peer,
                implementation_class_uid=peer.implementation_class_uid or None,
                implementation_version_name=peer.implementation_version_name or None,
                tls=peer.tls,
            )
        for warning in peer.tls["warnings"] if peer.tls is not None else ():
            self._peer_event(WARN, "tls-warning", peer, message=warning, source=SECURITY)

    def rejected(self, peer: "Peer", rejection: "AssociateRJ") -> None:
        self._peer_event(
            WARN,
            "association-rejected",
            peer,
            outcome="rejected",
            result=REJECTION_RESULTS.get(rejection.result, str(rejection.result)),
            rejected_by=REJECTION_SOURCES.get(rejection.source, str(rejection.source)),
            detail=REJECTION_REASONS.get((rejection.source, rejection.reason), str(rejection.reason)),
        )

    def echoed(self, peer: "Peer", message_id: int, status: int) -> None:
        if self._tells_steps:
            self._peer_event(INFO, "echo", peer, message_id=message_id, status=status)

    def released(self, peer: "Peer") -> None:
        if self._tells_steps:
            self._peer_event(INFO, "association-released", peer, outcome="released")

    def aborted(self, peer: "Peer", outcome: str, detail: str) -> None:
        self._peer_event(end_level(outcome), "association-aborted", peer, outcome=outcome, detail=detail)

    def dropped(self, peer: "Peer", outcome: str, detail: str) -> None:
        self._peer_event(end_level(outcome), "connection-ended", peer, outcome=outcome, detail=detail)

    def _peer_event(self, level: int, event: str, peer: "Peer", **fields: object) -> None:
        self._events.event(
            level,
            event,
            address=peer.address,
            port=peer.port,
            calling_ae_title=peer.calling_ae_title or None,
            called_ae_title=peer.called_ae_title or None,
            **fields,
        )
