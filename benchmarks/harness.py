"""Runs programs and measures them: processes, servers, rounds."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import MeasurementError, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .native import Natives
    from .programs import Client, Programs, Server

RUN_LIMIT = 120.0
READY_LIMIT = 30.0
STOP_LIMIT = 5.0
MOST_ECHOES = 10_000_000

# A user's environment has none of these. The first two are common in containers and would make Python compile anew at
# each start; the others change what the peers do.
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "TCP_NODELAY", "DCMDICTPATH", "PYTHONPROFILEIMPORTTIME")


@dataclass(frozen=True)
class Bench:
    """What a benchmark is given. `runs` is the number of rounds, `seconds` how long one measurement is to last; where
    `quick` a benchmark is to show that it runs, with less of what it measures."""

    runs: int
    seconds: float
    directory: Path
    programs: Programs
    natives: Natives
    quick: bool = False


@dataclass(frozen=True)
class Served:
    """A server that is up."""

    port: int
    pid: int


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment a user would start a program in, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return kept | dict(extra)


def interleave(rounds: int, subjects: Mapping[str, Callable[[], Sample]]) -> Samples:
    """Measure every subject once a round, forwards and backwards in turn, so that a change of the machine's pace
    hits all alike. A subject that fails keeps what it has and is left out from then on."""
    samples = Samples({name: [] for name in subjects})
    for turn in range(rounds):
        names = [name for name in subjects if name not in samples.problems]
        for name in names if turn % 2 == 0 else reversed(names):
            try:
                samples.taken[name].append(subjects[name]())
            except MeasurementError as error:
                samples.problems[name] = str(error)
    return samples


def run(command: Sequence[str], extra: Mapping[str, str], directory: Path) -> Sample:
    """Run a program to its end; return its ``wall`` and ``cpu`` seconds (user and system, children included).

    Raises MeasurementError where it does not exit with 0 within RUN_LIMIT.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        command,
        env=environment(extra),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        watchdog = threading.Timer(RUN_LIMIT, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            complaint = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - begin
            # Popen would otherwise wait for a process that is no more.
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watchdog.cancel()
    if process.returncode != 0:
        raise MeasurementError(f"{command[0]} exited with {process.returncode}: {last_line(complaint)}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def last_line(output: bytes) -> str:
    """Return the last line a program wrote, fit to be shown."""
    lines = output.decode("utf-8", "replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    text = said[-1] if said else "it said nothing"
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextlib.contextmanager
def on_processor(number: int | None) -> Iterator[None]:
    """Start what is started meanwhile on one processor; None: wherever the system likes."""
    if number is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def serving(server: Server, directory: Path) -> Iterator[Served]:
    """Start a server on a free port, wait until it accepts connections, and stop it in any case."""
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix=f"{server.name.replace(' ', '-')}-", dir=directory))
    log = home / "output"
    with log.open("wb") as output, on_processor(server.processor):
        process = subprocess.Popen(
            server.command(port, home),
            env=environment(server.environment),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            await_ready(process, server.name, port, log)
            yield Served(port, process.pid)
        finally:
            stop(process)


def await_ready(process: subprocess.Popen[bytes], name: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"{name} exited with {process.returncode}: {last_line(log.read_bytes())}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise MeasurementError(f"{name} does not accept connections after {READY_LIMIT:g} s")


def processes(served: Served, least: int = 1) -> list[str]:
    """Return the ids of a server's process and of its children, once they are at least so many."""
    deadline = time.monotonic() + READY_LIMIT
    while time.monotonic() < deadline:
        try:
            children = Path(f"/proc/{served.pid}/task/{served.pid}/children").read_text().split()
        except OSError:  # not every kernel tells
            children = []
        if 1 + len(children) >= least:
            return [str(served.pid), *children]
        time.sleep(0.02)
    raise MeasurementError(f"the server has not {least} processes after {READY_LIMIT:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve_all(
    stack: contextlib.ExitStack, servers: Sequence[Server], directory: Path
) -> tuple[dict[str, Served], dict[str, str]]:
    """Start several servers for the life of `stack`; return those that are up, and why the others are not."""
    up: dict[str, Served] = {}
    problems: dict[str, str] = {}
    for server in servers:
        try:
            up[server.name] = stack.enter_context(serving(server, directory))
        except (MeasurementError, OSError) as error:
            problems[server.name] = str(error)
    return up, problems


def run_client(client: Client, port: int, repeat: int, directory: Path) -> Sample:
    """Run an echoscu against a local port, with that many echoes; up to `client.attempts` times if it fails."""
    count = () if repeat == 1 else ("--repeat", str(repeat))
    command = (*client.command, *count, "127.0.0.1", str(port))
    for _ in range(client.attempts - 1):
        with contextlib.suppress(MeasurementError):
            return run(command, client.environment, directory)
    return run(command, client.environment, directory)


def choose_repeat(measure: Callable[[int], float], seconds: float) -> int:
    """Return how many echoes last about `seconds`; `measure` tells how long a run with that many takes."""
    start_up = measure(1)
    repeat = 8
    while repeat <= MOST_ECHOES:
        spent = measure(repeat) - start_up
        if spent >= seconds / 4:
            return max(2, round(repeat * seconds / spent))
        repeat *= 4
    raise MeasurementError(f"{MOST_ECHOES} echoes take no time: does it know --repeat?")


def per_echo(once: float, many: float, repeat: int) -> float:
    """Return what one echo costs, start-up and association taken out: the run of one from the run of `repeat`."""
    cost = (many - once) / (repeat - 1)
    if cost <= 0:
        raise MeasurementError(f"{repeat} echoes took no longer than one: the machine is too noisy")
    return cost
