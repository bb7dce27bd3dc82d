"""Plays the catalogue against a `Victim`, and sees that the server lets none of it stand."""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from peers import ASSOCIATE_AC, RELEASE_REQUEST, RELEASE_RESPONSE, RQ, Wire

from .catalogue import CONNECTED, HALF_CLOSE, RELEASED, RESET, SILENCE, Attack, Flood
from .victim import MAY_GROW_BY, SETTLES_WITHIN, Victim

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

AT_ONCE = 400
"""Connections of a batch that are open at one time."""

FLOOD_BYTES = 40_000_000
FLOOD_SECONDS = 1.0
"""A flood ends with the first of the two."""

_IN_SPATE = 2_000_000
"""Bytes of a flood after which it flows, and a normal peer is to be served beside it."""


def enter(wire: Wire, state: str) -> None:
    """Bring the server into a state."""
    if state == CONNECTED:
        return
    wire.connection.sendall(RQ)
    assert wire.pdu()[0] == ASSOCIATE_AC
    if state == RELEASED:
        wire.connection.sendall(RELEASE_REQUEST)
        assert wire.pdu() == RELEASE_RESPONSE


def strike(victim: Victim, attack: Attack) -> socket.socket | None:
    """Play an attack; return the connection if it is left open."""
    wire = victim.connect()
    connection = wire.connection
    try:
        enter(wire, attack.state)
        try:
            connection.sendall(attack.data)
            if attack.ending == HALF_CLOSE:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has had enough
        if attack.ending == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if attack.ending in (SILENCE, HALF_CLOSE):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def is_over(connection: socket.socket) -> bool:
    """Read what is there without waiting: True once the server has closed."""
    limit = connection.gettimeout()
    connection.settimeout(0)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(limit)
    return True


def outlast(left: dict[socket.socket, Attack]) -> list[Attack]:
    """Say nothing until the server has closed each connection; return the attacks that it lets stand."""
    until = time.monotonic() + SETTLES_WITHIN
    while left and time.monotonic() < until:
        ready, _, _ = select.select(list(left), [], [], 0.5)
        for connection in ready:
            if is_over(connection):
                connection.close()
                del left[connection]
    for connection in left:
        connection.close()
    return list(left.values())


def assail(victim: Victim, attacks: Sequence[Attack], may_grow_by: int = MAY_GROW_BY) -> None:
    """Play attacks, `AT_ONCE` at one time, and see that the server is well after that and lets none stand."""
    for first in range(0, len(attacks), AT_ONCE):
        left = {}
        try:
            for attack in attacks[first : first + AT_ONCE]:
                connection = strike(victim, attack)
                if connection is not None:
                    left[connection] = attack
            victim.verify()
        finally:
            standing = outlast(left)
        assert not standing, f"not ended by the server within {SETTLES_WITHIN:g} s: {standing[:5]}"
    victim.assert_well(may_grow_by)


def assail_inside(victim: Victim, context: ssl.SSLContext, attacks: Sequence[Attack]) -> None:
    """Play attacks inside TLS, all at one time; each ends in silence."""
    left = {}
    for attack in attacks:
        secured = context.wrap_socket(victim.connect().connection)
        try:
            enter(Wire(secured), attack.state)
            secured.sendall(attack.data)
        except OSError:
            pass  # the server has had enough
        left[socket.socket(fileno=secured.detach())] = attack
    standing = outlast(left)
    assert not standing, f"not ended by the server within {SETTLES_WITHIN:g} s: {standing[:5]}"
    victim.assert_well()


def drown(victim: Victim, *floods: Flood) -> None:
    """Send floods side by side and read nothing, and see that others are served meanwhile, and the server is well."""
    streams: list[_Stream] = []
    try:
        streams.extend(_Stream(victim, flood) for flood in floods)
        until, is_served = time.monotonic() + FLOOD_SECONDS, False
        while (flowing := [each for each in streams if not each.is_dry]) and time.monotonic() < until:
            _, writable, _ = select.select([], flowing, [], 0.2)
            for stream in writable:
                stream.flow()
            if not is_served and (not writable or any(stream.sent > _IN_SPATE for stream in streams)):
                victim.verify()
                is_served = True
    finally:
        standing = outlast({each.connection: Attack(each.flood.label, b"", each.flood.state) for each in streams})
    assert not standing, f"not ended by the server within {SETTLES_WITHIN:g} s: {standing}"
    victim.assert_well()


class _Stream:
    """One flood on its connection."""

    def __init__(self, victim: Victim, flood: Flood) -> None:
        self.flood = flood
        self.sent = 0
        self.is_dry = False
        self._block = flood.block * max(1, 65536 // len(flood.block))
        wire = victim.connect()
        self.connection = wire.connection
        try:
            enter(wire, flood.state)
            self.connection.sendall(flood.opening)
        except BaseException:
            self.connection.close()
            raise
        self.connection.setblocking(False)

    def fileno(self) -> int:
        return self.connection.fileno()

    def flow(self) -> None:
        """Send on, where it was left."""
        try:
            self.sent += self.connection.send(self._block[self.sent % len(self.flood.block) :])
        except BlockingIOError:
            pass
        except OSError:
            self.is_dry = True  # the server has had enough
        else:
            self.is_dry = self.sent >= FLOOD_BYTES
