"""What the start-up of our echoscu spends on imports: the dearest rows of ``-X importtime``. No figures of peers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from .figures import DCMTK, OURS, Benchmark, MeasurementError, Report
from .harness import Bench, environment, serving

ROWS = 15


def parse(output: str) -> list[tuple[str, int, int]]:
    """Return module, own and cumulative microseconds of each line ``import time: own | cumulative | module``."""
    rows = []
    for line in output.splitlines():
        head, colon, rest = line.partition("import time:")
        cells = [cell.strip() for cell in rest.split("|")]
        if head or not colon or len(cells) != 3 or not cells[0].isdigit() or not cells[1].isdigit():
            continue
        rows.append((cells[2], int(cells[0]), int(cells[1])))
    return rows


def is_python_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!" and b"python" in file.readline()


def table(rows: list[tuple[str, int, int]], most: int) -> tuple[str, ...]:
    """Return the dearest modules (by own time) as lines, the sum of all first."""
    total = sum(own for _, own, _ in rows)
    lines = [f"imports of a plain echoscu run: {total / 1000:.1f} ms in {len(rows)} modules; the dearest, in us:"]
    lines += [
        f"  {own:6d} own {cumulative:6d} with its own  {name}"
        for name, own, cumulative in sorted(rows, key=lambda row: -row[1])[:most]
    ]
    return tuple(lines)


def measure(bench: Bench) -> Report:
    client = bench.programs.clients.get(OURS)
    if client is None or not is_python_script(Path(client.command[0])):
        raise MeasurementError("our echoscu is not a Python script here")
    with serving(bench.programs.server(DCMTK), bench.directory) as served:
        command = [sys.executable, "-X", "importtime", *client.command, "127.0.0.1", str(served.port)]
        for _ in range(2):  # the first run may compile
            done = subprocess.run(
                command, env=environment({}), capture_output=True, text=True, errors="replace", timeout=60, check=False
            )
    if done.returncode != 0:
        raise MeasurementError(f"{shlex.join(command)} exited with {done.returncode}")
    return Report((), table(parse(done.stderr), ROWS))


BENCHMARKS = (Benchmark("imports", "echoscu: what its start-up imports", measure),)
