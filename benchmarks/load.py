"""echoscp under 1, 16, 64 and 256 connections at once, each in a closed loop, driven by ``native/load.c``."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from .figures import (
    C_SERVER,
    DCMTK,
    ORTHANC,
    OURS,
    PYNETDICOM,
    Benchmark,
    Figure,
    Report,
    Sample,
    Samples,
    at_least,
    at_most,
)
from .harness import Bench, Served, interleave, serve_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .programs import Server

CONNECTIONS = (1, 16, 64, 256)
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


def with_sum(sample: Sample) -> Sample:
    """Return a sample with the sum of what failed and what was not served as ``refused``."""
    return sample | {"refused": sample["failed"] + sample["unserved"]}


def servers(bench: Bench) -> list[Server]:
    """Return the servers to be loaded. DCMTK's would ask the DNS for the name of each address but 127.0.0.1."""
    found = bench.programs.some_servers(*SERVERS)
    return [replace(s, start=(*s.start, "--disable-host-lookup")) if s.name == DCMTK else s for s in found]


def _samples(bench: Bench, what: str, count: int) -> Samples:
    def subject(served: Served) -> Callable[[], Sample]:
        arguments = ("load", what, str(served.port), str(count), str(bench.seconds), str(served.pid))
        return lambda: with_sum(bench.natives.run(*arguments, seconds=bench.seconds))

    with contextlib.ExitStack() as stack:
        up, problems = serve_all(stack, servers(bench), bench.directory)
        samples = interleave(bench.runs, {name: subject(served) for name, served in up.items()})
    samples.problems.update(problems)
    return samples


def _figures(samples: Samples, what: str, count: int) -> list[Figure]:
    name = f"load-{what}-{count}"
    where = f"{count} connection{'s' if count > 1 else ''}"
    many = count > 1
    rate = (at_least(1, ORTHANC),) if many else ()
    p99 = (at_most(1, ORTHANC),) if many else ()
    cpu = (at_most(2, C_SERVER),) if (what, count) == ("echoes", 16) else ()
    title = f"echoscp, {where}"
    figures = [
        samples.figure(name, f"{title}: {what}/s", "/s", "rate", *rate, note=refused),
        samples.figure(f"{name}-p99", f"{title}: p99 of an {ONE[what]}", "us", "p99", *p99),
        samples.figure(f"{name}-cpu", f"{title}: server's CPU per {ONE[what]}", "us", "cpu", *cpu),
    ]
    if many:
        figures.append(samples.figure(f"{name}-longest", f"{title}: longest wait for an {ONE[what]}", "us", "longest"))
    return figures


def _measure(bench: Bench, what: str) -> Report:
    figures: list[Figure] = []
    whole = Samples()
    for count in CONNECTIONS:
        samples = _samples(bench, what, count)
        figures += _figures(samples, what, count)
        whole.add(samples)
    title = f"echoscp, {what}, all of these: failed or not served, in all rounds"
    return Report((*figures, whole.figure(f"load-{what}-refused", title, "", "refused", at_most(0), merge=sum)))


def measure_echoes(bench: Bench) -> Report:
    return _measure(bench, "echoes")


def measure_associations(bench: Bench) -> Report:
    return _measure(bench, "associations")


BENCHMARKS = (
    Benchmark("load-echoes", "echoscp: echoes/s over 1, 16, 64, 256 connections", measure_echoes),
    Benchmark("load-associations", "echoscp: associations/s over 1, 16, 64, 256 connections", measure_associations),
)
