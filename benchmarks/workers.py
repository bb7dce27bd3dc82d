"""echoscp with two workers beside one, under 64 connections, driven by ``native/load.c``."""

from __future__ import annotations

import contextlib
import os
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from .figures import OURS, Benchmark, Figure, MeasurementError, Report, Sample, at_least
from .harness import Bench, Served, interleave, processes, serve_all
from .load import ONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKERS = 2
CONNECTIONS = 64
WARM_UP = 0.3
ONE_WORKER = "one worker"
AIM = at_least(1.6, ONE_WORKER)


def capacity(sample: Sample) -> float:
    """Return how many answers a second the workers had time for if each had a processor to itself.

    That is where the busiest has no time left: what it took for its share of the answers is its limit. Raises
    MeasurementError where nothing was answered.
    """
    if not sample["count"]:
        raise MeasurementError("nothing was answered")
    return 1e6 / (sample["cpu"] * sample["busiest"])


def generator(samples: Sequence[Sample]) -> str:
    """Say in a remark what the load generator took of the machine."""
    each = statistics.median(sample["own"] for sample in samples)
    part = statistics.median(sample["own"] * sample["rate"] for sample in samples) / 1e6
    return f"load generator {each:.3g} µs each, {part:.2f} of {os.cpu_count()} processors"


def _figures(bench: Bench, up: dict[str, list[str]], ports: dict[str, int], what: str) -> list[Figure]:
    def subject(name: str) -> Callable[[], Sample]:
        arguments = ("load", what, str(ports[name]), str(CONNECTIONS), str(bench.seconds), *up[name])

        def sample() -> Sample:
            taken = bench.natives.run(*arguments, seconds=bench.seconds)
            return taken | {"capacity": capacity(taken)}

        return sample

    samples = interleave(bench.runs, {name: subject(name) for name in up})
    # Where the load generator has to share a processor with a worker, what is measured is the two together.
    measured = (AIM,) if (os.cpu_count() or 1) > WORKERS else ()
    title = f"echoscp --workers {WORKERS}, {CONNECTIONS} connections: {what}/s"
    return [
        samples.figure(f"workers-{what}", title, "/s", "rate", *measured, note=generator),
        samples.figure(f"workers-{what}-capacity", f"the same, by its CPU per {ONE[what]}", "/s", "capacity", AIM),
    ]


def _warm(bench: Bench, served: Served) -> None:
    """See to it that every worker listens and has served."""
    bench.natives.run("load", "echoes", str(served.port), str(CONNECTIONS), str(WARM_UP), seconds=WARM_UP)


def measure(bench: Bench) -> Report:
    one = bench.programs.server(OURS)
    if one.processor is not None:
        return Report((), (f"workers: left out, because {WORKERS} workers on one processor show nothing",))
    two = replace(one, start=(*one.start, "--workers", str(WORKERS)))
    with contextlib.ExitStack() as stack:
        up, problems = serve_all(stack, [replace(one, name=ONE_WORKER), two], bench.directory)
        pids = {}
        for name, served in up.items():
            pids[name] = processes(served, least=1 + WORKERS if name == OURS else 1)
            _warm(bench, served)
        ports = {name: served.port for name, served in up.items()}
        figures = [figure for what in ONE for figure in _figures(bench, pids, ports, what)]
    return Report(tuple(replace(figure, problems={**problems, **figure.problems}) for figure in figures))


BENCHMARKS = (Benchmark("workers", "echoscp: two workers beside one", measure),)
