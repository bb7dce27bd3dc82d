"""Counts what a Verification server does. No I/O and no clock; the numbers can live in memory that processes share."""

from .acceptor import OUTCOMES, RELEASED
from .dimse import SUCCESS
from .handler import Handler
from .pdu import REJECTION_REASONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, MutableSequence

    from .handler import EchoStatus, Peer
    from .pdu import AssociateRJ

    Cells = MutableSequence[int] | memoryview

OTHER = "other"
"""Stands for a reason or an outcome that has no name here."""

WORKER_DIED = "worker-died"
"""How the associations of a worker process end that dies."""

_REASONS = {key: text.lower().replace(" ", "-") for key, text in REJECTION_REASONS.items()}

REJECTIONS = (*dict.fromkeys(_REASONS.values()), OTHER)
"""The reasons by which rejections are counted: the standard's (PS3.8 Table 9-21), in lower case with hyphens."""

ENDS = (*OUTCOMES, WORKER_DIED, OTHER)
"""The outcomes by which ends of associations, and of connections that never became one, are counted."""

CONNECTIONS, ACCEPTED, OPEN, ECHOES, ECHOES_FAILED = range(5)
_REJECTED = 5
_ENDED = _REJECTED + len(REJECTIONS)
_DROPPED = _ENDED + len(ENDS)
SIZE = _DROPPED + len(ENDS)
"""How many cells the counters take."""

_REJECTED_AT = {key: _REJECTED + REJECTIONS.index(name) for key, name in _REASONS.items()}
_REJECTED_OTHER = _REJECTED + REJECTIONS.index(OTHER)
_END_AT = {name: place for place, name in enumerate(ENDS)}
_END_OTHER = _END_AT[OTHER]
_RELEASED_AT = _ENDED + _END_AT[RELEASED]


class Counters:
    """Numbers since the start; all but `open` only grow.

    `cells` are `SIZE` integers, zero at the start: a list, or shared memory as a `memoryview` of format ``Q``.
    """

    __slots__ = ("cells",)

    def __init__(self, cells: "Cells | None" = None) -> None:
        self.cells: Cells = [0] * SIZE if cells is None else cells

    @property
    def connections(self) -> int:
        """Connections that were accepted."""
        return self.cells[CONNECTIONS]

    @property
    def accepted(self) -> int:
        """Associations that were accepted."""
        return self.cells[ACCEPTED]

    @property
    def open(self) -> int:
        """Associations that stand now."""
        return self.cells[OPEN]

    @property
    def echoes(self) -> int:
        """Echo requests that were answered with Success."""
        return self.cells[ECHOES]

    @property
    def echoes_failed(self) -> int:
        """Echo requests that were answered with another status."""
        return self.cells[ECHOES_FAILED]

    @property
    def rejected(self) -> dict[str, int]:
        """Associations that were rejected, by reason: every one of `REJECTIONS`."""
        return self._named(REJECTIONS, _REJECTED)

    @property
    def ended(self) -> dict[str, int]:
        """Associations that ended, by outcome: every one of `ENDS`."""
        return self._named(ENDS, _ENDED)

    @property
    def dropped(self) -> dict[str, int]:
        """Connections that ended without an association being asked for, by outcome: every one of `ENDS`."""
        return self._named(ENDS, _DROPPED)

    def _named(self, names: tuple[str, ...], start: int) -> dict[str, int]:
        return {name: self.cells[start + place] for place, name in enumerate(names)}

    def worker_died(self) -> int:
        """Count the associations that stood as ended with the process they were in; return how many they were."""
        lost = self.cells[OPEN]
        self.cells[OPEN] = 0
        self.cells[_ENDED + _END_AT[WORKER_DIED]] += lost
        return lost


def total(counters: "Iterable[Counters]") -> Counters:
    """Return the sum of several, as it is now."""
    columns = zip(*[each.cells for each in counters], strict=True)
    return Counters([sum(column) for column in columns])


class CountingHandler(Handler):
    """Counts, and passes everything on to another handler, which decides as it would alone.

    What that handler raises passes through; it has been counted by then.
    """

    def __init__(self, counters: Counters, inner: Handler | None = None) -> None:
        self.counters = counters
        self._cells = counters.cells
        self._inner = Handler() if inner is None else inner

    def connected(self, peer: "Peer") -> None:
        self._cells[CONNECTIONS] += 1
        self._inner.connected(peer)

    def accepted(self, peer: "Peer") -> None:
        self._cells[ACCEPTED] += 1
        self._cells[OPEN] += 1
        self._inner.accepted(peer)

    def rejected(self, peer: "Peer", rejection: "AssociateRJ") -> None:
        self._cells[_REJECTED_AT.get((rejection.source, rejection.reason), _REJECTED_OTHER)] += 1
        self._inner.rejected(peer, rejection)

    def echo(self, peer: "Peer", message_id: int) -> "EchoStatus | int | Awaitable[EchoStatus | int]":
        return self._inner.echo(peer, message_id)

    def echoed(self, peer: "Peer", message_id: int, status: int) -> None:
        self._cells[ECHOES if status == SUCCESS else ECHOES_FAILED] += 1
        self._inner.echoed(peer, message_id, status)

    def released(self, peer: "Peer") -> None:
        self._cells[_RELEASED_AT] += 1
        self._cells[OPEN] -= 1
        self._inner.released(peer)

    def aborted(self, peer: "Peer", outcome: str, detail: str) -> None:
        self._cells[_ENDED + _END_AT.get(outcome, _END_OTHER)] += 1
        self._cells[OPEN] -= 1
        self._inner.aborted(peer, outcome, detail)

    def dropped(self, peer: "Peer", outcome: str, detail: str) -> None:
        self._cells[_DROPPED + _END_AT.get(outcome, _END_OTHER)] += 1
        self._inner.dropped(peer, outcome, detail)
