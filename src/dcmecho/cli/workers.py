"""Several processes that serve, and one that looks after them. Loaded only for `--workers`.

The parent never runs an event loop: a process that has none can be forked at any time. It polls, waits for signals, and
replaces a worker that dies. The workers' counters live in memory that all share, so that the sum is always there and a
worker that is killed takes no count with it. Over a channel (one socket pair each) the parent says when to stop or
reload, and a worker when it serves; if the parent itself dies, the channels close and the workers stop.
"""

import logging
import mmap
import os
import selectors
import signal
import socket
import sys
import time

from dcmecho.counters import SIZE, Counters, total
from dcmecho.errors import VerificationError

from . import exit_codes
from .log import ERROR, INFO, failure_line
from .serving import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .journal import Journal
    from .metrics import PolledResponder

SERVING, STOP, HURRY, RELOAD = b"s", b"t", b"h", b"r"
"""What is said over a channel: the first by a worker, the others by the parent."""

YOUNG = 5.0
"""Seconds: a worker that dies before that has died at once, and the next one is waited for."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
"""Seconds before a worker that dies at once is replaced: the first pause, doubled each time up to the longest."""

PATIENCE = GRACE + 5.0
"""Seconds from the order to stop until a worker that has not ended is killed; it needs the grace and two more."""

_CELL = 8
_HEARTBEAT = SIZE
"""The cell behind the counters: when the worker's event loop turned last, in milliseconds of the monotonic clock."""


def pause_after(early_deaths: int) -> float:
    """Return the seconds to wait before the next start, after so many deaths in a row that came at once."""
    if early_deaths == 0:
        return 0.0
    return min(FIRST_PAUSE * 2.0 ** min(early_deaths - 1, 30), LONGEST_PAUSE)


def processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def spreads_connections() -> bool:
    """Tell whether the system spreads connections over sockets that share a port: elsewhere SO_REUSEPORT gives all of
    them to one."""
    return sys.platform == "linux" and hasattr(socket, "SO_REUSEPORT")


class Worker:
    """One place for a process, over all processes that come to have it."""

    def __init__(self, number: int, listeners: "list[socket.socket]", cells: memoryview) -> None:
        self.number = number
        self.listeners = listeners
        self.counters = Counters(cells[:SIZE])
        self._heartbeat = cells[_HEARTBEAT : _HEARTBEAT + 1]
        self.pid: int | None = None
        self.channel: socket.socket | None = None
        self.is_serving = False
        self.started_at = 0.0
        self.early_deaths = 0
        self.start_at: float | None = 0.0
        """When the next process is to be started; None while there is one, or none is wanted."""

    def say(self, word: bytes) -> None:
        """Tell the process something; one that is about to die need not hear it."""
        if self.channel is not None:
            try:
                self.channel.send(word)
            except OSError:
                pass

    def beat(self) -> None:
        """Called in the worker: its event loop turns."""
        self._heartbeat[0] = time.monotonic_ns() // 1_000_000

    @property
    def silent_for(self) -> float:
        """Seconds since the event loop turned last."""
        return time.monotonic() - max(self._heartbeat[0] / 1000, self.started_at)

    def died(self, now: float) -> int:
        """The process has ended; return how many associations ended with it."""
        self.early_deaths = self.early_deaths + 1 if now - self.started_at < YOUNG else 0
        self.start_at = now + pause_after(self.early_deaths)
        self.pid = None
        self.is_serving = False
        return self.counters.worker_died()


def make_workers(listeners: "list[list[socket.socket]]") -> list[Worker]:
    """Return a place for each list of listeners, with counters in shared memory."""
    size = (SIZE + 1) * _CELL
    shared = memoryview(mmap.mmap(-1, size * len(listeners))).cast("Q")
    width = SIZE + 1
    return [
        Worker(number + 1, each, shared[number * width : (number + 1) * width]) for number, each in enumerate(listeners)
    ]


