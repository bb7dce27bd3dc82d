"""The limits of echoscp from end to end: what a peer beyond them gets, and what the log and the counters say."""

import signal
import socket
import sys
from contextlib import ExitStack

import pytest

from dcmecho.cli import serving
from dcmecho.cli.echoscp import _settings, main
from dcmecho.cli.grammar import parse
from dcmecho.cli.journal import Journal
from dcmecho.cli.log import Log
from dcmecho.cli.table_scp import ECHOSCP
from dcmecho.dimse import CEchoRQ
from dcmecho.pdu import A_ABORT, A_ASSOCIATE_AC, AssociateRJ
from dcmecho.server_settings import ServerSettings
from programs import (
    LOOPBACK,
    PATIENCE,
    Conversation,
    Program,
    association_request,
    call,
    command,
    connect,
    echoscp,
    message,
)

resource = pytest.importorskip("resource", reason="needs POSIX")

FULL = AssociateRJ(2, 3, 2)
UNWANTED = AssociateRJ(1, 1, 1)


def answer(port: int, host: str = LOOPBACK) -> AssociateRJ:
    """Ask for an association that is rejected."""
    with connect(port, host) as talk:
        talk.send(association_request().encode())
        return AssociateRJ.decode(talk.read())


def answer_kind(talk: Conversation) -> int:
    talk.send(association_request().encode())
    return talk.read()[0]


# Number


def test_associations_beyond_the_limit_are_rejected_until_one_ends() -> None:
    with echoscp("--max-associations", 2) as (program, port):
        with ExitStack() as stack:
            talks = [stack.enter_context(connect(port)) for _ in range(2)]
            for talk in talks:
                talk.associate()
            assert answer(port) == FULL
            talks[0].release()
            with connect(port) as talk:
                talk.associate()
                assert answer(port) == FULL
                assert talks[1].echo().status == 0
        program.wait_for("rejected (transient, service provider (presentation), reason 2: local limit exceeded)")
        program.send_signal(signal.SIGUSR1)
        program.wait_for("W: Rejected: local-limit-exceeded 2")


def test_connections_that_never_ask_do_not_count_as_associations() -> None:
    with echoscp("--max-associations", 1) as (_, port), connect(port), connect(port), connect(port) as talk:
        talk.associate()


@pytest.mark.skipif(sys.platform != "linux", reason="needs more than one address of loopback")
def test_associations_of_one_host_are_limited_and_others_are_not_concerned() -> None:
    with echoscp("--max-associations-per-host", 1) as (_, port), connect(port) as talk:
        talk.associate()
        assert answer(port) == FULL
        other = socket.create_connection((LOOPBACK, port), PATIENCE, ("127.0.0.2", 0))
        with Conversation(other) as talk_of_another:
            talk_of_another.associate()


def test_many_at_once_are_no_matter_without_a_limit() -> None:
    with echoscp() as (program, port), ExitStack() as stack:
        talks = [stack.enter_context(connect(port)) for _ in range(200)]
        for talk in talks:
            talk.associate()
        assert {talk.echo().status for talk in talks} == {0}
        program.send_signal(signal.SIGUSR1)
        program.wait_for("W: Counters: 200 connections, 200 associations accepted, 200 open, 200 echoes, 0 failed, ")


# Addresses


@pytest.mark.parametrize(
    ("addresses", "is_allowed"),
    [
        ([LOOPBACK], True),
        (["192.0.2.0/24", "127.0.0.0/8"], True),
        (["0.0.0.0/0"], True),
        (["192.0.2.1"], False),
        (["127.0.0.2"], False),
        (["::/0"], False),
    ],
)
def test_peers_from_elsewhere_are_rejected(addresses: list[str], is_allowed: bool) -> None:
    words = [word for address in addresses for word in ("--allow-from", address)]
    with echoscp(*words) as (program, port):
        if is_allowed:
            with connect(port) as talk:
                talk.associate()
        else:
            assert answer(port) == UNWANTED
            program.wait_for("rejected (permanent, service user, reason 1: no reason given)")


def test_ipv6_networks() -> None:
    with echoscp("--allow-from", "::1/128", host="::1") as (_, port), connect(port, "::1") as talk:
        talk.associate()
    with echoscp("--allow-from", "2001:db8::/32", host="::1") as (_, port):
        assert answer(port, "::1") == UNWANTED


# Size


def test_the_largest_association_request() -> None:
    request = association_request(*[f"1.2.3.4.5.6.7.8.9.{number}" for number in range(200)]).encode()
    assert len(request) > 2048
    with echoscp("--max-association-pdu", 2048) as (program, port):
        with connect(port) as talk:
            assert answer_kind(talk) == A_ASSOCIATE_AC
        with connect(port) as talk:
            talk.send(request[:6])
            talk.read_kind(A_ABORT)
        program.wait_for("ended (protocol-violation)")
    with echoscp("--max-association-pdu", len(request)) as (_, port), connect(port) as talk:
        talk.send(request)
        talk.read_kind(A_ASSOCIATE_AC)


