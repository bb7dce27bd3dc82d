"""Those who come to a server in a day: most verify and go, some abort, some vanish, some never say what they want.

All of them live in one thread, each a generator that yields what it waits for, so that thousands cost little.
"""

from __future__ import annotations

import select
import struct
import time
from collections import Counter
from collections.abc import Callable, Generator
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from peers import ABORT, ASSOCIATE_AC, P_DATA, RELEASE_REQUEST, RELEASE_RP, RQ, abortion, echo_request

from .lines import PATIENCE, Line, SecuredLine, client_hello

if TYPE_CHECKING:
    import ssl

Visit = Generator[int | None, bytes, None]
"""Yields the type of the PDU that it waits for, None to wait for the end of the connection; is sent that PDU."""

LONGEST_WAIT = 0.2
"""Seconds that a turn takes at most."""


class Kind(NamedTuple):
    """What some visitors do, and how many of all they are. Those that are `bare` use no TLS, whatever is spoken."""

    name: str
    script: Callable[[Line, Random], Visit]
    weight: int
    is_bare: bool = False


class Visitors:
    """Keeps so many connections to a server busy; `done` counts what came to its end, `problems` what went wrong.

    With `context` they speak TLS, and some of them try and fail. At most `rate` come in a second, if that is given.
    """

    def __init__(
        self,
        port: int,
        number: int,
        *,
        context: ssl.SSLContext | None = None,
        rate: float | None = None,
        seed: int = 1,
    ) -> None:
        self.kinds = MIX if context is None else (*MIX, *failing_handshakes(client_hello(context)))
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self._weights = [kind.weight for kind in self.kinds]
        self._context = context
        self._interval = 1 / rate if rate else 0.0
        self._enter_at = time.monotonic()
        self._port = port
        self._number = number
        self._random = Random(seed)
        self._visitors: dict[int, Visitor] = {}
        self._poll = select.poll()

    @property
    def present(self) -> int:
        """How many are connected now."""
        return len(self._visitors)

    def turn(self) -> None:
        """Let in who is missing and may come, and let go on who has been answered."""
        now = time.monotonic()
        while self.present < self._number and now >= self._enter_at:
            self._enter()
            # Who was kept out by those who were there does not come later in a crowd.
            self._enter_at = max(self._enter_at + self._interval, now - LONGEST_WAIT)
        wait = LONGEST_WAIT
        if self.present < self._number:
            wait = min(wait, max(self._enter_at - now, 0.0))
        for number, _ in self._poll.poll(wait * 1000):
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
        kind = self._random.choices(self.kinds, self._weights)[0]
        context = None if kind.is_bare else self._context
        line = Line(self._port) if context is None else SecuredLine(self._port, context)
        visitor = Visitor(kind.name, line, kind.script(line, self._random))
        self._visitors[visitor.number] = visitor
        self._poll.register(visitor.number, select.POLLOUT)

    def _go_on(self, visitor: Visitor) -> None:
        try:
            if not visitor.is_connected:
                self._begin(visitor)
                return
            data = visitor.line.hear()
        except OSError as error:  # no connection; no TLS, which whoever is to have it has
            self.problems.append(f"{visitor.name}: {type(error).__name__}: {error}")
            self._leave(visitor)
            return
        if data is None and visitor.awaited is not None:
            self.problems.append(f"{visitor.name} was cut off while it waited for {visitor.awaited}")
            self._leave(visitor)
        elif data is None:
            self._advance(visitor, b"")
        else:
            self._hear(visitor, data)

    def _begin(self, visitor: Visitor) -> None:
        visitor.is_connected = True
        visitor.line.begin()
        self._poll.modify(visitor.number, select.POLLIN)
        self._advance(visitor, None)

    def _hear(self, visitor: Visitor, data: bytes) -> None:
        visitor.heard += data
        while visitor.number in self._visitors and (pdu := visitor.next_pdu()):
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
        del self._visitors[visitor.number]
        self._poll.unregister(visitor.number)
        visitor.visit.close()
        visitor.line.close()


