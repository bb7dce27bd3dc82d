"""Watches the sockets of a server for an event loop, all of them behind one descriptor (Linux).

An event loop takes each ready socket through its queue of callbacks, which costs more than an echo. Here it sees one
descriptor, that of an epoll object of ours, and each time it is ready, all that is ready behind it is served in one
callback. It is level-triggered throughout: what is not served in one turn is ready again in the next.
"""

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

is_available = hasattr(select, "epoll")
"""True where there is epoll. A test may deny it."""

READABLE: int = getattr(select, "EPOLLIN", 1)
WRITABLE: int = getattr(select, "EPOLLOUT", 4)

_SERVED_AT_ONCE = 256
"""Sockets that are served in one turn of the event loop: what else it has to do is not to wait for more."""


class Poller:
    """Calls back when a descriptor is ready, with the events of epoll. To be closed after the last is forgotten."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        self.loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._turn)

    def watch(self, descriptor: int, events: int, callback: "Callable[[int], None]") -> None:
        self._epoll.register(descriptor, events)
        self._callbacks[descriptor] = callback

    def change(self, descriptor: int, events: int) -> None:
        self._epoll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no more; to be called before it is closed."""
        del self._callbacks[descriptor]
        self._epoll.unregister(descriptor)

    def close(self) -> None:
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _turn(self) -> None:
        callbacks = self._callbacks
        for descriptor, events in self._epoll.poll(0, _SERVED_AT_ONCE):
            callback = callbacks.get(descriptor)  # another may have closed it in this turn
            if callback is not None:
                callback(events)
