"""One connection on standard input, as inetd and its kin start a server."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcmecho.cli.echoscp import main
from dcmecho.pdu import A_ABORT
from programs import LOOPBACK, PATIENCE, Conversation, call, command

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="descriptors are passed on POSIX only")


@contextmanager
def started(*words: str, is_classical: bool = False) -> Iterator[tuple[subprocess.Popen[str], Conversation]]:
    """Start echoscp on one end of a connection: as standard input, or, as classical inetd does, as all three."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        served, _ = listener.accept()
    process = subprocess.Popen(
        [*command("echoscp"), "--inetd", *words],
        stdin=served.fileno(),
        stdout=served.fileno() if is_classical else subprocess.PIPE,
        stderr=served.fileno() if is_classical else subprocess.PIPE,
        text=True,
    )
    served.close()
    with Conversation(client) as talk:
        try:
            yield process, talk
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


@ON_POSIX
def test_one_association_and_it_is_over() -> None:
    with started("-v") as (process, talk):
        talk.associate()
        assert talk.echo().status == 0
        talk.release()
        talk.socket.close()
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, "")
    lines = errors.splitlines()
    assert lines[0] == "I: Accepting Association"
    assert lines[-2:] == ["I: Received Echo Request (MsgID 1)", "I: Association Released"]


@ON_POSIX
def test_the_log_does_not_get_between_the_pdus() -> None:
    with started("-d", is_classical=True) as (process, talk):
        talk.associate()
        assert [talk.echo(number).status for number in (1, 2)] == [0, 0]
        talk.release()
        talk.socket.close()
        assert process.wait(PATIENCE) == 0


@ON_POSIX
def test_a_connection_that_ends_at_once() -> None:
    with started() as (process, talk):
        talk.socket.close()
        assert process.wait(PATIENCE) == 0


@ON_POSIX
def test_it_can_be_told_to_stop() -> None:
    with started() as (process, talk):
        talk.associate()
        process.send_signal(signal.SIGTERM)
        assert talk.echo().status == 0
        process.send_signal(signal.SIGTERM)
        talk.read_kind(A_ABORT)
        talk.socket.close()
        assert process.wait(PATIENCE) == 0


@ON_POSIX
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["1104"], "contradicts the parameter port"),
        (["--workers", "2"], "contradicts --workers"),
        (["--metrics-port", "0"], "contradicts --metrics-port"),
        ([], "standard input is not a socket"),
    ],
)
def test_what_it_cannot_be(words: list[str], problem: str) -> None:
    done = subprocess.run(
        [*command("echoscp"), "--inetd", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"echoscp: option --inetd: {problem}\n")


@ON_POSIX
def test_a_socket_that_only_listens_is_no_connection() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        done = subprocess.run(
            [*command("echoscp"), "--inetd"],
            stdin=listener.fileno(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert b"standard input is a socket without a connection" in done.stderr


@ON_POSIX
def test_the_option_may_stand_in_a_command_file(tmp_path: Path) -> None:
    path = tmp_path / "options"
    path.write_text("--inetd -aet MINE")
    done = subprocess.run(
        [*command("echoscp"), f"@{path}"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
    )
    assert b"standard input is not a socket" in done.stderr


def test_without_it_the_port_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(main, capsys, "-aet", "--inetd").lines[0] == "echoscp: missing parameter: port"
