"""The password of our private key: where it comes from, and that nobody sees it."""

from __future__ import annotations

import fcntl
import io
import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import pytest

from dcmecho.cli.echoscu import main
from programs import LOOPBACK, PATIENCE, Outcome, call, command
from tls.factory import PASSWORD
from tls.loopback import (
    client_words,
    locked_words,
    serving,
)

if TYPE_CHECKING:
    from tls.factory import Factory

Echoscu = Callable[..., Outcome]


@pytest.fixture
def echoscu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Echoscu:
    """Run echoscu in this process."""
    monkeypatch.delenv("DCMDICTPATH", raising=False)
    return lambda *words: call(main, capsys, *words)


# Passwords


@pytest.mark.parametrize("option", ["+ps", "--std-passwd", None])
def test_the_password_is_a_line_of_standard_input(
    pki: Factory, echoscu: Echoscu, monkeypatch: pytest.MonkeyPatch, option: str | None
) -> None:
    with serving(pki) as server:
        words = [*locked_words(pki), *([option] if option else []), LOOPBACK, server.port]
        for line in (f"{PASSWORD}\n", f"{PASSWORD}\r\nmore\n", PASSWORD):
            monkeypatch.setattr(sys, "stdin", io.StringIO(line))
            assert echoscu(*words).code == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        outcome = echoscu(*words)
    assert outcome.code == 1
    assert "the password of the private key is wrong or missing" in outcome.errors


def test_no_standard_input_at_all(pki: Factory) -> None:
    """As under a service manager that closes it: an error, neither a wait nor a traceback."""
    words = [*command("echoscu"), *locked_words(pki), LOOPBACK, "104"]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("F: Cannot start: the password of the private key is wrong or missing")


def test_a_key_without_a_password_is_not_asked_for_one(
    pki: Factory, echoscu: Echoscu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with serving(pki) as server:
        for option in (["+ps"], ["+pw", "ignored"], ["-pw"]):
            assert echoscu(*client_words(pki), *option, LOOPBACK, server.port).code == 0


def test_the_rightmost_password_counts(pki: Factory, echoscu: Echoscu, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(pki) as server:
        assert echoscu(*locked_words(pki), "-pw", "--use-passwd", PASSWORD, LOOPBACK, server.port).code == 0
        assert echoscu(*locked_words(pki), "+pw", PASSWORD, "--null-passwd", LOOPBACK, server.port).code == 1
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
        assert echoscu(*locked_words(pki), "+pw", "wrong", "+ps", LOOPBACK, server.port).code == 0


def _take_terminal() -> None:
    """Make standard input the terminal that the new session belongs to, so that its keys send signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class OnTerminal:
    """A command whose standard streams are a terminal."""

    def __init__(self, *words: object) -> None:
        self.master, self._slave = os.openpty()
        self.process = subprocess.Popen(
            [str(word) for word in words],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)

    def shows_keys(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            self._read(end)

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        while select.select([self.master], [], [], 0)[0]:
            self._read(time.monotonic() + 1)
        return code

    def _read(self, end: float) -> None:
        readable, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
        assert readable, f"nothing more came after {self.text!r}"
        self.text += os.read(self.master, 65536).decode()


def test_the_prompt_on_a_terminal_hides_what_is_typed(pki: Factory) -> None:
    with (
        serving(pki) as server,
        OnTerminal(*command("echoscu"), *locked_words(pki), "+ps", LOOPBACK, server.port) as terminal,
    ):
        terminal.wait_for("Password of the private key ")
        terminal.wait_for(": ")
        assert not terminal.shows_keys()
        terminal.type(PASSWORD.encode() + b"\n")
        assert terminal.wait() == 0
        assert terminal.shows_keys()
    assert PASSWORD not in terminal.text


@pytest.mark.parametrize(("keys", "code"), [(b"\x04", 1), (b"\x03", 130)], ids=["end of file", "Ctrl-C"])
def test_nobody_gives_the_password(pki: Factory, keys: bytes, code: int) -> None:
    with OnTerminal(*command("echoscu"), *locked_words(pki), LOOPBACK, "104") as terminal:
        terminal.wait_for(": ")
        terminal.type(keys)
        assert terminal.wait() == code, terminal.text
    assert "Traceback" not in terminal.text


SECRET = "tr0ub4dor-and-3"


@pytest.mark.parametrize("given", [SECRET, f"{SECRET}-wrong"])
def test_a_password_is_never_shown(pki: Factory, echoscu: Echoscu, given: str) -> None:
    words = [*locked_words(pki, SECRET), "+pw", given, "--arguments", "--json", "-ll", "trace"]
    with serving(pki) as server:
        outcome = echoscu(*words, LOOPBACK, server.port)
        assert outcome.code == (0 if given == SECRET else 1)
        wrong = echoscu(*words, "--no-such-option", LOOPBACK, server.port)
    assert "--use-passwd" in outcome.errors
    for each in (outcome, wrong):
        assert SECRET not in each.output + each.errors
        assert "PRIVATE KEY-" not in each.output + each.errors


def test_a_password_from_standard_input_is_never_shown(
    pki: Factory, echoscu: Echoscu, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(pki) as server:
        for given in (SECRET, f"{SECRET}-wrong"):
            monkeypatch.setattr(sys, "stdin", io.StringIO(f"{given}\n"))
            words = [*locked_words(pki, SECRET), "--arguments", "--json", "-ll", "trace"]
            outcome = echoscu(*words, LOOPBACK, server.port)
            assert SECRET not in outcome.output + outcome.errors
