"""Timers of many connections, which nearly all are set and never come: setting one costs a fifth of what a timer of the
event loop costs, and many that come at once do not hold up the loop."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Owner(Protocol):
        def timer_came(self) -> None: ...


PER_SECOND = 16
"""Times in a second at which timers come: each comes up to a sixteenth of a second late, and never early."""

_AT_ONCE = 32
"""Timers that come in one turn of the event loop."""


class Timers:
    """One timer for each owner, in the time of an event loop."""

    __slots__ = ("_handles", "_loop", "_newest", "_owners")

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self._loop = loop
        self._owners: dict[int, set[Owner]] = {}
        self._handles: dict[int, asyncio.Handle] = {}
        self._newest = 0
        """The slot that was begun last. It stays when it is empty: it is most likely the next that is wanted."""

    def set(self, owner: "Owner", at: float) -> int:
        """Have `timer_came` called at a time; return what `cancel` wants to know."""
        slot = int(at * PER_SECOND) + 1
        owners = self._owners.get(slot)
        if owners is None:
            self._drop_if_empty(self._newest)
            self._newest = slot
            self._owners[slot] = {owner}
            self._handles[slot] = self._loop.call_at(slot / PER_SECOND, self._come, slot)
        else:
            owners.add(owner)
        return slot

    def cancel(self, owner: "Owner", slot: int) -> None:
        """Nothing happens if it has come already."""
        owners = self._owners.get(slot)
        if owners is not None:
            owners.discard(owner)
            if not owners and slot != self._newest:
                self._drop_if_empty(slot)

    def _drop_if_empty(self, slot: int) -> None:
        if slot in self._owners and not self._owners[slot]:
            self._handles.pop(slot).cancel()
            del self._owners[slot]

    def _come(self, slot: int) -> None:
        owners = self._owners[slot]
        try:
            for _ in range(_AT_ONCE):
                if owners:
                    owners.pop().timer_came()
        finally:
            if owners:
                self._handles[slot] = self._loop.call_soon(self._come, slot)
            elif self._owners.get(slot) is owners:
                del self._owners[slot], self._handles[slot]
