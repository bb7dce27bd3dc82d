"""Those who come to a server in a day: most verify and go, some abort, some vanish, some never say what they want.

All of them live in one thread, each a generator that yields what it waits for, so that thousands cost little.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from peers import ABORT, ASSOCIATE_AC, P_DATA, RELEASE_REQUEST, RELEASE_RP, RQ, abortion, echo_request
from programs import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE = 20.0
"""Seconds after which a visitor that waits for the server has been let down."""


class Visitors:
    """Keeps so many connections to a server busy; `done` counts what came to its end, `problems` what went wrong."""

    def __init__(self, port: int, number: int, seed: int = 1) -> None:
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._port = port
        self._number = number
        self._random = Random(seed)
        self._visitors: dict[int, Visitor] = {}
        self._poll = select.poll()

    def turn(self) -> None:
        """Let in who is missing, and let go on who has been answered."""
        while len(self._visitors) < self._number:
            self._enter()
        for number, _ in self._poll.poll(200):
            if number in self._visitors:
                self._go_on(self._visitors[number])
        now = time.monotonic()
        for visitor in [each for each in self._visitors.values() if now > each.until]:
            self.problems.append(f"{visitor.name} waits in vain for {visitor.awaited}")
            self._leave(visitor)

    def close(self) -> None:
        for visitor in list(self._visitors.values()):
            self._leave(visitor)

    def _enter(self) -> None:
        name, script = self._random.choices(KINDS, WEIGHTS)[0]
        connection = socket.create_connection((LOOPBACK, self._port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor = Visitor(name, connection, script(connection, self._random))
        self._visitors[connection.fileno()] = visitor
        self._poll.register(connection, select.POLLIN)
        self._advance(visitor, None)

    def _go_on(self, visitor: Visitor) -> None:
        try:
            data = visitor.connection.recv(65536)
        except ConnectionError:
            data = b""
        visitor.heard += data
        if not data and visitor.awaited is not None:
            self.problems.append(f"{visitor.name} was cut off while it waited for {visitor.awaited}")
            self._leave(visitor)
        elif not data:
            self._advance(visitor, b"")
        else:
            while visitor.connection.fileno() >= 0 and (pdu := visitor.next_pdu()):
                if visitor.awaited is None:
                    continue
                if pdu[0] != visitor.awaited:
                    self.problems.append(f"{visitor.name} waited for {visitor.awaited} and got {pdu.hex()}")
                    self._leave(visitor)
                else:
                    self._advance(visitor, pdu)

    def _advance(self, visitor: Visitor, pdu: bytes | None) -> None:
        try:
            visitor.awaited = next(visitor.visit) if pdu is None else visitor.visit.send(pdu)
        except (StopIteration, ConnectionError):
            self.done[visitor.name] += 1
            self._leave(visitor)

    def _leave(self, visitor: Visitor) -> None:
        number = visitor.connection.fileno()
        if number in self._visitors:
            del self._visitors[number]
            self._poll.unregister(number)
        visitor.visit.close()
        visitor.connection.close()


class Visitor:
    """One connection in the hands of a visit."""

    def __init__(self, name: str, connection: socket.socket, visit: Generator[int | None, bytes, None]) -> None:
        self.name = name
        self.connection = connection
        self.visit = visit
        self.heard = b""
        self.awaited: int | None = None
        self.until = time.monotonic() + PATIENCE

    def next_pdu(self) -> bytes:
        """Take the next whole PDU from what was heard; empty if there is none."""
        length = 6 + struct.unpack(">xxI", self.heard[:6])[0] if len(self.heard) >= 6 else 6
        if len(self.heard) < length:
            return b""
        pdu, self.heard = self.heard[:length], self.heard[length:]
        return pdu


# What they do


def verify(connection: socket.socket, random: Random) -> Generator[int | None, bytes, None]:
    """Associate, echo once or many times, release."""
    connection.sendall(RQ)
    yield ASSOCIATE_AC
    for number in range(random.choice((1, 1, 1, 5, 50))):
        connection.sendall(echo_request(number + 1))
        yield P_DATA
    connection.sendall(RELEASE_REQUEST)
    yield RELEASE_RP


def all_at_once(connection: socket.socket, _random: Random) -> Generator[int | None, bytes, None]:
    """Say all that follows the association in one piece."""
    connection.sendall(RQ)
    yield ASSOCIATE_AC
    connection.sendall(echo_request(1) * 10 + RELEASE_REQUEST)
    for _ in range(10):
        yield P_DATA
    yield RELEASE_RP


def abort(connection: socket.socket, _random: Random) -> Generator[int | None, bytes, None]:
    connection.sendall(RQ)
    yield ASSOCIATE_AC
    connection.sendall(echo_request(1) + abortion(0))
    yield None


def vanish(connection: socket.socket, random: Random) -> Generator[int | None, bytes, None]:
    """Reset the connection in the middle of it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(RQ)
    if random.random() < 0.5:
        yield ASSOCIATE_AC
        connection.sendall(echo_request(1)[: random.randrange(80)])


def idle(connection: socket.socket, random: Random) -> Generator[int | None, bytes, None]:
    """Say nothing, at one point or another, until the server has had enough."""
    if random.random() < 0.5:
        connection.sendall(RQ)
        yield ASSOCIATE_AC
        if random.random() < 0.5:
            connection.sendall(echo_request(1)[:40])
        yield ABORT
    yield None


def babble(connection: socket.socket, random: Random) -> Generator[int | None, bytes, None]:
    """Send bytes without sense."""
    connection.sendall(random.randbytes(random.randrange(1, 3000)))
    yield None


def stumble(connection: socket.socket, random: Random) -> Generator[int | None, bytes, None]:
    """Begin well, and then break the protocol."""
    connection.sendall(RQ)
    yield ASSOCIATE_AC
    broken = bytearray(echo_request(1))
    broken[random.randrange(6, 12)] ^= 0xFF
    connection.sendall(bytes(broken) + RQ)
    yield ABORT


_MIX: tuple[tuple[str, Callable[[socket.socket, Random], Generator[int | None, bytes, None]], int], ...] = (
    ("verified", verify, 600),
    ("verified at once", all_at_once, 200),
    ("aborted", abort, 80),
    ("vanished", vanish, 80),
    ("babbled", babble, 4),
    ("stumbled", stumble, 20),
    ("idled", idle, 2),
)
KINDS = [(name, script) for name, script, _ in _MIX]
WEIGHTS = [weight for _, _, weight in _MIX]
