"""Associations that echo all the time, each in a thread of its own, and remember all that happened to them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from dcmecho.dimse import CEchoRSP, decode_command
from dcmecho.pdu import PDataTF
from peers import (
    ABORT,
    ASSOCIATE_AC,
    P_DATA,
    RELEASE_REQUEST,
    RELEASE_RESPONSE,
    RQ,
    Closed,
    Wire,
    echo_request,
    eventually,
)

if TYPE_CHECKING:
    from types import TracebackType

    from .victim import Victim

PAUSE = 0.005
"""Seconds between an answer and the next request: dozens of associations leave the machine some air."""

ABORTED, LOST, RELEASED = "aborted", "lost", "released"


class Echoer(threading.Thread):
    """One who echoes on an association until told to release it, and associates again whenever it is lost.

    `ends` says how each of its associations ended; an abort is the last end. `failure` is what must not happen: an
    answer that is wrong or late, or no association to be had.
    """

    def __init__(self, victim: Victim) -> None:
        super().__init__(name="echoer")
        self.echoes = 0
        self.ends: list[str] = []
        self.failure: BaseException | None = None
        self.last_pdu = b""
        self._victim = victim
        self._wire: Wire | None = None
        self._is_enough = threading.Event()

    @property
    def port(self) -> int | None:
        """Our side's port of the association that stands, None while there is none."""
        wire = self._wire
        return None if wire is None else wire.connection.getsockname()[1]

    def release(self) -> None:
        """Echo no more, and release."""
        self._is_enough.set()

    def run(self) -> None:
        try:
            while not self.ends or self.ends[-1] == LOST:
                self.ends.append(self._associate_and_echo())
        except Exception as error:  # noqa: BLE001 - the test's thread looks at it
            self.failure = error

    def _associate_and_echo(self) -> str:
        wire = self._victim.connect()
        with wire.connection as connection:
            connection.sendall(RQ)
            answer = wire.pdu()
            assert answer[0] == ASSOCIATE_AC, answer
            self._wire = wire
            try:
                return self._echo(wire)
            finally:
                self._wire = None

    def _echo(self, wire: Wire) -> str:
        number = 0
        try:
            while not self._is_enough.wait(PAUSE):
                number = number % 65535 + 1
                try:
                    wire.connection.sendall(echo_request(number))
                except ConnectionError:
                    pass  # what the server said before it closed is still to be read
                self.last_pdu = wire.pdu()
                if self.last_pdu[0] == ABORT:
                    return ABORTED
                assert self.last_pdu[0] == P_DATA, self.last_pdu
                assert decode_command(PDataTF.decode(self.last_pdu).pdvs[0].data) == CEchoRSP(number)
                self.echoes += 1
            wire.connection.sendall(RELEASE_REQUEST)
            assert wire.pdu() == RELEASE_RESPONSE
        except (Closed, ConnectionError):
            return LOST
        return RELEASED


class Load:
    """So many echoers, from the moment when each has echoed."""

    def __init__(self, victim: Victim, number: int) -> None:
        self.echoers = [Echoer(victim) for _ in range(number)]

    def __enter__(self) -> Self:
        for each in self.echoers:
            each.start()
        self.await_echoes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release(self.echoers)

    def release(self, echoers: list[Echoer]) -> None:
        """Have some of them release, and wait until they have, or have seen another end."""
        for each in echoers:
            each.release()
        for each in echoers:
            if each.ident is not None:
                each.join()

    def await_echoes(self, number: int = 3) -> None:
        """Wait until each has had so many more answers on an association that stands."""
        wanted = {each: each.echoes + number for each in self.echoers if each.is_alive()}
        assert eventually(lambda: all(each.echoes >= count or each.failure for each, count in wanted.items()))
        self.assert_no_failure()

    def assert_no_failure(self) -> None:
        assert not (failures := [each.failure for each in self.echoers if each.failure]), failures

    def ends(self, kind: str) -> int:
        """How many associations have ended so."""
        return sum([each.ends.count(kind) for each in self.echoers])
