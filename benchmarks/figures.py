"""What a benchmark yields: figures, each with the peers' values, ours and what is aimed at."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .harness import Bench

OURS = "ours"
LIMIT = "C ping-pong"
DCMTK = "DCMTK"
PYNETDICOM = "pynetdicom"
ORTHANC = "Orthanc"
C_SERVER = "C server"

Sample = dict[str, float]
"""What one measurement of one subject yields, by key (``wall``, ``rate``, ``p99`` ...)."""


class MeasurementError(Exception):
    """A subject could not be measured; the text says which and why."""


@dataclass(frozen=True)
class Value:
    """One figure of one subject: a value for each round, their median, and a remark."""

    rounds: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass(frozen=True)
class Target:
    """Ours is to be at least (or at most) `bound`: so many times the peer's, or in the figure's unit without a peer."""

    bound: float
    at_least: bool
    peer: str | None = None

    @property
    def rule(self) -> str:
        return "at least" if self.at_least else "at most"

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def at_least(bound: float, peer: str | None = None) -> Target:
    return Target(bound, True, peer)


def at_most(bound: float, peer: str | None = None) -> Target:
    return Target(bound, False, peer)


@dataclass(frozen=True)
class Figure:
    """One row: the same thing measured of every subject in turn."""

    name: str
    title: str
    unit: str
    values: Mapping[str, Value]
    targets: tuple[Target, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def peers(self) -> dict[str, Value]:
        return {name: value for name, value in self.values.items() if name != OURS}

    @property
    def ours(self) -> Value | None:
        return self.values.get(OURS)

    def ratio(self, peer: str) -> float | None:
        """Ours by the peer's (medians), or None where one of them is missing or zero."""
        other = self.values.get(peer)
        if self.ours is None or other is None or other.median == 0:
            return None
        return self.ours.median / other.median

    def holds(self, target: Target) -> bool | None:
        """Whether a target is met; None where what it compares is missing."""
        own = None if self.ours is None else self.ours.median
        value = own if target.peer is None else self.ratio(target.peer)
        return None if value is None else target.holds(value)

    @property
    def met(self) -> bool | None:
        """Whether every target holds; None without targets, or where that cannot be told.

        Where ours could not be measured to the end, or not at all, none does.
        """
        if self.targets and OURS in self.problems:
            return False
        verdicts = [self.holds(target) for target in self.targets]
        if False in verdicts:
            return False
        return True if verdicts and None not in verdicts else None


@dataclass
class Samples:
    """What the rounds of a benchmark yielded: samples and problems, by subject."""

    taken: dict[str, list[Sample]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def figure(
        self,
        name: str,
        title: str,
        unit: str,
        key: str,
        *targets: Target,
        note: Callable[[Sequence[Sample]], str] | None = None,
        merge: Callable[[Sequence[float]], float] | None = None,
    ) -> Figure:
        """Make a figure of the samples' values called `key`; `note` remarks on one subject's samples.

        `merge` makes one value of all rounds of a subject: where a median would hide what must happen in none.
        """

        def rounds(samples: Sequence[Sample]) -> tuple[float, ...]:
            each = tuple(sample[key] for sample in samples)
            return (merge(each),) if merge else each

        values = {
            subject: Value(rounds(samples), note(samples) if note else "")
            for subject, samples in self.taken.items()
            if samples
        }
        return Figure(name, title, unit, values, targets, dict(self.problems))

    def add(self, other: Samples) -> None:
        """Take in what further rounds yielded; of a subject's problems the first stays."""
        for subject, samples in other.taken.items():
            self.taken.setdefault(subject, []).extend(samples)
        self.problems = other.problems | self.problems


@dataclass(frozen=True)
class Report:
    """What one benchmark yields: rows for the table, and lines that stand below it."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """One entry of the suite; `name` is what ``--only`` takes."""

    name: str
    summary: str
    run: Callable[[Bench], Report]


def number(value: float) -> str:
    """Return a value with about three digits that matter: 12,700; 86.4; 2.35; 0.046."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}".removesuffix(".0")
    text = f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
