"""``python -m benchmarks``: measure dcmecho beside its peers and print one table."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import programs, report
from .figures import Figure, MeasurementError
from .harness import Bench
from .native import Natives
from .suite import BENCHMARKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .figures import Benchmark

NORMAL = (5, 1.5)
QUICK = (2, 0.3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for. Returns 1 where a benchmark could not be measured at all, else 0."""
    options = parse(arguments)
    chosen = [b for b in BENCHMARKS if options.only is None or b.name in options.only]
    if options.list:
        for benchmark in BENCHMARKS:
            print(f"{benchmark.name:20} {benchmark.summary}")
        return 0
    runs, seconds = QUICK if options.quick else NORMAL
    with tempfile.TemporaryDirectory(prefix="dcmecho-benchmarks-") as name:
        directory = Path(name)
        natives = Natives(directory)
        found = programs.find(options.echoscu, options.echoscp, natives)
        if options.pin:
            first, second = sorted(os.sched_getaffinity(0))[:2]
            os.sched_setaffinity(0, {second})
            found = programs.pinned(found, first)
        bench = Bench(options.runs or runs, seconds, directory, found, natives, options.quick)
        versions = programs.versions(found)
        figures, notes, failed = measure(bench, chosen)
    notes += [f"{name}: {why}" for name, why in found.absent.items()]
    print("\n".join([*(f"{name}: {what}" for name, what in versions.items()), "", report.plain(figures), "", *notes]))
    if options.json:
        options.json.write_text(report.as_json(figures, versions, notes), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown(figures), encoding="utf-8")
    return 1 if failed else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[b.name for b in BENCHMARKS], help="these alone")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    parser.add_argument("--runs", type=positive, metavar="N", help=f"rounds of each measurement (default {NORMAL[0]})")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that all runs")
    parser.add_argument("--pin", action="store_true", help="servers on one processor, all else on another")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table")
    parser.add_argument("--echoscu", type=shlex.split, metavar="CMD", help="measure this as our echoscu")
    parser.add_argument("--echoscp", type=shlex.split, metavar="CMD", help="measure this as our echoscp")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def measure(bench: Bench, chosen: Sequence[Benchmark]) -> tuple[list[Figure], list[str], bool]:
    """Run the benchmarks one after the other; one that fails costs no other its figures."""
    figures: list[Figure] = []
    notes: list[str] = []
    failed = False
    for benchmark in chosen:
        print(f"{benchmark.name} ...", file=sys.stderr, flush=True)
        try:
            done = benchmark.run(bench)
        except MeasurementError as error:
            notes.append(f"{benchmark.name}: not measured: {error}")
            failed = True
            continue
        figures += done.figures
        notes += done.notes
    return figures, notes, failed


if __name__ == "__main__":
    sys.exit(main())
