"""echoscp with thousands of connections of which few speak, driven by ``native/crowd.c`` on a schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .figures import (
    C_SERVER,
    ORTHANC,
    OURS,
    Benchmark,
    MeasurementError,
    Report,
    Sample,
    Samples,
    at_least,
    at_most,
)
from .harness import Bench, interleave, processes, serving
from .load import refused, with_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .programs import Server

SERVERS = (C_SERVER, ORTHANC, OURS)
OPEN, OPEN_QUICK = 10_000, 1_000
OPEN_RATE = 1_000
SILENT, SILENT_QUICK = 5_000, 500
SPEAKING = 16
SPEAKING_RATE = 2_000
# What the silent ones may take to connect before they are all there and the measurement begins.
COMING = 3.0
LATE = 1.0
# The longest that native/crowd.c spends on connecting, answers that do not come, and releases.
WAITS = 40.0


def _seconds(bench: Bench) -> float:
    """A hundredth of the answers is to be some dozens."""
    return 2 * bench.seconds


def open_sample(bench: Bench, server: Server, count: int) -> Sample:
    """Open so many associations on a server that has just been started, and echo on them."""
    seconds = _seconds(bench)
    with serving(server, bench.directory) as served:
        arguments = ("open", str(served.port), str(count), str(seconds), str(OPEN_RATE), *processes(served))
        sample = bench.natives.run("crowd", *arguments, seconds=seconds + WAITS)
    if sample["unserved"]:
        raise MeasurementError(f"only {sample['standing']:,.0f} of {count:,} stood, after {sample['stand']:.0f} s")
    return with_sum(sample) | {"p99_ms": sample["p99"] / 1e3}


def measure_open(bench: Bench) -> Report:
    count = OPEN_QUICK if bench.quick else OPEN

    def subject(server: Server) -> Callable[[], Sample]:
        return lambda: open_sample(bench, server, count)

    samples = interleave(bench.runs, {s.name: subject(s) for s in bench.programs.some_servers(*SERVERS)})
    title = f"{count:,} associations on one process"
    p99 = f"the same: p99 of an echo on any, {OPEN_RATE:,}/s sent"
    lost = "the same: lost, refused or not answered, in all rounds"
    return Report(
        (
            samples.figure("open-stand", f"{title}: until all stand", "s", "stand", at_most(5)),
            samples.figure("open-memory", "the same: resident memory of each", "KiB", "rss", at_most(8)),
            samples.figure("open-p99", p99, "ms", "p99_ms", at_most(10), note=refused),
            samples.figure("open-refused", lost, "", "refused", at_most(0), merge=sum),
        )
    )


def alone(name: str) -> str:
    return f"{name} alone"


def idle_sample(bench: Bench, server: Server, silent: int, limit: float) -> Sample:
    """Echo over a few associations of a server that has just been started, with so many silent connections beside;
    wait `limit` seconds for their end."""
    seconds = _seconds(bench)
    arguments = [str(number) for number in (silent, SPEAKING, seconds, SPEAKING_RATE, limit)]
    with serving(server, bench.directory) as served:
        command = ("crowd", "idle", str(served.port), *arguments, *processes(served))
        sample = bench.natives.run(*command, seconds=seconds + limit + WAITS)
    if sample["silent"] < silent:
        raise MeasurementError(f"only {sample['silent']:,.0f} of {silent:,} could connect")
    return sample


def first_cut(samples: Sequence[Sample]) -> str:
    return f"the first after {min(sample['first_cut'] for sample in samples):.2f} s"


def measure_idle(bench: Bench) -> Report:
    silent = SILENT_QUICK if bench.quick else SILENT
    artim = COMING + _seconds(bench)

    def subject(server: Server, count: int) -> Callable[[], Sample]:
        limit = artim + COMING if server.name == OURS and count else 0
        return lambda: idle_sample(bench, server, count, limit)

    subjects = {}
    for server in bench.programs.some_servers(*SERVERS):
        # Only ours can be told a limit.
        started = replace(server, start=(*server.start, "-ta", f"{artim:g}")) if server.name == OURS else server
        subjects[alone(server.name)] = subject(started, 0)
        subjects[server.name] = subject(started, silent)
    samples = interleave(bench.runs, subjects)
    ours = Samples({OURS: samples.taken.get(OURS, [])}, {k: v for k, v in samples.problems.items() if k == OURS})
    title = f"{silent:,} idle connections beside {SPEAKING} associations"
    p99 = f"{title}: p99 of an echo, {SPEAKING_RATE:,}/s sent"
    last = f"the same: the last cut, ARTIM {artim:g} s"
    return Report(
        (
            samples.figure("idle-p99", p99, "us", "p99", at_most(2, alone(OURS)), note=refused),
            ours.figure("idle-change", "the same: p99 while they connect and are cut", "us", "p99_change"),
            ours.figure(
                "idle-cut", "the same: cut by ARTIM, fewest of a round", "", "cut", at_least(silent), merge=min
            ),
            ours.figure("idle-last-cut", last, "s", "last_cut", at_most(artim + LATE), note=first_cut, merge=max),
        )
    )


BENCHMARKS = (
    Benchmark("open-associations", "echoscp: ten thousand associations at once", measure_open),
    Benchmark("idle-connections", "echoscp: normal work beside five thousand that stay silent", measure_idle),
)
