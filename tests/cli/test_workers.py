"""Several processes: what is served by whom, what a death costs, and one clean end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli.echoscp import main
from dcmecho.cli.journal import Journal
from dcmecho.cli.log import Log
from dcmecho.cli.serving import GRACE
from dcmecho.cli.workers import LONGEST_PAUSE, YOUNG, Parent, make_workers, pause_after, processors
from dcmecho.pdu import A_ABORT
from programs import LOOPBACK, PATIENCE, Conversation, Program, call, command, connect, echoscp, free_port, run
from tls.factory import Factory

HAS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

MANY = 24
"""Connections that the system will not all give to the same one of two workers (1 in 8 million)."""


def children(program: Program) -> list[int]:
    """The processes that another has started and that have not ended."""
    text = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
    return [int(word) for word in text.split()]


@contextmanager
def two_workers(*words: object) -> Iterator[tuple[Program, int]]:
    with echoscp("--workers", 2, "-v", *words) as started:
        yield started


def associated(stack: ExitStack, port: int, number: int = MANY) -> list[Conversation]:
    talks = [stack.enter_context(connect(port)) for _ in range(number)]
    for talk in talks:
        talk.associate()
    return talks


def still_stands(talk: Conversation) -> bool:
    try:
        return talk.echo().status == 0
    except (AssertionError, OSError):
        return False


def released(talks: list[Conversation]) -> None:
    """End associations in order, the connections too."""
    for talk in talks:
        talk.release()
        talk.socket.close()


def wait_for_number(program: Program, text: str, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while program.errors.count(text) < number:
        assert time.monotonic() < deadline, program.errors
        time.sleep(0.01)


# What needs no process


def test_the_first_pause_is_short_and_they_grow_to_a_limit() -> None:
    assert [pause_after(deaths) for deaths in (0, 1, 2, 3)] == [0.0, 0.1, 0.2, 0.4]
    assert pause_after(1_000_000) == LONGEST_PAUSE


@given(st.integers(0, 100))
def test_pauses_never_shrink(deaths: int) -> None:
    assert pause_after(deaths) <= pause_after(deaths + 1) <= LONGEST_PAUSE


def test_a_worker_that_lived_is_replaced_at_once_and_one_that_did_not_is_waited_for() -> None:
    (worker,) = make_workers([[]])
    worker.started_at = 100.0
    worker.died(101.0)
    worker.started_at = 102.0
    worker.died(103.0)
    assert (worker.early_deaths, worker.start_at) == (2, 103.0 + pause_after(2))
    worker.started_at = 104.0
    worker.died(104.0 + YOUNG)
    assert (worker.early_deaths, worker.start_at) == (0, 104.0 + YOUNG)


def test_each_worker_counts_for_itself() -> None:
    first, second = make_workers([[], []])
    second.counters.count_accepted()
    assert (first.counters.open, second.counters.open) == (0, 1)
    assert second.died(0.0) == 1
    assert second.counters.open == 0


def test_a_heartbeat_is_heard() -> None:
    (worker,) = make_workers([[]])
    worker.started_at = time.monotonic() - 1000
    assert worker.silent_for >= 1000
    worker.beat()
    assert worker.silent_for < 500
    assert not sum(worker.counters.cells)


class NoLog(Log):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__("test")
        self.texts: list[str] = []

    def write(self, level: int, text: str, source: str = "") -> None:
        self.texts.append(text)


def test_a_process_that_cannot_be_had_is_tried_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_fork, raising=False)
    (worker,) = make_workers([[]])
    log = NoLog()
    parent = Parent([worker], Journal(log), lambda *_: None)
    try:
        parent._start(worker)
    finally:
        parent.close()
    assert log.texts == ["Worker 1 cannot be started: [Errno 11] Resource temporarily unavailable"]
    assert worker.pid is None
    assert worker.start_at is not None
    assert worker.start_at > worker.started_at


# What is served


@HAS_FORK
@ON_LINUX
def test_both_serve_and_one_that_is_killed_loses_its_own_associations_only() -> None:
    with two_workers() as (program, port), ExitStack() as stack:
        workers = children(program)
        assert len(workers) == 2
        talks = associated(stack, port)
        os.kill(workers[0], signal.SIGKILL)
        program.wait_for(f"(process {workers[0]}) ended by signal 9")
        standing = [talk for talk in talks if still_stands(talk)]
        assert 0 < len(standing) < MANY
        assert f"ended by signal 9, {MANY - len(standing)} associations lost; it is replaced" in program.errors
        for talk in associated(stack, port):
            assert talk.echo().status == 0
        released(standing)
        replaced = children(program)
        assert workers[1] in replaced
        assert len(replaced) == 2
        program.send_signal(signal.SIGTERM)
        program.wait_for("I: Stopping")
        program.send_signal(signal.SIGTERM)
        outcome = program.wait()
    assert outcome.code == 0
    assert outcome.errors.count("I: Listening on port") == outcome.errors.count("I: Stopping") == 1
    assert "Traceback" not in outcome.errors


@HAS_FORK
@ON_LINUX
def test_zero_is_one_a_processor() -> None:
    with echoscp("--workers", 0) as (program, _):
        assert len(children(program)) == processors()


@HAS_FORK
def test_every_address_is_listened_on_by_default() -> None:
    with Program([*command("echoscp"), "--workers", 2, 0]) as program:
        port = program.listening_port()
        for host in (LOOPBACK, "::1"):
            with connect(port, host) as talk:
                talk.associate()


@HAS_FORK
@pytest.mark.parametrize("words", [[], ["--workers", 2]], ids=["one process", "workers"])
def test_a_port_that_another_echoscp_has_is_taken(words: list[object]) -> None:
    with echoscp(*words) as (_, port):
        outcome = run([*command("echoscp"), "--workers", 2, "-ba", LOOPBACK, port])
    assert outcome.code == 60
    assert outcome.lines[0].startswith("F: Cannot start: the port cannot be listened on: ")
    assert len(outcome.lines) == 1


@HAS_FORK
def test_the_metrics_are_the_sum() -> None:
    metrics_port = free_port()
    with two_workers("--metrics-port", metrics_port) as (program, port), ExitStack() as stack:
        program.wait_for("Metrics on port")
        for talk in associated(stack, port):
            talk.echo()
        connection = stack.enter_context(socket.create_connection((LOOPBACK, metrics_port), timeout=PATIENCE))
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = ""
        while data := connection.recv(65536):
            text += data.decode()
        lines = text.splitlines()
        for line in (f"dcmecho_associations_open {MANY}", f'dcmecho_echoes_total{{status="success"}} {MANY}'):
            assert line in lines
        assert "dcmecho_workers 2" in lines
        program.send_signal(signal.SIGUSR1)
        program.wait_for(
            f"W: Counters: {MANY} connections, {MANY} associations accepted, {MANY} open, {MANY} echoes, 0 failed, "
        )


# How it ends


@HAS_FORK
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_open_associations_may_end_in_order(number: int) -> None:
    with two_workers() as (program, port), ExitStack() as stack:
        talks = associated(stack, port)
        program.send_signal(number)
        program.wait_for("I: Stopping")
        refused(port)
        assert [talk.echo(5).status for talk in talks] == [0] * MANY
        released(talks)
        outcome = program.wait()
    assert outcome.code == 0
    assert "E:" not in outcome.errors


def refused(port: int) -> None:
    """Wait until nobody listens any more: the order to stop has reached each worker."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass
    pytest.fail("somebody still listens")