def test_the_longest_message() -> None:
    fragment = bytes.fromhex("04 00 00 00 02 06 00 00 02 02 01 01") + bytes(512)
    with echoscp("--max-message", 1024) as (program, port):
        with connect(port) as talk:
            talk.associate()
            for _ in range(3):
                talk.send(fragment)
            talk.read_kind(A_ABORT)
        program.wait_for("ended (protocol-violation)")


def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    """What it sends stays in the buffers of the system, which are finite: at last it cannot send any more."""
    echoes = message(CEchoRQ(1).encode()) * 1_000_000  # 80 MB: more than any buffers hold
    with echoscp("--max-pending-output", 1024) as (_, port), connect(port) as talk:
        talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.associate()
        talk.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            talk.socket.sendall(echoes)
        with connect(port) as other:
            other.associate()
            assert other.echo().status == 0


# The command line


def test_each_limit_is_a_setting_of_the_server() -> None:
    words = {
        "--max-associations": ("max_associations", 11),
        "--max-associations-per-host": ("max_associations_per_host", 12),
        "--max-association-pdu": ("max_association_pdu", 1300),
        "--max-message": ("max_message_length", 1400),
        "--max-pending-output": ("max_pending_output", 1500),
    }
    line = [word for name, (_, value) in words.items() for word in (name, str(value))]
    journal = Journal(Log("echoscp"))
    settings = _settings(parse(ECHOSCP, [*line, "0"]), journal, None)
    assert {key: getattr(settings, key) for key, _ in words.values()} == dict(words.values())
    plain, default = _settings(parse(ECHOSCP, ["0"]), journal, None), ServerSettings()
    for key, _ in words.values():
        assert getattr(plain, key) == getattr(default, key)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--max-associations", "0"], "option --max-associations: "),
        (["--max-associations-per-host", "-1"], "option --max-associations-per-host: "),
        (["--allow-from", "pacs"], "option --allow-from: "),
        (["--allow-from", "192.0.2.1/24"], "option --allow-from: "),
        (["--max-association-pdu", "1023"], "option --max-association-pdu: "),
        (["--max-message", "1e3"], "option --max-message: "),
        (["--max-pending-output", "0"], "option --max-pending-output: "),
        (["--workers", "1025"], "option --workers: "),
        (["--metrics-port", "65536"], "option --metrics-port: "),
        (["--metrics-address", "::1"], "option --metrics-address: needs --metrics-port"),
        (["--log-format", "xml"], "option --log-format: "),
    ],
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], words: list[str], named: str) -> None:
    outcome = call(main, capsys, *words, "0")
    assert (outcome.code, outcome.output) == (1, "")
    assert outcome.lines[0].startswith(f"echoscp: {named}")


def test_a_metrics_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with echoscp() as (_, taken):
        outcome = call(main, capsys, "-ba", LOOPBACK, "--metrics-port", taken, 0)
    assert outcome.code == 60
    assert f"port {taken} of 127.0.0.1" in outcome.errors


# Descriptors


def test_as_many_connections_as_the_system_allows() -> None:
    """The soft limit of open files is raised to the hard one."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512)); "
        "from dcmecho.cli.echoscp import main; sys.exit(main())"
    )
    with Program([sys.executable, "-c", code, "-ba", LOOPBACK, 0]) as program, ExitStack() as stack:
        port = program.listening_port()
        talks = [stack.enter_context(connect(port)) for _ in range(100)]
        for talk in talks:
            talk.associate()
        assert {talk.echo().status for talk in talks} == {0}


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((1024, 4096), (4096, 4096)),
        ((1024, resource.RLIM_INFINITY), (serving.MAX_DESCRIPTORS, resource.RLIM_INFINITY)),
        ((1024, 1 << 30), (serving.MAX_DESCRIPTORS, 1 << 30)),
        ((4096, 4096), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_the_limit_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: tuple[int, int] | None
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: calls.append(new))
    serving.raise_descriptor_limit()
    assert calls == ([wanted] if wanted else [])


def test_limits_hold_beside_an_echo_client_of_ours() -> None:
    """The client says what it was: busy, try again."""
    with echoscp("--max-associations", 1) as (_, port), connect(port) as talk:
        talk.associate()
        with Program([*command("echoscu"), LOOPBACK, port]) as client:
            outcome = client.wait()
    assert outcome.code == 1
    assert "local limit exceeded" in outcome.errors
