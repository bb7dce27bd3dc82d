"""systemd's interfaces, with a service manager made of sockets; and the units that are delivered."""

import configparser
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcmecho.cli import systemd
from dcmecho.cli.grammar import parse
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.errors import LocalError
from programs import LOOPBACK, PATIENCE, Program, command, connect, echoscp, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is on Linux only")

ROOT = Path(__file__).resolve().parent.parent.parent

FIRST = 200
"""A descriptor that nothing else has in this process."""


# Sockets that are passed


def test_sockets_are_for_the_process_they_name() -> None:
    assert systemd.is_activated({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
    assert not systemd.is_activated({"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"})
    assert not systemd.is_activated({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"})
    assert not systemd.is_activated({"LISTEN_FDS": "1"})
    assert not systemd.is_activated({})


@given(st.text(max_size=30))
def test_nonsense_in_the_environment_is_no_number(word: str) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS", "WATCHDOG_USEC", "WATCHDOG_PID"):
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", name: word}
        systemd.is_activated(environ)
        systemd.watchdog_seconds(environ)


@contextmanager
def passed(*sockets: socket.socket) -> Iterator[dict[str, str]]:
    """Put sockets where systemd puts them; closes the originals."""
    for place, each in enumerate(sockets):
        os.dup2(each.fileno(), FIRST + place)
        each.close()
    try:
        yield {"LISTEN_FDS": str(len(sockets))}
    finally:
        for place in range(len(sockets)):
            try:
                os.close(FIRST + place)
            except OSError:
                pass  # a socket object had it


def test_sockets_by_their_names() -> None:
    servers = [socket.create_server((LOOPBACK, 0)) for _ in range(3)]
    ports = [each.getsockname()[1] for each in servers]
    with passed(*servers) as environ:
        environ["LISTEN_FDNAMES"] = "echoscp.socket:metrics"
        associations, metrics = systemd.inherited_sockets(environ, FIRST)
        try:
            assert [each.getsockname()[1] for each in associations] == [ports[0], ports[2]]
            assert [each.getsockname()[1] for each in metrics] == [ports[1]]
            assert not any(each.getblocking() or each.get_inheritable() for each in (*associations, *metrics))
        finally:
            for each in (*associations, *metrics):
                each.close()


@pytest.mark.parametrize("kind", ["unix", "udp", "not listening"])
def test_a_socket_that_cannot_be_served(kind: str) -> None:
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    with passed(made) as environ, pytest.raises(LocalError, match="does not listen for TCP") as caught:
        systemd.inherited_sockets(environ, FIRST)
    assert caught.value.cause.name == "port-unavailable"


def test_a_descriptor_that_is_not_there() -> None:
    with pytest.raises(LocalError, match=f"socket {FIRST} passed by systemd"):
        systemd.inherited_sockets({"LISTEN_FDS": "1"}, FIRST)


# What systemd is told


class Manager:
    """Hears what a service tells."""

    def __init__(self) -> None:
        self.address = f"@dcmecho-test-{uuid.uuid4().hex}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)
        self._socket.bind("\0" + self.address[1:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def hear(self) -> str:
        return self._socket.recv(4096).decode()


def test_a_state_is_told_by_abstract_name_and_by_path(tmp_path: Path) -> None:
    with Manager() as manager:
        notify = systemd.notifier({"NOTIFY_SOCKET": manager.address})
        assert notify is not None
        notify(systemd.READY)
        assert manager.hear() == "READY=1"
    notify(systemd.READY)  # nobody hears it: no harm
    directory = os.open(tmp_path, os.O_RDONLY)
    path = f"/proc/self/fd/{directory}/notify"  # however long tmp_path is: a socket's name has 107 bytes
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.settimeout(PATIENCE)
            listener.bind(path)
            notify = systemd.notifier({"NOTIFY_SOCKET": path})
            assert notify is not None
            notify(systemd.STOPPING)
            assert listener.recv(100) == b"STOPPING=1"
    finally:
        os.close(directory)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_nobody_to_tell(environ: dict[str, str]) -> None:
    assert systemd.notifier(environ) is None


def test_the_watchdogs_time() -> None:
    own = str(os.getpid())
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "1500000"}) == 1.5
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": own}) == 1.5
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": f"{own}0"}) is None
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "0"}) is None
    assert systemd.watchdog_seconds({}) is None


def test_a_reload_tells_the_time() -> None:
    before = time.monotonic_ns() // 1000
    first, second = systemd.reloading().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


# A whole service

LAUNCHER = """
import os, socket, sys
first = socket.create_server(("127.0.0.1", 0))
others = [socket.create_server(("127.0.0.1", 0)) for _ in sys.argv[1].split(":")[1:]]
ports = [each.getsockname()[1] for each in (first, *others)]
for place, each in enumerate([os.dup(each.fileno()) for each in (first, *others)]):
    os.dup2(each, 100 + place)
for place in range(len(ports)):
    os.dup2(100 + place, 3 + place)
    os.close(100 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(ports)), LISTEN_FDNAMES=sys.argv[1])
print("Listening on port", *ports, flush=True)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Starts a program as systemd does, with a listening socket for each name, and tells the ports."""


@contextmanager
def activated(*words: object, names: str = "x", **environment: str) -> Iterator[tuple[Program, list[int]]]:
    line = [sys.executable, "-c", LAUNCHER, names, *command("echoscp"), *words]
    with Program(line, **environment) as program:
        program.wait_for("Listening on port")
        yield program, [int(word) for word in program.output.split()[3:]]


@pytest.mark.parametrize("words", [[], ["--workers", 2]], ids=["one process", "workers"])
def test_socket_activation_needs_no_port(words: list[object]) -> None:
    with activated("-v", *words) as (program, (port,)):
        with connect(port) as talk:  # it waits in the queue until echoscp has come up
            talk.associate()
            assert talk.echo().status == 0
            talk.release()
        program.wait_for("I: Association Released")
        program.wait_for(f'I: Listening on port {port} as "ECHOSCP"')
        program.send_signal(signal.SIGTERM)
        assert program.wait().code == 0


@pytest.mark.parametrize("words", [[], ["--workers", 2]], ids=["one process", "workers"])
def test_several_sockets_a_port_and_one_for_metrics(words: list[object]) -> None:
    with activated("-v", *words, "-ba", LOOPBACK, 0, names="a:metrics") as (program, (port, metrics_port)):
        program.wait_for("I: Metrics on port")
        program.wait_for("\nListening on port")
        own = int(program.output.split()[-1])
        assert f'I: Listening on ports {port}, {own} as "ECHOSCP"' in program.errors
        for each in (port, own):
            with connect(each) as talk:
                talk.associate()
        with socket.create_connection((LOOPBACK, metrics_port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert connection.recv(20).startswith(b"HTTP/1.1 200 OK")


def test_sockets_for_metrics_only_are_not_enough() -> None:
    with activated(names="metrics") as (program, _):
        outcome = program.wait()
    assert outcome.code == 1
    assert outcome.errors.startswith("echoscp: missing parameter: port")


def test_sockets_for_another_process_are_left_alone() -> None:
    outcome = run(command("echoscp"), LISTEN_PID="1", LISTEN_FDS="1")
    assert outcome.code == 1
    assert outcome.lines[0] == "echoscp: missing parameter: port"


@pytest.mark.parametrize("words", [[], ["--workers", 2]], ids=["one process", "workers"])
def test_the_states_of_a_life(words: list[object]) -> None:
    with Manager() as manager:
        line = [*command("echoscp"), *words, "-ba", LOOPBACK, 0]
        with Program(line, NOTIFY_SOCKET=manager.address) as program:
            assert manager.hear() == "READY=1"
            connect(program.listening_port()).socket.close()
            program.send_signal(signal.SIGHUP)
            assert manager.hear().startswith("RELOADING=1\nMONOTONIC_USEC=")
            assert manager.hear() == "READY=1"
            program.send_signal(signal.SIGTERM)
            assert manager.hear() == "STOPPING=1"
            assert program.wait().code == 0


@pytest.mark.parametrize("words", [[], ["--workers", 2]], ids=["one process", "workers"])
def test_signs_of_life(words: list[object]) -> None:
    with Manager() as manager:
        line = [*command("echoscp"), *words, "-ba", LOOPBACK, 0]
        with Program(line, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="2000000"):
            heard = [manager.hear() for _ in range(3)]
    assert sorted(heard) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_no_signs_of_life_for_nobody() -> None:
    with Manager() as manager:
        line = [*command("echoscp"), "-ba", LOOPBACK, 0]
        environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        with Program(line, **environment) as program:
            assert manager.hear() == "READY=1"
            program.send_signal(signal.SIGTERM)
            assert manager.hear() == "STOPPING=1"


# The units


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation has it
    found.read_string((ROOT / "share" / "systemd" / name).read_text())
    return found


def test_the_service_is_what_echoscp_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    service = unit("echoscp.service")["Service"]
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) > 0
    assert service["ExecReload"].split()[-2:] == ["-HUP", "$MAINPID"]
    assert service["KillMode"] == "mixed"
    program, *words = service["ExecStart"].split()
    assert program.endswith("/echoscp")
    assert words == ["$ECHOSCP_OPTIONS"]
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert not parse(ECHOSCP, ["-aet", "MYTITLE", "-v"]).given("port")


def test_the_service_may_do_little() -> None:
    service = unit("echoscp.service")["Service"]
    assert (service["DynamicUser"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "yes", "strict")
    assert service["CapabilityBoundingSet"] == ""
    assert "AF_UNIX" in service["RestrictAddressFamilies"].split()


def test_the_socket_is_the_services() -> None:
    assert unit("echoscp.socket")["Socket"]["ListenStream"] == "104"
    assert unit("echoscp.service")["Unit"]["Requires"] == "echoscp.socket"


def test_a_plain_start_asks_systemd_nothing() -> None:
    with echoscp() as (program, port):
        with connect(port) as talk:
            talk.associate()
        assert program.errors == ""
