"""Drive a real `echoscp` for as long as asked, with all that a day brings, and see that it neither grows nor leaks.

    python tests/soak/soak.py --seconds 60
    python tests/soak/soak.py --seconds 28800 --connections 64 --log soak.log

A line a minute tells what has been done and what the server holds; the exit code is 0 if memory and descriptors stayed
flat, the server's log is clean and nothing was left open, else 1. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

_TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_TESTS))  # this is a program, not a module of a package

from attack.victim import HAS_PROC, Victim, assert_decent  # noqa: E402 - found by the line above
from peers import eventually  # noqa: E402
from soak.visitors import Visitors  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARM_UP = 0.25
"""The part of the time after which memory is to be flat; at most `LONGEST_WARM_UP` seconds."""

LONGEST_WARM_UP = 120.0

MAY_GROW_BY = 4 * 1024
"""KiB from the end of the warm-up to the end: what fragmentation does, and no leak of a hundred bytes a connection."""

SETTLES_WITHIN = 15.0


class Soak:
    """One run: `problems` says what was not as it should be."""

    def __init__(
        self, seconds: float, connections: int, tell: Callable[[str], object], log: Path | None = None
    ) -> None:
        self.seconds = seconds
        self.connections = connections
        self.log = log
        self.problems: list[str] = []
        self._tell = tell

    def run(self) -> bool:
        """True if all stayed as it should."""
        options = ("-ll", "error" if self.log is None else "warn", "-ta", "2", "-td", "2", "-tn", "5")
        with tempfile.TemporaryDirectory() as folder, Victim(Path(folder), *options, log_file=self.log) as victim:
            victim.warm_up()
            descriptors = victim.descriptors()
            visitors = Visitors(victim.port, self.connections)
            try:
                memory = self._visit(victim, visitors)
            finally:
                visitors.close()
            self._judge(victim, visitors, memory, descriptors)
        self._tell("all is well" if not self.problems else "; ".join(self.problems))
        return not self.problems

    def _visit(self, victim: Victim, visitors: Visitors) -> int:
        """Visit until the time is over; return the memory after the warm-up."""
        began = time.monotonic()
        warm_at = began + min(self.seconds * WARM_UP, LONGEST_WARM_UP)
        end, tell_at, memory = began + self.seconds, began + 60, 0
        while (now := time.monotonic()) < end and not visitors.problems:
            visitors.turn()
            if not memory and now >= warm_at:
                memory = victim.memory()
            if now >= tell_at:
                tell_at += 60
                self._tell(self._summary(victim, visitors, now - began))
        self._tell(self._summary(victim, visitors, time.monotonic() - began))
        return memory or victim.memory()

    @staticmethod
    def _summary(victim: Victim, visitors: Visitors, seconds: float) -> str:
        done = ", ".join(f"{count} {name}" for name, count in sorted(visitors.done.items()))
        return f"{seconds:.0f} s: {victim.memory()} KiB, {victim.descriptors()} descriptors; {done}"

    def _judge(self, victim: Victim, visitors: Visitors, memory: int, descriptors: int) -> None:
        self.problems += visitors.problems
        if victim.process.poll() is not None:
            self.problems.append(f"the server has ended with {victim.process.returncode}")
            return
        if not eventually(lambda: victim.descriptors() <= descriptors, SETTLES_WITHIN):
            self.problems.append(f"{victim.descriptors()} descriptors are open, {descriptors} were at the beginning")
        grown = victim.memory() - memory
        if grown > MAY_GROW_BY:
            self.problems.append(f"it has grown by {grown} KiB since the warm-up")
        try:
            victim.verify()
            assert_decent(victim.log())
        except (OSError, AssertionError) as error:
            self.problems.append(f"{type(error).__name__}: {error}")
        log = victim.log()
        for word in (b"E: ", b"never retrieved", b"was destroyed", b"never awaited"):
            if word in log:
                line = next(line for line in log.split(b"\n") if word in line)
                self.problems.append(f"the log says {line.decode(errors='backslashreplace')}")
        if victim.stop() != 0:
            self.problems.append("it did not stop in order")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--connections", type=int, default=32, help="open at one time (default: 32)")
    parser.add_argument("--log", type=Path, help="where the server logs, warnings too")
    arguments = parser.parse_args(words)
    if not HAS_PROC:
        parser.error("what a process holds is read from /proc, which is not here")
    soak = Soak(arguments.seconds, arguments.connections, lambda line: print(line, flush=True), arguments.log)
    return 0 if soak.run() else 1


if __name__ == "__main__":
    sys.exit(main())