class Visitor:
    """One connection in the hands of a visit."""

    def __init__(self, name: str, line: Line, visit: Visit) -> None:
        self.name = name
        self.line = line
        self.number = line.connection.fileno()
        self.visit = visit
        self.is_connected = False
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


def verify(line: Line, random: Random) -> Visit:
    """Associate, echo once or many times, release."""
    line.say(RQ)
    yield ASSOCIATE_AC
    for number in range(random.choice((1, 1, 1, 5, 50))):
        line.say(echo_request(number + 1))
        yield P_DATA
    line.say(RELEASE_REQUEST)
    yield RELEASE_RP


def all_at_once(line: Line, _random: Random) -> Visit:
    """Say all that follows the association in one piece."""
    line.say(RQ)
    yield ASSOCIATE_AC
    line.say(echo_request(1) * 10 + RELEASE_REQUEST)
    for _ in range(10):
        yield P_DATA
    yield RELEASE_RP


def abort(line: Line, _random: Random) -> Visit:
    line.say(RQ)
    yield ASSOCIATE_AC
    line.say(echo_request(1) + abortion(0))
    yield None


def vanish(line: Line, random: Random) -> Visit:
    """Reset the connection in the middle of it."""
    line.reset_when_closed()
    line.say(RQ)
    if random.random() < 0.5:
        yield ASSOCIATE_AC
        line.say(echo_request(1)[: random.randrange(80)])


def idle(line: Line, random: Random) -> Visit:
    """Say nothing, at one point or another, until the server has had enough."""
    if random.random() < 0.5:
        line.say(RQ)
        yield ASSOCIATE_AC
        if random.random() < 0.5:
            line.say(echo_request(1)[:40])
        yield ABORT
    yield None


def babble(line: Line, random: Random) -> Visit:
    """Send bytes without sense."""
    line.say(random.randbytes(random.randrange(1, 3000)))
    yield None


def stumble(line: Line, random: Random) -> Visit:
    """Begin well, and then break the protocol."""
    line.say(RQ)
    yield ASSOCIATE_AC
    broken = bytearray(echo_request(1))
    broken[random.randrange(6, 12)] ^= 0xFF
    line.say(bytes(broken) + RQ)
    yield ABORT


MIX = (
    Kind("verified", verify, 600),
    Kind("verified at once", all_at_once, 200),
    Kind("aborted", abort, 80),
    Kind("vanished", vanish, 80),
    Kind("babbled", babble, 4),
    Kind("stumbled", stumble, 20),
    Kind("idled", idle, 2),
)


# What goes wrong before there is TLS


def failing_handshakes(hello: bytes) -> tuple[Kind, ...]:
    """Those who come to a server with TLS and do not get it, by a ClientHello that it would answer."""

    def break_off(line: Line, random: Random) -> Visit:
        """Close or reset after a part of the hello, or after all of it."""
        if random.random() < 0.5:
            line.reset_when_closed()
        line.say(hello[: random.choice((random.randrange(1, len(hello)), len(hello)))])
        yield from ()

    def fall_silent(line: Line, random: Random) -> Visit:
        """Say a part of the hello, or all, and no more."""
        line.say(hello[: random.choice((0, random.randrange(1, len(hello)), len(hello)))])
        yield None

    def garble(line: Line, random: Random) -> Visit:
        """Say a hello in which one byte is wrong."""
        broken = bytearray(hello)
        broken[random.randrange(len(broken))] ^= random.randrange(1, 256)
        line.say(bytes(broken))
        yield None

    def speak_in_the_clear(line: Line, _random: Random) -> Visit:
        line.say(RQ)
        yield None

    return (
        Kind("broke off", break_off, 60, is_bare=True),
        Kind("spoke in the clear", speak_in_the_clear, 20, is_bare=True),
        Kind("babbled in the clear", babble, 4, is_bare=True),
        Kind("garbled its hello", garble, 4, is_bare=True),
        Kind("fell silent", fall_silent, 2, is_bare=True),
    )
