"""Drive a real `echoscp` for as long as asked, with all that a day brings, and see that it neither grows nor leaks.

    python tests/soak/soak.py --seconds 60
    python tests/soak/soak.py --seconds 28800 --connections 64 --log soak.log
    python tests/soak/soak.py --seconds 28800 --tls --workers 2 --rate 100

A line a minute tells what has been done and what the server holds, all its processes together; the exit code is 0 if
memory and descriptors stayed flat, no worker was replaced, the server's log is clean and nothing was left open, else 1.
Needs Linux (/proc), and for `--tls` the package cryptography.
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
    import ssl
    from collections.abc import Callable, Sequence

    from tls.factory import Factory

WARM_UP = 0.25
"""The part of the time after which memory is to be flat; at most `LONGEST_WARM_UP` seconds."""

LONGEST_WARM_UP = 120.0

MAY_GROW_BY = 4 * 1024
"""KiB from the end of the warm-up to the end, for each process that serves: what fragmentation does, and no leak of a
hundred bytes a connection."""

MAY_GROW_BY_WITH_TLS = 16 * 1024
"""The same with TLS: the library takes 80 KiB for each handshake, and the memory for those that come at one time levels
out after some 20,000 of them."""

LIMIT = 2
LONG = 300.0
LONG_LIMIT = 8
"""Seconds: the server's limits, longer from a run of `LONG` on, so that a machine that stands still for a moment in
hours cuts off nobody."""

SETTLES_WITHIN = 15.0


class Soak:
    """One run: `problems` says what was not as it should be.

    `workers` are the processes that serve, 0 for one without `--workers`; with `pki` they and the visitors speak TLS.
    At most `rate` visitors come in a second, if that is given. `log` is where the server logs, warnings too.
    """

    def __init__(
        self,
        seconds: float,
        connections: int,
        tell: Callable[[str], object],
        log: Path | None = None,
        *,
        workers: int = 0,
        pki: Factory | None = None,
        rate: float | None = None,
    ) -> None:
        self.seconds = seconds
        self.connections = connections
        self.log = log
        self.workers = workers
        self.pki = pki
        self.rate = rate
        self.problems: list[str] = []
        self._tell = tell

    def run(self) -> bool:
        """True if all stayed as it should."""
        with tempfile.TemporaryDirectory() as folder, Victim(Path(folder), *self._words(), log_file=self.log) as victim:
            victim.client_context = context = self._client_context()
            victim.warm_up()
            descriptors = victim.descriptors()
            visitors = Visitors(victim.port, self.connections, context=context, rate=self.rate)
            try:
                memory = self._visit(victim, visitors)
            finally:
                visitors.close()
            self._judge(victim, visitors, memory, descriptors)
        self._tell("all is well" if not self.problems else "; ".join(self.problems))
        return not self.problems

    def _words(self) -> list[object]:
        """The server's options."""
        limit = LIMIT if self.seconds < LONG else LONG_LIMIT
        words: list[object] = [
            "-ta",
            limit,
            "-td",
            limit,
            "-tn",
            2 * limit,
            "-ll",
            "error" if self.log is None else "warn",
        ]
        if self.workers:
            words += ["--workers", self.workers]
        if self.pki is not None:
            words += ["+tls", self.pki.server.key_pem, self.pki.server.pem, "+cf", self.pki.root.pem]
        return words

    def _client_context(self) -> ssl.SSLContext | None:
        if self.pki is None:
            return None
        import ssl

        context = ssl.create_default_context(cafile=self.pki.root.pem)
        context.check_hostname = False
        context.load_cert_chain(self.pki.client.pem, self.pki.client.key_pem)
        return context

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
        if victim.ended_workers():
            self.problems.append(f"workers were replaced: the processes {victim.ended_workers()}")
        if not eventually(lambda: victim.descriptors() <= descriptors, SETTLES_WITHIN):
            self.problems.append(f"{victim.descriptors()} descriptors are open, {descriptors} were at the beginning")
        grown = victim.memory() - memory
        may_grow_by = MAY_GROW_BY if self.pki is None else MAY_GROW_BY_WITH_TLS
        if grown > may_grow_by * max(self.workers, 1):
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
    parser.add_argument("--rate", type=float, help="connections that come in a second (default: as many as can)")
    parser.add_argument("--workers", type=int, default=0, help="processes that serve (default: one, alone)")
    parser.add_argument("--tls", action="store_true", help="speak TLS, with failing handshakes and plain text between")
    parser.add_argument("--log", type=Path, help="where the server logs, warnings too")
    arguments = parser.parse_args(words)
    if not HAS_PROC:
        parser.error("what a process holds is read from /proc, which is not here")
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(
            arguments.seconds,
            arguments.connections,
            lambda line: print(line, flush=True),
            arguments.log,
            workers=arguments.workers,
            pki=_make_pki(Path(folder)) if arguments.tls else None,
            rate=arguments.rate,
        )
        return 0 if soak.run() else 1


def _make_pki(folder: Path) -> Factory:
    from tls.factory import Factory

    return Factory(folder)


if __name__ == "__main__":
    sys.exit(main())