class Parent:
    """Looks after the workers. `work` is what a worker does with its place and its end of the channel, until it ends.

    `on_serving` is called whenever all workers serve that did not before: after the start, and after each reload.
    `watchdog` is within how many seconds a worker's loop must turn, None where nobody watches.
    """

    def __init__(
        self, workers: list[Worker], journal: "Journal", work: "Callable[[Worker, socket.socket], None]"
    ) -> None:
        self.workers = workers
        self.journal = journal
        self.restarts = 0
        self.watchdog: float | None = None
        self.on_serving: Callable[[], None] = _nothing
        self.on_reload: Callable[[], None] = _nothing
        self.on_stopping: Callable[[], None] = _nothing
        self.on_alive: Callable[[], None] = _nothing
        self.responder: PolledResponder | None = None
        self._work = work
        self._selector = selectors.DefaultSelector()
        self._signals, self._signalled = socket.socketpair()
        self._awaits_serving = True
        self._kill_at: float | None = None
        self._next_sign = 0.0

    @property
    def counters(self) -> Counters:
        """The sum over all workers, as it is now."""
        return total(worker.counters for worker in self.workers)

    @property
    def is_stopping(self) -> bool:
        return self._kill_at is not None

    @property
    def serving(self) -> int:
        """How many workers serve."""
        return sum([worker.is_serving for worker in self.workers])

    def watch(self, readable: socket.socket, callback: "Callable[[], None]") -> None:
        """Have `callback` called when there is something to read."""
        self._selector.register(readable, selectors.EVENT_READ, callback)

    def unwatch(self, readable: socket.socket) -> None:
        self._selector.unregister(readable)

    def run(self) -> None:
        """Serve until the workers have ended because they were told to."""
        self._take_signals()
        self.watch(self._signals, self._read_signals)
        while not self.is_stopping or any(worker.pid is not None for worker in self.workers):
            timeout = self._do_what_is_due(time.monotonic())
            for key, _ in self._selector.select(timeout):
                if key.fileobj.fileno() >= 0:  # type: ignore[union-attr]  # only sockets are registered
                    key.data()
        self.close()

    def close(self) -> None:
        """Let go of all that was opened here."""
        if self.responder is not None:
            self.responder.close()
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._signals.close()
        self._signalled.close()

    # Signals

    def _take_signals(self) -> None:
        self._signals.setblocking(False)
        self._signalled.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, _woken)

    def _read_signals(self) -> None:
        try:
            numbers = self._signals.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number in (signal.SIGINT, signal.SIGTERM):
                self._stop()
            elif number == signal.SIGHUP and not self.is_stopping:
                self._reload()
            elif number == signal.SIGUSR1:
                self.journal.count(self.counters)
        self._bury()

    def _stop(self) -> None:
        is_second = self.is_stopping
        self._kill_at = time.monotonic() + PATIENCE
        for worker in self.workers:
            worker.start_at = None
            worker.say(HURRY if is_second else STOP)
            for listener in worker.listeners:
                listener.close()
        if not is_second:
            self.on_stopping()

    def _reload(self) -> None:
        self.on_reload()
        self._awaits_serving = True
        for worker in self.workers:
            worker.is_serving = False
            worker.say(RELOAD)

    # Time

    def _do_what_is_due(self, now: float) -> float | None:
        """Start, kill and give signs of life where it is time; return the seconds until the next such thing."""
        waits: list[float] = []
        for worker in self.workers:
            if worker.start_at is not None:
                if now >= worker.start_at:
                    self._start(worker)
                else:
                    waits.append(worker.start_at - now)
        if self._kill_at is not None:
            if now >= self._kill_at:
                self._kill_all()
            else:
                waits.append(self._kill_at - now)
        if self.watchdog is not None:
            waits.append(self._watch_over(self.watchdog, now))
        soon = self.responder.expire() if self.responder is not None else None
        return min(waits if soon is None else [*waits, max(soon, 0.0)], default=None)

    def _watch_over(self, limit: float, now: float) -> float:
        """Say that this process lives, and kill each worker whose loop is stuck: the others go on."""
        if now >= self._next_sign:
            self._next_sign = now + limit / 2
            self.on_alive()
            for worker in self.workers:
                if worker.pid is not None and worker.silent_for > limit:
                    self._kill(worker, "does not react")
        return self._next_sign - now

    def _kill_all(self) -> None:
        for worker in self.workers:
            if worker.pid is not None:
                self._kill(worker, "does not stop")
        self._kill_at = time.monotonic() + PATIENCE

    def _kill(self, worker: Worker, why: str) -> None:
        assert worker.pid is not None
        text = f"Worker {worker.number} (process {worker.pid}) {why}: killed"
        self.journal.tell(ERROR, "worker-stuck", text, worker=worker.number, process=worker.pid)
        os.kill(worker.pid, signal.SIGKILL)

    # Processes

    def _start(self, worker: Worker) -> None:
        worker.started_at = time.monotonic()
        worker.start_at = None
        try:
            self._fork(worker)
        except OSError as error:  # no memory, or too many processes: as a worker that dies at once
            text = f"Worker {worker.number} cannot be started: {error}"
            self.journal.tell(ERROR, "worker-not-started", text, worker=worker.number)
            worker.died(time.monotonic())

    def _fork(self, worker: Worker) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                ours.close()
                self._be(worker, theirs)
        ours.setblocking(False)
        worker.pid, worker.channel = pid, ours
        self.watch(ours, lambda: self._hear(worker))

    def _be(self, worker: Worker, channel: socket.socket) -> None:
        """In the child: let go of all that is the parent's, work, and end."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C reaches the whole group of processes: the parent passes it on, once.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._let_go(worker)
            self._work(worker, channel)
            code = exit_codes.OK
        except VerificationError as error:
            self.journal.log.error(failure_line(error))
            code = exit_codes.exit_code(error)
        except BaseException as error:  # noqa: BLE001 - nothing may return into the parent's code
            self.journal.log.error(f"Worker {worker.number} failed: {type(error).__name__}: {error}")
        finally:
            logging.shutdown()
            os._exit(code)

    def _let_go(self, worker: Worker) -> None:
        self._selector.close()
        self._signals.close()
        self._signalled.close()
        for each in self.responder.sockets if self.responder is not None else ():
            each.close()
        for other in self.workers:
            if other.channel is not None:
                other.channel.close()
            for listener in other.listeners:
                if listener not in worker.listeners:
                    listener.close()

    def _hear(self, worker: Worker) -> None:
        assert worker.channel is not None
        try:
            words = worker.channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        if not words:
            self._hang_up(worker)
            return
        worker.is_serving = True
        if self._awaits_serving and self.serving == len(self.workers):
            self._awaits_serving = False
            self.on_serving()

    def _hang_up(self, worker: Worker) -> None:
        if worker.channel is not None:
            self.unwatch(worker.channel)
            worker.channel.close()
            worker.channel = None

    def _bury(self) -> None:
        """Take note of the workers that have ended."""
        for worker in self.workers:
            if worker.pid is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._hang_up(worker)
                lost = worker.died(time.monotonic())
                if self.is_stopping:
                    worker.start_at = None
                else:
                    self.restarts += 1
                    self._tell_death(worker, pid, status, lost)

    def _tell_death(self, worker: Worker, pid: int, status: int, lost: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        text = f"Worker {worker.number} (process {pid}) ended {how}, {lost} associations lost; it is replaced"
        level = INFO if code == 0 else ERROR
        self.journal.tell(
            level, "worker-ended", text, worker=worker.number, process=pid, exit_code=code, associations_lost=lost
        )


def _nothing() -> None:
    pass


def _woken(*_: object) -> None:
    """The wake-up descriptor tells which signal it was."""
