"""A real `echoscp` process under attack: what it holds, what it logs, and whether it still serves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dcmecho.dimse import CEchoRSP, decode_command
from dcmecho.pdu import PDataTF
from peers import ASSOCIATE_AC, P_DATA, RELEASE_REQUEST, RELEASE_RESPONSE, RQ, Wire, echo_request, eventually
from programs import LOOPBACK, command

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from types import TracebackType

SMALL_LIMITS = ("-ta", "1", "-td", "1", "-tn", "1")

ANSWERS_WITHIN = 5.0
"""Seconds for a normal verification. It takes milliseconds; the rest is for a machine that is busy otherwise."""

SETTLES_WITHIN = 8.0
"""Seconds until all that an attack opened is closed again: the limits of time add up to 3 s."""

MAY_GROW_BY = 16 * 1024
"""KiB of resident memory during an attack, at its highest: far less than a flood sends."""

MAY_KEEP = 40 * 1024
"""KiB of resident memory after all of them: what many connections held at one time, which need not be returned."""

HAS_PROC = os.path.isdir("/proc/self/fd")

_LINE = re.compile(r"[FEWIDT]: ")


class Victim:
    """Our server as a process, with its log in a file, so that nothing translates what it wrote."""

    def __init__(
        self,
        folder: Path,
        *options: object,
        words: Sequence[str] | None = None,
        address: str = LOOPBACK,
        log_file: Path | None = None,
    ) -> None:
        self.log_file = log_file or folder / "stderr.txt"
        start = [*(words or command("echoscp")), "-ba", address, *map(str, options), "0"]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                start, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=_environment()
            )
        assert self.process.stdout is not None
        told = self.process.stdout.readline().split()
        if told[:3] != [b"Listening", b"on", b"port"]:
            self.kill()
            raise AssertionError(f"it did not listen: {self.log()!r}")
        self.port = int(told[3])
        self.client_context: ssl.SSLContext | None = None
        self._memory = self._memory_before = self._descriptors = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """Tell it to stop; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return self._reap()

    def _reap(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(20)

    # What it holds

    def memory(self) -> int:
        """Resident memory in KiB."""
        return self._status("VmRSS")

    def address_space(self) -> int:
        """Virtual memory in KiB."""
        return self._status("VmSize")

    def peak(self) -> int:
        """The most resident memory since `forget_peak`, in KiB."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", text)
        assert found, text
        return int(found[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log(self) -> bytes:
        return self.log_file.read_bytes()

    # What is asked of it

    def connect(self, receive_buffer: int | None = None) -> Wire:
        """Connect without TLS, whatever it speaks."""
        connection = socket.socket()
        try:
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(ANSWERS_WITHIN)
            connection.connect((LOOPBACK, self.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return Wire(connection)

    def verify(self) -> None:
        """Associate, echo and release as anybody would."""
        began = time.monotonic()
        wire = self.connect()
        if self.client_context is not None:
            wire = Wire(self.client_context.wrap_socket(wire.connection))
        with wire.connection as connection:
            connection.sendall(RQ)
            assert wire.pdu()[0] == ASSOCIATE_AC
            connection.sendall(echo_request(7))
            answer = wire.pdu()
            assert answer[0] == P_DATA
            assert decode_command(PDataTF.decode(answer).pdvs[0].data) == CEchoRSP(7)
            connection.sendall(RELEASE_REQUEST)
            assert wire.pdu() == RELEASE_RESPONSE
        assert time.monotonic() - began < ANSWERS_WITHIN

    def warm_up(self) -> None:
        """Let it load what it loads once, and remember what it holds from then on."""
        for _ in range(20):
            self.verify()
        if HAS_PROC:
            self._memory = self._memory_before = self.memory()
            self.forget_peak()
            assert eventually(self._settled, SETTLES_WITHIN)
            self._descriptors = self.descriptors()

    def _settled(self) -> bool:
        """No socket but the listening one (and the loop's own) is open: two looks see the same, and few."""
        return self.descriptors() < 20

    def assert_well(self, may_grow_by: int = MAY_GROW_BY) -> None:
        """It answers, has let go of what the attack opened, has not grown past the bound and has logged decently."""
        self.verify()
        if HAS_PROC:
            assert eventually(lambda: self.descriptors() <= self._descriptors, SETTLES_WITHIN), "it keeps descriptors"
            grown, kept = self.peak() - self._memory_before, self.memory() - self._memory
            self._memory_before = self.memory()
            self.forget_peak()
            assert grown < may_grow_by, f"it grew by {grown} KiB"
            assert kept < MAY_KEEP, f"it keeps {kept} KiB more than at the beginning"
        assert_decent(self.log())


def _environment() -> dict[str, str]:
    changes = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return {**{name: value for name, value in os.environ.items() if name != "DCMDICTPATH"}, **changes}


def without_uvloop() -> list[str]:
    """The words that start our server on the standard library's event loop, whatever is installed."""
    code = "import sys; sys.modules['uvloop'] = None; from dcmecho.cli.echoscp import main; sys.exit(main())"
    return [sys.executable, "-c", code]


def assert_decent(log: bytes) -> None:
    """Every line is one of ours, printable to its end, and none is part of a traceback."""
    text = log.decode("utf-8")
    assert "Traceback" not in text, text[:5000]
    for line in text.split("\n"):
        assert not line or (_LINE.match(line) and line.isprintable()), f"not a decent line: {line!r}"
        assert not line.startswith(FORGED), f"a forged line: {line!r}"


FORGED = "F: forged"
"""What no line must begin with: the catalogue's texts try to."""
