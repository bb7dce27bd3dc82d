"""Random mutation, for machines without atheris: it knows nothing of coverage, but is the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

MAX_LENGTH = 4096

_EDGES = (0, 1, 2, 4, 5, 6, 7, 8, 0x0F, 0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x7F, 0x80, 0xFE, 0xFF)


def mutated(data: bytes, other: bytes, random: Random) -> bytes:
    """One to six changes to `data`; some take a piece of `other`."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 6)):
        place = random.randrange(len(changed) + 1)
        kind = random.randrange(7)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 1 and place < len(changed):
            changed[place] = random.choice(_EDGES)
        elif kind == 2:
            changed[place:place] = bytes([random.randrange(256) for _ in range(random.randint(1, 8))])
        elif kind == 3:
            del changed[place : place + random.randint(1, 16)]
        elif kind == 4:
            first = random.randrange(len(other) + 1)
            changed[place:place] = other[first : first + random.randint(1, 64)]
        elif kind == 5:
            size = random.choice((2, 4))
            changed[place : place + size] = random.randrange(1 << 8 * size).to_bytes(size, "big")
        else:
            del changed[place:]
    return bytes(changed[:MAX_LENGTH])
