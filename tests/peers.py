"""Scripted peers on loopback: small servers and clients that play a list of steps in bounded time.

`ScriptedPeer` is a server that plays one script a connection, in a thread that is always joined; what goes wrong in it
is raised where it is left. `RawClient` is a client for tests of a server. A step is a function of a `Wire`.
"""

import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from dcmecho.dimse import CEchoRQ, CEchoRSP
from dcmecho.items import (
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
)
from dcmecho.pdu import PDV, Abort, AssociateAC, AssociateRJ, AssociateRQ, PDataTF, ReleaseRP, ReleaseRQ
from dcmecho.uids import IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

PATIENCE = 5.0
"""Seconds that any read or write of a peer may take before the test has failed."""

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

RQ = AssociateRQ(
    "ANY-SCP",
    "RAW-SCU",
    (PresentationContextRQ(1, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)),),
    (MaximumLength(16384), ImplementationClassUID("1.2.3"), ImplementationVersionName("RAW")),
).encode()
AC = AssociateAC(
    "ANY-SCP",
    "ECHOSCU",
    (PresentationContextAC(1, 0, IMPLICIT_VR_LITTLE_ENDIAN),),
    (MaximumLength(32768), ImplementationClassUID("1.2.3.4"), ImplementationVersionName("SCRIPT")),
).encode()
RELEASE_REQUEST = ReleaseRQ().encode()
RELEASE_RESPONSE = ReleaseRP().encode()


def rejection(result: int, source: int, reason: int) -> bytes:
    return AssociateRJ(result, source, reason).encode()


def abortion(source: int, reason: int = 0) -> bytes:
    return Abort(source, reason).encode()


def message(command: bytes, context_id: int = 1) -> bytes:
    """A command set in one P-DATA-TF."""
    return PDataTF((PDV(context_id, True, True, command),)).encode()


def echo_request(message_id: int = 1) -> bytes:
    return message(CEchoRQ(message_id).encode())


def echo_response(message_id: int = 1, status: int = 0, comment: str = "") -> bytes:
    return message(CEchoRSP(message_id, status, error_comment=comment).encode())


def context_answer(result: int) -> bytes:
    """An A-ASSOCIATE-AC that gives the one proposed context this result."""
    answers = (PresentationContextAC(1, result, IMPLICIT_VR_LITTLE_ENDIAN),)
    return AssociateAC("ANY-SCP", "ECHOSCU", answers, (MaximumLength(16384),)).encode()


class SmallSocket(socket.socket):
    """Has the smallest buffers that the system gives, so that little can be written to one that is not read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


class Closed(Exception):
    """The other side closed where a PDU was expected."""


class Wire:
    """A connection in the hands of a script. `heard` is all that arrived."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self.connection = connection
        self.heard = b""

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise Closed(f"closed after {len(data)} of {count} bytes")
            data += piece
        self.heard += data
        return data

    def pdu(self) -> bytes:
        """The next whole PDU."""
        head = self._exactly(6)
        return head + self._exactly(struct.unpack(">xxI", head)[0])

    def rest(self) -> bytes:
        """All until the other side closes or resets."""
        data = b""
        try:
            while piece := self.connection.recv(65536):
                data += piece
        except ConnectionError:
            pass
        self.heard += data
        return data


Step = Callable[[Wire], object]


def expect(kind: int) -> Step:
    """Read one PDU, which must be of this type."""

    def step(wire: Wire) -> None:
        pdu = wire.pdu()
        assert pdu[0] == kind, f"PDU type {pdu[0]}, expected {kind}: {pdu.hex()}"

    return step


def send(data: bytes) -> Step:
    return lambda wire: wire.connection.sendall(data)


def send_bytewise(data: bytes) -> Step:
    """Send each byte in a segment of its own."""

    def step(wire: Wire) -> None:
        wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(data)):
            wire.connection.sendall(data[place : place + 1])

    return step


def flood(data: bytes, limit: int = 50_000_000) -> Step:
    """Send the same again and again until the other side is gone, or `limit` bytes are sent."""

    def step(wire: Wire) -> None:
        block = data * max(1, 16384 // len(data))
        try:
            for _ in range(limit // len(block)):
                wire.connection.sendall(block)
        except ConnectionError:
            pass

    return step


def wait(event: threading.Event) -> Step:
    """Go on when the test says so."""
    return lambda wire: event.wait(PATIENCE)


def silence(wire: Wire) -> None:
    """Read and say nothing until the other side ends the connection."""
    wire.rest()


def close(wire: Wire) -> None:
    wire.connection.close()


def reset(wire: Wire) -> None:
    """Close with a TCP reset."""
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.connection.close()


class ScriptedPeer:
    """Listens on a free port of loopback and plays a script for each connection, one after the other.

    `wires` holds what was heard in each. Leaving the context joins the thread and raises what went wrong in it; a
    connection that never came is no failure.
    """

    def __init__(self, *steps: Step, more: Sequence[Sequence[Step]] = (), address: str = "127.0.0.1") -> None:
        self._scripts = [steps, *more]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self._listener.settimeout(PATIENCE)
        self.port: int = self._listener.getsockname()[1]
        self.wires: list[Wire] = []
        self._failure: BaseException | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._play, name="scripted-peer")

    @property
    def heard(self) -> bytes:
        """What arrived on the first connection."""
        return self.wires[0].heard

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def join(self) -> None:
        """Wait until all is played."""
        self._thread.join(PATIENCE * 2)
        assert not self._thread.is_alive(), "the scripted peer did not end"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError as problem:
            if problem.errno not in (errno.ENOTCONN, errno.EBADF):
                raise
        self.join()
        self._listener.close()
        if self._failure is not None and error is None:
            raise self._failure

    def _play(self) -> None:
        try:
            for script in self._scripts:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    if self._is_over:
                        return
                    raise
                with connection:
                    wire = Wire(connection)
                    self.wires.append(wire)
                    for step in script:
                        step(wire)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that leaves the context
            self._failure = error


class RawClient(Wire):
    """A client that says what it is told to, as a context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, receive_buffer: int | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(PATIENCE)
            connection.connect((host, port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        super().__init__(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def associate(self) -> None:
        self.send(RQ)
        assert self.pdu()[0] == ASSOCIATE_AC

    def reset(self) -> None:
        reset(self)


def refused_port() -> int:
    """A port of loopback on which nothing listens: it was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def open_descriptors() -> set[str]:
    """What this process holds open, as far as the system tells (Linux): sockets only."""
    found = set()
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Wait for a condition, looking often; False if it does not come about."""
    pause = threading.Event()
    for _ in range(int(patience / 0.005)):
        if condition():
            return True
        pause.wait(0.005)
    return bool(condition())
