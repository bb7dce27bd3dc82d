"""echoscp under 1, 16 and 64 connections at once, each in a closed loop, driven by ``native/load.c``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .figures import C_SERVER, DCMTK, ORTHANC, OURS, PYNETDICOM, Benchmark, Figure, Report, Sample
from .harness import Bench, Served, interleave, serve_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONNECTIONS = (1, 16, 64)
ONE = {"echoes": "echo", "associations": "association"}
SERVERS = (C_SERVER, DCMTK, ORTHANC, PYNETDICOM, OURS)


def refused(samples: Sequence[Sample]) -> str:
    """Say in a remark what went wrong in the worst round."""
    said = []
    failed = max(sample["failed"] for sample in samples)
    unserved = max(sample["unserved"] for sample in samples)
    if failed:
        said.append(f"{failed:.0f} failed")
    if unserved:
        said.append(f"{unserved:.0f} not served")
    return ", ".join(said)


def _figures(bench: Bench, what: str, count: int) -> list[Figure]:
    def subject(served: Served) -> Callable[[], Sample]:
        arguments = ("load", what, str(served.port), str(count), str(bench.seconds), str(served.pid))
        return lambda: bench.natives.run(*arguments, seconds=bench.seconds)

    with contextlib.ExitStack() as stack:
        up, problems = serve_all(stack, bench.programs.some_servers(*SERVERS), bench.directory)
        samples = interleave(bench.runs, {name: subject(served) for name, served in up.items()})
    samples.problems.update(problems)
    name = f"load-{what}-{count}"
    where = f"{count} connection{'s' if count > 1 else ''}"
    return [
        samples.figure(name, f"echoscp, {where}: {what}/s", "/s", "rate", note=refused),
        samples.figure(f"{name}-p99", f"echoscp, {where}: p99 of an {ONE[what]}", "us", "p99"),
        samples.figure(f"{name}-cpu", f"echoscp, {where}: server's CPU per {ONE[what]}", "us", "cpu"),
    ]


def measure_echoes(bench: Bench) -> Report:
    return Report(tuple(figure for count in CONNECTIONS for figure in _figures(bench, "echoes", count)))


def measure_associations(bench: Bench) -> Report:
    return Report(tuple(figure for count in CONNECTIONS for figure in _figures(bench, "associations", count)))


BENCHMARKS = (
    Benchmark("load-echoes", "echoscp: echoes/s over 1, 16, 64 connections", measure_echoes),
    Benchmark("load-associations", "echoscp: associations/s over 1, 16, 64 connections", measure_associations),
)