@HAS_FORK
def test_a_second_signal_ends_the_grace() -> None:
    with two_workers() as (program, port), ExitStack() as stack:
        talks = associated(stack, port)
        program.send_signal(signal.SIGINT)
        program.wait_for("I: Stopping")
        program.send_signal(signal.SIGINT)
        for talk in talks:
            talk.socket.settimeout(GRACE - 1)
            talk.read_kind(A_ABORT)
        outcome = program.wait()
    assert outcome.code == 0
    assert outcome.errors.count("shutdown): this server is shutting down") == MANY


@HAS_FORK
@ON_LINUX
def test_the_terminals_interrupt_and_a_service_managers_stop_count_once() -> None:
    """Both reach the workers too: SIGINT is left to the parent, SIGTERM is the same stop as the parent's."""
    with two_workers() as (program, port), ExitStack() as stack:
        talks = associated(stack, port)
        workers = children(program)
        for worker in workers:
            os.kill(worker, signal.SIGINT)
        assert all(still_stands(talk) for talk in talks)
        program.send_signal(signal.SIGTERM)
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        refused(port)
        assert [talk.echo().status for talk in talks] == [0] * MANY
        released(talks)
        assert program.wait().code == 0


@HAS_FORK
@ON_LINUX
def test_a_worker_told_to_stop_ends_in_order_and_is_replaced() -> None:
    with two_workers() as (program, port), ExitStack() as stack:
        talks = associated(stack, port)
        worker = children(program)[0]
        os.kill(worker, signal.SIGTERM)
        assert all(still_stands(talk) for talk in talks)
        released(talks)
        program.wait_for(f"(process {worker}) ended with code 0, 0 associations lost")
        assert "E:" not in program.errors
        associated(stack, port)


