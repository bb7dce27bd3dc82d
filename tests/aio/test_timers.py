"""The timers of many connections: each comes once, never early, and not when it was cancelled."""

import asyncio
from collections.abc import Callable

import pytest

from dcmecho.aio import timers
from dcmecho.aio.timers import PER_SECOND, Timers


class Handle:
    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel


class Loop:
    """A loop whose time passes when it is told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: list[tuple[float, Callable[..., None], int]] = []
        self.soon: list[tuple[Callable[..., None], int]] = []

    def call_at(self, at: float, callback: Callable[..., None], slot: int) -> Handle:
        entry = (at, callback, slot)
        self.later.append(entry)
        return Handle(lambda: self.later.remove(entry) if entry in self.later else None)

    def call_soon(self, callback: Callable[..., None], slot: int) -> Handle:
        entry = (callback, slot)
        self.soon.append(entry)
        return Handle(lambda: self.soon.remove(entry) if entry in self.soon else None)

    def turn(self) -> None:
        """Call what was to be called in the next turn."""
        due, self.soon = self.soon, []
        for callback, slot in due:
            callback(slot)

    def pass_to(self, now: float) -> None:
        """Let time pass, and call what comes meanwhile."""
        while due := sorted([entry for entry in self.later if entry[0] <= now], key=lambda entry: entry[0]):
            self.later.remove(due[0])
            self.now = due[0][0]
            due[0][1](due[0][2])
            while self.soon:
                self.turn()
        self.now = now


class Owner:
    def __init__(self, came: Callable[[], object] = lambda: None) -> None:
        self.calls = 0
        self._came = came

    def timer_came(self) -> None:
        self.calls += 1
        self._came()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def of_loop(loop: Loop) -> Timers:
    return Timers(loop)  # type: ignore[arg-type]  # as much of a loop as is used


@pytest.mark.parametrize("at", [1000.0, 1000.01, 1000.5, 1000.0 + 1 / PER_SECOND, 1029.999])
def test_it_comes_once_not_early_and_hardly_late(loop: Loop, of_loop: Timers, at: float) -> None:
    moments: list[float] = []
    owner = Owner(lambda: moments.append(loop.now))
    of_loop.set(owner, at)
    loop.pass_to(2000.0)
    (moment,) = moments
    assert not of_loop._handles
    assert 0 < moment - at <= 1 / PER_SECOND


def test_many_share_one_timer_of_the_loop(loop: Loop, of_loop: Timers) -> None:
    owners = [Owner() for _ in range(1000)]
    for number, owner in enumerate(owners):
        of_loop.set(owner, 1030.0 + number / 1e6)
    assert len(loop.later) == 1
    loop.pass_to(1031.0)
    assert {owner.calls for owner in owners} == {1}
    assert not of_loop._owners


def test_a_cancelled_one_does_not_come(loop: Loop, of_loop: Timers) -> None:
    kept, cancelled = Owner(), Owner()
    of_loop.set(kept, 1030.0)
    slot = of_loop.set(cancelled, 1030.0)
    of_loop.cancel(cancelled, slot)
    loop.pass_to(1031.0)
    assert (kept.calls, cancelled.calls) == (1, 0)
    of_loop.cancel(kept, slot)


def test_hardly_anything_is_left_of_what_was_cancelled(loop: Loop, of_loop: Timers) -> None:
    """A limit may be a day, and each sixteenth of a second until then would have a timer that is for nobody."""
    owners = [Owner() for _ in range(100)]
    slots = [of_loop.set(owner, 90_000.0 + number) for number, owner in enumerate(owners)]
    for owner, slot in zip(owners[::2], slots[::2], strict=True):
        of_loop.cancel(owner, slot)
    assert len(loop.later) == len(of_loop._owners) == 50
    for owner, slot in zip(owners[1::2], slots[1::2], strict=True):
        of_loop.cancel(owner, slot)
    assert len(loop.later) == len(of_loop._owners) == len(of_loop._handles) == 1
    of_loop.set(owners[0], 80_000.0)
    assert len(loop.later) == len(of_loop._owners) == len(of_loop._handles) == 1


def test_the_rest_of_many_may_be_cancelled_between_two_turns(loop: Loop, of_loop: Timers) -> None:
    owners = [Owner() for _ in range(timers._AT_ONCE + 1)]
    slots = [of_loop.set(owner, 1030.0) for owner in owners]
    ((_, callback, slot),) = loop.later
    callback(slot)
    (left,) = [owner for owner in owners if not owner.calls]
    of_loop.cancel(left, slots[0])
    while loop.soon:
        loop.turn()
    assert left.calls == 0
    assert not of_loop._handles


def test_the_loop_turns_between_many(loop: Loop, of_loop: Timers) -> None:
    owners = [Owner() for _ in range(3 * timers._AT_ONCE)]
    for owner in owners:
        slot = of_loop.set(owner, 1030.0)
    ((_, callback, _),) = loop.later
    callback(slot)
    for turns in (1, 2, 3):
        assert sum(owner.calls for owner in owners) == turns * timers._AT_ONCE
        loop.turn()
    assert {owner.calls for owner in owners} == {1}


def test_one_that_fails_takes_nobody_with_it(loop: Loop, of_loop: Timers) -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    others = [Owner() for _ in range(5)]
    for owner in (*others, Owner(fail)):
        slot = of_loop.set(owner, 1030.0)
    ((_, callback, _),) = loop.later
    with pytest.raises(RuntimeError, match="a fault"):
        callback(slot)
    loop.turn()
    assert {owner.calls for owner in others} == {1}


def test_one_may_cancel_another_and_set_itself_anew(loop: Loop, of_loop: Timers) -> None:
    owners: list[Owner] = []
    slots: list[int] = []

    def came() -> None:
        for owner, slot in zip(owners, slots, strict=True):
            of_loop.cancel(owner, slot)
        if sum(owner.calls for owner in owners) == 1:
            of_loop.set(owners[0], loop.now)

    owners += [Owner(came), Owner(came)]
    slots += [of_loop.set(owner, 1030.0) for owner in owners]
    loop.pass_to(1100.0)
    assert sum(owner.calls for owner in owners) == 2
    assert owners[0].calls >= 1


def test_on_a_real_loop() -> None:
    async def run() -> float:
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        at = loop.time() + 0.05
        Timers(loop).set(Owner(came.set), at)
        async with asyncio.timeout(5):
            await came.wait()
        return loop.time() - at

    assert asyncio.run(run()) >= 0
