"""The catalogue against a real `echoscp`: after each batch it serves as before, and holds and logs what it may."""

from __future__ import annotations

import select
import struct
import time
from typing import TYPE_CHECKING

import pytest

from peers import echo_request

from . import catalogue
from .assault import assail, drown, enter, is_over
from .catalogue import (
    ASSOCIATED,
    CLOSE,
    CONNECTED,
    FLOODS,
    FULL_RQ,
    RESET,
    Attack,
    Flood,
)
from .victim import HAS_PROC, SETTLES_WITHIN, SMALL_LIMITS, Victim, without_epoll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="what a process holds is read from /proc")


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server that logs its steps."""
    with Victim(tmp_path_factory.mktemp("victim"), "-v", *SMALL_LIMITS) as server:
        server.warm_up()
        yield server


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server that dumps all it sees, and knows no title but its own; on the other event loop."""
    folder = tmp_path_factory.mktemp("talkative")
    options = ("-ll", "trace", "-aet", "ANY-SCP", "--require-called-aet", *SMALL_LIMITS)
    with Victim(folder, *options, words=without_epoll()) as server:
        server.warm_up()
        yield server


# What is sent lies


BATCHES: dict[str, Callable[[], list[Attack]]] = {
    "lengths": catalogue.lying_lengths,
    "truncations": catalogue.truncations,
    "associations": catalogue.associations,
    "messages": catalogue.messages,
    "endings": catalogue.endings,
    "injections": catalogue.injections,
}


@pytest.mark.parametrize("batch", BATCHES)
def test_after_hostile_input_it_serves_as_before(victim: Victim, batch: str) -> None:
    attacks = BATCHES[batch]()
    assert len(attacks) > 40
    assail(victim, attacks)


@pytest.mark.parametrize("batch", ["associations", "messages", "injections"])
def test_its_dump_of_hostile_input_is_decent(talkative: Victim, batch: str) -> None:
    # The bytes that only take space would fill the log, and tell nothing new.
    assail(talkative, [attack for attack in BATCHES[batch]() if len(attack.data) < 20_000])


def test_the_log_shows_what_was_injected_escaped(talkative: Victim) -> None:
    before = len(talkative.log())
    assail(talkative, [attack for attack in catalogue.injections() if "title" in attack.label])
    written = talkative.log()[before:].decode()
    assert r"X\x0aF: forged" in written
    assert r"\x1b[2J" in written
    assert r"\x9b31m" in written


# Floods


@pytest.mark.parametrize("flood", FLOODS, ids=repr)
def test_a_flood_drowns_nobody(victim: Victim, flood: Flood) -> None:
    drown(victim, flood)


def test_half_a_pdu_in_many_connections_is_let_go(victim: Victim) -> None:
    opening = struct.pack(">BxI", 1, 500_000) + bytes(100_000)
    attacks = [Attack("half a request", opening) for _ in range(200)]
    attacks += [Attack("half a P-DATA-TF", struct.pack(">BxI", 4, 16000) + bytes(8000), ASSOCIATED)] * 200
    assail(victim, attacks, may_grow_by=2 * 200 * (100_000 + 8_000) // 1024)


def test_a_thousand_connections_that_come_and_go(victim: Victim) -> None:
    assail(victim, [Attack("nothing", b"", CONNECTED, ending) for ending in (CLOSE, RESET) for _ in range(500)])


# Slow ones


def trickle(victim: Victim, state: str, data: bytes, step: float) -> float:
    """Send byte after byte, `step` seconds apart, until the server closes; return the seconds that it took."""
    wire = victim.connect()
    with wire.connection as connection:
        enter(wire, state)
        began = time.monotonic()
        for place in range(len(data)):
            try:
                connection.sendall(data[place : place + 1])
            except OSError:
                break
            ready, _, _ = select.select([connection], [], [], step)
            if ready and is_over(connection):
                break
        else:
            pytest.fail("all of it was taken")
        return time.monotonic() - began


@pytest.mark.parametrize(("state", "data"), [(CONNECTED, FULL_RQ), (ASSOCIATED, echo_request() * 4)])
def test_who_writes_byte_by_byte_is_cut_off(victim: Victim, state: str, data: bytes) -> None:
    # Every byte comes well within the idle timeout: only the limit for the whole ends this.
    assert trickle(victim, state, data, 0.05) < SETTLES_WITHIN
    victim.assert_well()


def test_who_reads_byte_by_byte_holds_little_and_nobody(victim: Victim) -> None:
    wire = victim.connect(receive_buffer=4096)
    with wire.connection as connection:
        enter(wire, ASSOCIATED)
        requests, until, sent = echo_request() * 100, time.monotonic() + 2.0, 0
        try:
            while time.monotonic() < until:
                readable, writable, _ = select.select([connection], [connection], [], 0.02)
                if readable:
                    connection.recv(1)
                if writable:
                    sent += connection.send(requests[sent % len(echo_request()) :])
                elif readable:
                    select.select([], [connection], [], 0.02)
        except OSError:
            pass
        victim.verify()
    victim.assert_well()


# The end of it all


def test_it_still_stops_in_order(victim: Victim) -> None:
    # The last test of this file: what all the attacks have left is asked once more.
    victim.assert_well()
    assert victim.stop() == 0
