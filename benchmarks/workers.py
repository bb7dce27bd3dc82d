"""echoscp with two workers on two processors, beside one worker on one; each processor has a load generator too."""

from __future__ import annotations

import contextlib
import os
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from .figures import OURS, Benchmark, Figure, Report, Sample, at_least
from .harness import Bench, Served, interleave, on_processor, processes, serve_all
from .load import ONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKERS = 2
CONNECTIONS = 256
WARM_UP = 0.3
ONE_WORKER = "one worker"
AIM = at_least(1.6, ONE_WORKER)


def joined(samples: Sequence[Sample]) -> Sample:
    """Return what load generators that ran at the same time measured together.

    The first has read the processor time of all processes of the server, for all answers.
    """
    count = sum(sample["count"] for sample in samples)
    spent = sum(sample["own"] * sample["count"] for sample in samples)
    return {
        "rate": sum(sample["rate"] for sample in samples),
        "cpu": samples[0]["cpu"] * samples[0]["count"] / count if count else 0.0,
        "own": spent / count if count else 0.0,
    }


def _load(bench: Bench, what: str, port: int, pids: Sequence[str], processor: int, seconds: float) -> Sample:
    # The affinity is this thread's alone, and what it starts inherits it.
    with on_processor(processor):
        return bench.natives.run("load", what, str(port), str(CONNECTIONS), str(seconds), *pids, seconds=seconds)


def sample(
    bench: Bench, what: str, served: Served, pids: Sequence[str], processors: Sequence[int], seconds: float
) -> Sample:
    """Load a server from each of these processors at the same time."""
    clocks = [pids, *[()] * (len(processors) - 1)]
    with ThreadPoolExecutor(len(processors)) as pool:
        running = [
            pool.submit(_load, bench, what, served.port, clock, processor, seconds)
            for clock, processor in zip(clocks, processors, strict=True)
        ]
        return joined([each.result() for each in running])


def generator(samples: Sequence[Sample]) -> str:
    """Say in a remark what an answer cost on the load generator's side, and on the server's."""
    own, cpu = (statistics.median(each[key] for each in samples) for key in ("own", "cpu"))
    return f"load generator {own:.3g} µs each, server {cpu:.3g} µs"


def _figure(bench: Bench, subjects: dict[str, tuple[Served, list[str], list[int]]], what: str) -> Figure:
    def subject(name: str) -> Callable[[], Sample]:
        served, pids, processors = subjects[name]
        return lambda: sample(bench, what, served, pids, processors, bench.seconds)

    samples = interleave(bench.runs, {name: subject(name) for name in subjects})
    title = f"echoscp --workers {WORKERS} on {WORKERS} processors: {what}/s"
    return samples.figure(f"workers-{what}", title, "/s", "rate", AIM, note=generator)


def _prepare(bench: Bench, served: Served, name: str, processors: list[int]) -> tuple[Served, list[str], list[int]]:
    """Put each worker on a processor of its own, and see to it that every worker listens and has served."""
    if name == ONE_WORKER:
        pids = processes(served, least=1)
        workers, processors = pids, processors[:1]
    else:
        pids = processes(served, least=1 + WORKERS)
        workers = pids[1:]
    for pid, processor in zip(workers, processors, strict=True):
        os.sched_setaffinity(int(pid), {processor})
    sample(bench, "echoes", served, pids, processors, WARM_UP)
    return served, pids, processors


def measure(bench: Bench) -> Report:
    processors = sorted(os.sched_getaffinity(0))[:WORKERS]
    if len(processors) < WORKERS:
        return Report((), (f"workers: left out, because it needs {WORKERS} processors",))
    one = bench.programs.server(OURS)
    two = replace(one, start=(*one.start, "--workers", str(WORKERS)))
    with contextlib.ExitStack() as stack:
        up, problems = serve_all(stack, [replace(one, name=ONE_WORKER), two], bench.directory)
        subjects = {name: _prepare(bench, served, name, processors) for name, served in up.items()}
        figures = [_figure(bench, subjects, what) for what in ONE]
    return Report(tuple(replace(figure, problems={**problems, **figure.problems}) for figure in figures))


BENCHMARKS = (Benchmark("workers", "echoscp: two workers on two processors beside one on one", measure),)
