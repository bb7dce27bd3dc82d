"""Counts what a Verification server does. No I/O and no clock; the numbers can live in memory that processes share."""

from .acceptor import OUTCOMES
from .dimse import SUCCESS
from .pdu import REJECTION_REASONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, MutableSequence

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

_CONNECTIONS, _ACCEPTED, _OPEN, _ECHOES, _ECHOES_FAILED, _RECEIVED, _SENT, _REJECTED = range(8)
_ENDED = _REJECTED + len(REJECTIONS)
_DROPPED = _ENDED + len(ENDS)
SIZE = _DROPPED + len(ENDS)
"""How many cells the counters take."""

_REJECTED_AT = {key: _REJECTED + REJECTIONS.index(name) for key, name in _REASONS.items()}
_REJECTED_OTHER = _REJECTED + REJECTIONS.index(OTHER)
_END_AT = {name: place for place, name in enumerate(ENDS)}
_END_OTHER = _END_AT[OTHER]


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
        return self.cells[_CONNECTIONS]

    @property
    def accepted(self) -> int:
        """Associations that were accepted."""
        return self.cells[_ACCEPTED]

    @property
    def open(self) -> int:
        """Associations that stand now."""
        return self.cells[_OPEN]

    @property
    def echoes(self) -> int:
        """Echo requests that were answered with Success."""
        return self.cells[_ECHOES]

    @property
    def echoes_failed(self) -> int:
        """Echo requests that were answered with another status."""
        return self.cells[_ECHOES_FAILED]

    @property
    def bytes_received(self) -> int:
        """Bytes that came from the peers over their connections, with what TLS adds."""
        return self.cells[_RECEIVED]

    @property
    def bytes_sent(self) -> int:
        """Bytes that were handed out for the peers, with what TLS adds."""
        return self.cells[_SENT]

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

    # What a server counts

    def count_connection(self) -> None:
        self.cells[_CONNECTIONS] += 1

    def count_received(self, number: int) -> None:
        self.cells[_RECEIVED] += number

    def count_sent(self, number: int) -> None:
        self.cells[_SENT] += number

    def count_accepted(self) -> None:
        self.cells[_ACCEPTED] += 1
        self.cells[_OPEN] += 1

    def count_rejected(self, rejection: "AssociateRJ") -> None:
        self.cells[_REJECTED_AT.get((rejection.source, rejection.reason), _REJECTED_OTHER)] += 1

    def count_echo(self, status: int) -> None:
        self.cells[_ECHOES if status == SUCCESS else _ECHOES_FAILED] += 1

    def count_ended(self, outcome: str) -> None:
        self.cells[_ENDED + _END_AT.get(outcome, _END_OTHER)] += 1
        self.cells[_OPEN] -= 1

    def count_dropped(self, outcome: str) -> None:
        self.cells[_DROPPED + _END_AT.get(outcome, _END_OTHER)] += 1

    def worker_died(self) -> int:
        """Count the associations that stood as ended with the process they were in; return how many they were."""
        lost = self.cells[_OPEN]
        self.cells[_OPEN] = 0
        self.cells[_ENDED + _END_AT[WORKER_DIED]] += lost
        return lost


def total(counters: "Iterable[Counters]") -> Counters:
    """Return the sum of several, as it is now."""
    columns = zip(*[each.cells for each in counters], strict=True)
    return Counters([sum(column) for column in columns])
