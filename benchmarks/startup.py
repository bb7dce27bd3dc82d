"""A whole run of echoscu, as a health check does it: start, one echo, end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import DCMTK, OURS, PYNETDICOM, Benchmark, Report, Sample, at_most
from .harness import Bench, interleave, run_client, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from .programs import Client

RUNS_PER_ROUND = 3


def measure(bench: Bench) -> Report:
    """Alternate single runs against one stock storescp; wall and processor time of the whole process."""
    server = bench.programs.server(DCMTK)
    with serving(server, bench.directory) as served:

        def once(client: Client) -> Callable[[], Sample]:
            return lambda: _milliseconds(run_client(client, served.port, 1, bench.directory))

        subjects = {c.name: once(c) for c in bench.programs.some_clients(DCMTK, PYNETDICOM, OURS)}
        interleave(1, subjects)  # bytecode and file cache
        samples = interleave(bench.runs * RUNS_PER_ROUND, subjects)
    return Report(
        (
            samples.figure(
                "startup-wall", "whole echoscu run, stock storescp: wall", "ms", "wall", at_most(0.25, DCMTK)
            ),
            samples.figure("startup-cpu", "whole echoscu run, stock storescp: CPU", "ms", "cpu", at_most(1.4, DCMTK)),
        )
    )


def _milliseconds(seconds: Sample) -> Sample:
    return {key: value * 1e3 for key, value in seconds.items()}


BENCHMARKS = (Benchmark("startup", "whole run of echoscu: wall and CPU", measure),)
