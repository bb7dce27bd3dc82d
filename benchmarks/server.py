"""echoscp with one connection at a time, driven by a client in C."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .figures import DCMTK, LIMIT, ORTHANC, OURS, PYNETDICOM, Benchmark, Report, Sample, Samples, at_least
from .harness import Bench, Served, interleave, serve_all

if TYPE_CHECKING:
    from collections.abc import Callable

SERVERS = (DCMTK, ORTHANC, PYNETDICOM, OURS)


def _samples(bench: Bench, names: tuple[str, ...], writes: str, what: str) -> Samples:
    """Drive every server in turn; `writes` and `what` are the words of ``native/scu.c``."""
    seconds = str(bench.seconds)

    def subject(name: str, served: Served) -> Callable[[], Sample]:
        program = ("pingpong", "client") if name == LIMIT else ("scu", writes, what)
        arguments = (*program, str(served.port), seconds)
        return lambda: bench.natives.run(*arguments, seconds=bench.seconds)

    with contextlib.ExitStack() as stack:
        up, problems = serve_all(stack, bench.programs.some_servers(*names), bench.directory)
        samples = interleave(bench.runs, {name: subject(name, served) for name, served in up.items()})
    samples.problems.update(problems)
    return samples


def measure_echoes(bench: Bench) -> Report:
    samples = _samples(bench, (LIMIT, *SERVERS), "one-write", "echoes")
    title = "echoscp, echoes/s on one association"
    return Report((samples.figure("server-echo", title, "/s", "rate", at_least(0.75, LIMIT)),))


def measure_two_writes(bench: Bench) -> Report:
    """The client writes as a stock DCMTK does; the limit stays that of whole writes."""
    samples = _samples(bench, (LIMIT, *SERVERS), "two-writes", "echoes")
    title = "the same, client writes header then body, Nagle on"
    return Report((samples.figure("server-two-writes", title, "/s", "rate", at_least(0.5, LIMIT)),))


def measure_associations(bench: Bench) -> Report:
    samples = _samples(bench, SERVERS, "one-write", "associations")
    title = "echoscp, associations/s, one after the other"
    targets = (at_least(25, PYNETDICOM), at_least(0.75, DCMTK))
    return Report((samples.figure("associations", title, "/s", "rate", *targets),))


BENCHMARKS = (
    Benchmark("server-echo", "echoscp: echoes/s on one association", measure_echoes),
    Benchmark("server-two-writes", "the same with a client that writes in two", measure_two_writes),
    Benchmark("associations", "echoscp: associations/s", measure_associations),
)
