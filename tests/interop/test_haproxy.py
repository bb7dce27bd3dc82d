"""HAProxy in front of our echoscp, configured word for word as docs/how-to/load-balancing.md says."""

import re
import shlex
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from programs import LOOPBACK, PATIENCE, Program, command, connect, echoscp, free_port, wait_for_port

from .conftest import need

pytestmark = pytest.mark.interop

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "load-balancing.md"

PLAIN_CHECK = "    option tcp-check\n"


def block(name: str) -> str:
    """Return what stands in the page's block of that name."""
    found = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)```\n", PAGE.read_text(), re.DOTALL)
    assert found, name
    return found[1]


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Put this machine's ports and paths into the page's text, each of which must be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


class Proxy:
    """HAProxy with the two servers behind it."""

    def __init__(self, port: int, control_port: int, program: Program) -> None:
        self.port = port
        self.program = program
        self._control_port = control_port

    def servers(self) -> dict[str, tuple[str, str]]:
        """Status and result of the last check, by server."""
        with socket.create_connection((LOOPBACK, self._control_port), timeout=PATIENCE) as control:
            control.sendall(b"show stat\n")
            text = ""
            while data := control.recv(65536):
                text += data.decode()
        lines = text.splitlines()
        names = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
        return {
            row["svname"]: (row["status"], row["check_status"])
            for row in rows
            if row["pxname"] == "echoscp" and row["svname"] not in ("FRONTEND", "BACKEND")
        }

    def wait_for(self, **states: tuple[str, str]) -> None:
        """Wait until HAProxy thinks so of its servers."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.servers()) != states:
            assert time.monotonic() < deadline, f"{found}\n{self.program.output}\n{self.program.errors}"
            time.sleep(0.05)


@contextmanager
def haproxy(tmp_path: Path, ports: tuple[int, int], check: str = PLAIN_CHECK, more: str = "") -> Iterator[Proxy]:
    """Run HAProxy with the page's configuration, `check` in place of its plain one, and `more` for all."""
    need("haproxy")
    port, control_port = free_port(), free_port()
    text = replaced(
        block("configuration"),
        ("global\n", f"global\n    stats socket ipv4@{LOOPBACK}:{control_port}\n{more}"),
        ("maxconn 4000", "maxconn 200"),
        ("bind :104", f"bind {LOOPBACK}:{port}"),
        ("192.0.2.11:11112", f"{LOOPBACK}:{ports[0]}"),
        ("192.0.2.12:11112", f"{LOOPBACK}:{ports[1]}"),
        (PLAIN_CHECK, check),
        ("inter 5s", "inter 500ms"),
    )
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    with Program([need("haproxy"), "-db", "-f", path]) as program:
        wait_for_port(control_port, program)
        wait_for_port(port, program)
        yield Proxy(port, control_port, program)


def echo_through(proxy: Proxy, number: int = 1) -> None:
    for _ in range(number):
        with connect(proxy.port) as talk:
            talk.associate()
            assert talk.echo().status == 0
            talk.release()


def test_associations_are_spread_and_none_fails_when_a_server_dies(tmp_path: Path) -> None:
    with echoscp("-v") as (one, first), echoscp("-v") as (two, second), haproxy(tmp_path, (first, second)) as proxy:
        proxy.wait_for(one=("UP", "L4OK"), two=("UP", "L4OK"))
        with ExitStack() as stack:
            talks = [stack.enter_context(connect(proxy.port)) for _ in range(10)]
            for talk in talks:
                talk.associate()
            assert {talk.echo().status for talk in talks} == {0}
            for server in (one, two):
                assert server.errors.count("I: Accepting Association") == 5
        one.kill()
        echo_through(proxy, 10)
        proxy.wait_for(one=("DOWN", "L4CON"), two=("UP", "L4OK"))
        echo_through(proxy, 10)
        assert two.errors.count("I: Received Echo Request") == 25


def test_a_plain_check_is_seen_at_v_only(tmp_path: Path) -> None:
    with echoscp("-v") as (one, first), echoscp() as (two, second), haproxy(tmp_path, (first, second)):
        one.wait_for("ended (never-associated): ")
        assert "Association" not in one.errors
        assert two.errors == ""


def test_a_dialogue_in_bytes(tmp_path: Path) -> None:
    words = ("-v", "--require-called-aet", "--allow-calling-aet", "HAPROXY")
    with echoscp(*words) as (one, first), echoscp(*words, "--allow-from", "192.0.2.1") as (two, second):
        check = block("dialogue")
        with haproxy(tmp_path, (first, second), check) as proxy:
            one.wait_for("I: Association Released")
            proxy.wait_for(one=("UP", "L7OK"), two=("DOWN", "L7TOUT"))
    assert "I: Received Echo Request (MsgID 1)" in one.errors
    assert not [line for line in one.errors.splitlines() if not line.startswith("I: ")]
    assert "rejected (permanent, service user, reason 1" in two.errors


def test_echoscu_as_external_check(tmp_path: Path) -> None:
    script = tmp_path / "check-echo"
    client = " ".join(shlex.quote(word) for word in command("echoscu"))
    script.write_text(replaced(block("script"), ("/usr/local/bin/echoscu", client)))
    script.chmod(0o755)
    check = replaced(block("external"), ("/usr/local/bin/check-echo", str(script)))
    more = "    external-check\n    insecure-fork-wanted\n"
    with (
        echoscp("-v") as (one, first),
        echoscp("--allow-calling-aet", "OTHER") as (_, second),
        haproxy(tmp_path, (first, second), check, more) as proxy,
    ):
        one.wait_for('calling AE title "HAPROXY"')
        proxy.wait_for(one=("UP", "PROCOK"), two=("DOWN", "PROCERR"))


def test_health_over_http(tmp_path: Path) -> None:
    """Both servers have the address of loopback here, and so the one port for health."""
    health_port = free_port()
    check = replaced(block("http"), ("9104", str(health_port)), ("inter 5s", "inter 500ms"))
    with echoscp("-v", "--metrics-port", health_port) as (one, first), echoscp() as (_, second):
        one.wait_for(f"Metrics on port {health_port}")
        with haproxy(tmp_path, (first, second), check) as proxy:
            proxy.wait_for(one=("UP", "L7OK"), two=("UP", "L7OK"))
            with connect(first) as talk:
                talk.associate()
                one.send_signal(signal.SIGTERM)
                proxy.wait_for(one=("DOWN", "L7STS"), two=("DOWN", "L7STS"))