def end(process: int) -> None:
    """Kill a process if it is still there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


@HAS_FORK
@ON_LINUX
def test_workers_do_not_outlive_their_parent() -> None:
    with two_workers() as (program, port):
        workers = children(program)
        program.send_signal(signal.SIGKILL)
        try:
            refused(port)
        finally:
            for worker in workers:
                end(worker)


# What reaches each of them


@HAS_FORK
def test_tls_is_reloaded_by_each(pki: Factory, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(pki.server.text)
    with two_workers("+tls", pki.server.key_pem, certificate, "-ic") as (program, _):
        program.send_signal(signal.SIGHUP)
        wait_for_number(program, "I: TLS files reloaded", 2)
        certificate.write_text("nonsense")
        program.send_signal(signal.SIGHUP)
        wait_for_number(program, "E: TLS files not reloaded, the old ones stay in force: ", 2)


@HAS_FORK
def test_unusable_tls_files_are_told_once(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    outcome = run([*command("echoscp"), "--workers", 2, "+tls", missing, missing, "-ic", 0])
    assert outcome.code == 20
    assert len(outcome.lines) == 1


@HAS_FORK
@ON_LINUX
def test_a_worker_that_is_stuck_is_replaced() -> None:
    words = [*command("echoscp"), "--workers", 2, "-v", "-ba", LOOPBACK, 0]
    with Program(words, WATCHDOG_USEC="1000000") as program:
        program.listening_port()
        worker = children(program)[0]
        os.kill(worker, signal.SIGSTOP)
        try:
            program.wait_for(f"(process {worker}) does not react: killed")
            program.wait_for(f"(process {worker}) ended by signal 9")
        finally:
            end(worker)


@HAS_FORK
def test_a_worker_that_does_not_stop_is_killed_and_that_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        workers = make_workers([[]])
        workers[0].pid = sleeper.pid
        parent = Parent(workers, Journal(Log("echoscp")), lambda worker, channel: None)
        parent._kill_all()
        parent.close()
        assert sleeper.wait(PATIENCE) == -signal.SIGKILL
    assert capsys.readouterr().err == f"E: Worker 1 (process {sleeper.pid}) does not stop: killed\n"


def test_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    outcome = call(main, capsys, "--workers", 2, 0)
    assert outcome.code == 1
    assert outcome.lines == ["echoscp: option --workers: this system has no fork()"]


# A run without any of this


def test_a_plain_run_loads_none_of_this(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from dcmecho.cli.echoscp import main; main(['-ba', '192.0.2.1', '0']); "
        "print(*[name for name in sys.modules if name.startswith('dcmecho.cli.') or name == 'mmap'])"
    )
    with Program([sys.executable, "-c", code]) as program:
        loaded = set(program.wait().output.split())
    assert "dcmecho.cli.serving" in loaded
    assert not loaded & {
        "mmap",
        *[f"dcmecho.cli.{name}" for name in ("workers", "metrics", "systemd", "inetd", "json_log", "help", "rules")],
    }
