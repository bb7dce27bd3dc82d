"""A real `echoscp` under attack: what its processes hold, what it logs, and whether it still serves."""

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

LOG_MAY_HAVE = 256 * 1024 * 1024
"""Bytes of a log, dumps and all: more comes from a server that says the same thing without end."""

HAS_PROC = os.path.isdir("/proc/self/fd")

_FEW_DESCRIPTORS = 20
"""A process that holds fewer has no connection: standard streams, listening sockets and what its event loop needs."""

_LINE = re.compile(r"[FEWIDT]: ")


class Process:
    """What a process holds, as /proc tells it, now and when it was last remembered; nothing if it has ended.

    Sizes are in KiB.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._folder = Path(f"/proc/{pid}")
        self._memory = self._memory_before = self._descriptors = 0

    def is_there(self) -> bool:
        return self._folder.exists()

    def children(self) -> list[Process]:
        """The processes that it has started and that have not ended."""
        text = (self._folder / f"task/{self.pid}/children").read_text()
        return [Process(int(word)) for word in text.split()]

    def memory(self) -> int:
        """Resident memory."""
        return self._status("VmRSS")

    def address_space(self) -> int:
        """Virtual memory."""
        return self._status("VmSize")

    def peak(self) -> int:
        """The most resident memory since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        try:
            found = re.search(rf"{name}:\s+(\d+) kB", (self._folder / "status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            found = None
        return int(found[1]) if found else 0

    def descriptors(self) -> int:
        try:
            return len(os.listdir(self._folder / "fd"))
        except (FileNotFoundError, ProcessLookupError):
            return 0

    def ports_of_peers(self) -> set[int]:
        """The other side's ports of its connections over IPv4."""
        held = set()
        for each in (self._folder / "fd").iterdir():
            try:
                held.add(os.readlink(each))
            except FileNotFoundError:
                pass  # it has been closed since
        rows = [line.split() for line in (self._folder / "net/tcp").read_text().splitlines()[1:]]
        remote = {int(row[2].rpartition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in held}
        return remote - {0}

    def remember(self) -> None:
        """Take what it holds now as what it may hold later."""
        self._memory = self._memory_before = self.memory()
        self._descriptors = self.descriptors()
        self.forget_peak()

    def has_let_go(self) -> bool:
        """It holds no more descriptors than it did."""
        return self.descriptors() <= self._descriptors

    def assert_small(self, may_grow_by: int) -> None:
        """It was never larger than it may be since this was asked last, and does not keep more than it may."""
        grown, kept = self.peak() - self._memory_before, self.memory() - self._memory
        self._memory_before = self.memory()
        self.forget_peak()
        assert grown < may_grow_by, f"process {self.pid} grew by {grown} KiB"
        assert kept < MAY_KEEP, f"process {self.pid} keeps {kept} KiB more than at the beginning"


class Victim:
    """Our server, with its workers if it has some, and its log in a file, so that nothing translates what it wrote."""

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
        self._known: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self, within: float = 20.0) -> int:
        """Tell it to stop, which is to take no more than so many seconds; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(within)
        return self._reap()

    def _reap(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(20)

    # What it holds

    def processes(self) -> list[Process]:
        """Itself, and its workers as they are now."""
        first = Process(self.process.pid)
        return [first, *first.children()]

    def workers(self) -> list[Process]:
        """Its workers as they are now; none if it serves alone."""
        return self.processes()[1:]

    def ended_workers(self) -> list[int]:
        """The workers that were there when it was warm, and are no more."""
        present = {each.pid for each in self.processes()}
        return [each.pid for each in self._known if each.pid not in present]

    def memory(self) -> int:
        """Resident memory of all its processes in KiB; what they share counts for each."""
        return sum([each.memory() for each in self.processes()])

    def address_space(self) -> int:
        """Virtual memory of the first process in KiB."""
        return Process(self.process.pid).address_space()

    def descriptors(self) -> int:
        """Descriptors of all its processes."""
        return sum([each.descriptors() for each in self.processes()])

    def log(self) -> bytes:
        size = self.log_file.stat().st_size
        assert size < LOG_MAY_HAVE, f"it has logged {size} bytes"
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
            assert eventually(self._has_no_connection, SETTLES_WITHIN)
            self._known = self.processes()
            for each in self._known:
                each.remember()

    def _has_no_connection(self) -> bool:
        return all(each.descriptors() < _FEW_DESCRIPTORS for each in self.processes())

    def assert_well(self, may_grow_by: int = MAY_GROW_BY) -> None:
        """It answers, each of its processes lives, has let go of what the attack opened and has not grown past the
        bound, and what was logged is decent."""
        self.verify()
        if HAS_PROC:
            assert not self.ended_workers(), f"workers have ended: {self.ended_workers()}"
            for each in self._known:
                assert eventually(each.has_let_go, SETTLES_WITHIN), f"process {each.pid} keeps descriptors"
                each.assert_small(may_grow_by)
        assert_decent(self.log())


def _environment() -> dict[str, str]:
    changes = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return {**{name: value for name, value in os.environ.items() if name != "DCMDICTPATH"}, **changes}


def without_epoll() -> list[str]:
    """The words that start our server with asyncio's own connections, as on systems that have no epoll."""
    code = (
        "import sys; from dcmecho.aio import poller; poller.is_available = False; "
        "from dcmecho.cli.echoscp import main; sys.exit(main())"
    )
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
