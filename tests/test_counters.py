"""What is counted, where the numbers live, and that the handler inside decides as before."""

import mmap

import pytest

from dcmecho.acceptor import OUTCOMES
from dcmecho.counters import ENDS, REJECTIONS, SIZE, Counters, CountingHandler, total
from dcmecho.handler import Handler, Peer
from dcmecho.pdu import REJECTION_REASONS, AssociateRJ

PEER = Peer("192.0.2.1", 4711)


def nonzero(group: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in group.items() if number}


def test_a_life_with_an_echo_and_a_release() -> None:
    counters = Counters()
    handler = CountingHandler(counters)
    handler.connected(PEER)
    handler.accepted(PEER)
    assert handler.echo(PEER, 1) == 0
    handler.echoed(PEER, 1, 0)
    handler.echoed(PEER, 2, 0x0110)
    assert (counters.connections, counters.accepted, counters.open) == (1, 1, 1)
    assert (counters.echoes, counters.echoes_failed) == (1, 1)
    handler.released(PEER)
    assert counters.open == 0
    assert nonzero(counters.ended) == {"released": 1}
    assert not nonzero(counters.dropped)
    assert not nonzero(counters.rejected)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_outcome_has_its_number(outcome: str) -> None:
    counters = Counters()
    handler = CountingHandler(counters)
    handler.accepted(PEER)
    handler.aborted(PEER, outcome, "detail")
    handler.dropped(PEER, outcome, "detail")
    assert nonzero(counters.ended) == {outcome: 1}
    assert nonzero(counters.dropped) == {outcome: 1}
    assert counters.open == 0


@pytest.mark.parametrize(("source", "reason"), REJECTION_REASONS)
def test_each_reason_has_its_number(source: int, reason: int) -> None:
    counters = Counters()
    CountingHandler(counters).rejected(PEER, AssociateRJ(1, source, reason))
    name = REJECTION_REASONS[source, reason].lower().replace(" ", "-")
    assert nonzero(counters.rejected) == {name: 1}
    assert sum(counters.cells) == 1


def test_what_has_no_name_is_counted_as_other() -> None:
    counters = Counters()
    handler = CountingHandler(counters)
    handler.rejected(PEER, AssociateRJ(1, 1, 9))
    handler.dropped(PEER, "new", "")
    assert nonzero(counters.rejected) == nonzero(counters.dropped) == {"other": 1}


def test_names_are_each_there_once() -> None:
    for names in (REJECTIONS, ENDS):
        assert len(set(names)) == len(names)
    assert len(Counters().cells) == SIZE == 5 + len(REJECTIONS) + 2 * len(ENDS)


class Recorder(Handler):
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def connected(self, *arguments: object) -> None:
        self.calls.append(("connected", *arguments))

    def accepted(self, *arguments: object) -> None:
        self.calls.append(("accepted", *arguments))

    def rejected(self, *arguments: object) -> None:
        self.calls.append(("rejected", *arguments))

    def echo(self, *arguments: object) -> int:
        self.calls.append(("echo", *arguments))
        return 0xA700

    def echoed(self, *arguments: object) -> None:
        self.calls.append(("echoed", *arguments))

    def released(self, *arguments: object) -> None:
        self.calls.append(("released", *arguments))

    def aborted(self, *arguments: object) -> None:
        self.calls.append(("aborted", *arguments))

    def dropped(self, *arguments: object) -> None:
        self.calls.append(("dropped", *arguments))


def test_the_handler_inside_hears_and_decides_everything() -> None:
    inner = Recorder()
    handler = CountingHandler(Counters(), inner)
    rejection = AssociateRJ(1, 1, 1)
    handler.connected(PEER)
    handler.accepted(PEER)
    handler.rejected(PEER, rejection)
    assert handler.echo(PEER, 7) == 0xA700
    handler.echoed(PEER, 7, 0xA700)
    handler.released(PEER)
    handler.aborted(PEER, "shutdown", "a")
    handler.dropped(PEER, "not-dicom", "b")
    assert inner.calls == [
        ("connected", PEER),
        ("accepted", PEER),
        ("rejected", PEER, rejection),
        ("echo", PEER, 7),
        ("echoed", PEER, 7, 0xA700),
        ("released", PEER),
        ("aborted", PEER, "shutdown", "a"),
        ("dropped", PEER, "not-dicom", "b"),
    ]


class Failing(Handler):
    def accepted(self, peer: Peer) -> None:
        raise RuntimeError("of the user")


def test_what_the_handler_inside_raises_has_been_counted() -> None:
    counters = Counters()
    with pytest.raises(RuntimeError, match="of the user"):
        CountingHandler(counters, Failing()).accepted(PEER)
    assert counters.accepted == 1


def test_a_worker_that_died_took_its_associations_along() -> None:
    counters = Counters()
    handler = CountingHandler(counters)
    for _ in range(3):
        handler.accepted(PEER)
    handler.released(PEER)
    assert counters.worker_died() == 2
    assert counters.open == 0
    assert nonzero(counters.ended) == {"released": 1, "worker-died": 2}
    assert counters.worker_died() == 0


def test_the_sum_of_several_in_shared_memory() -> None:
    with mmap.mmap(-1, 2 * SIZE * 8) as shared, memoryview(shared) as plain, plain.cast("Q") as cells:
        first, second = Counters(cells[:SIZE]), Counters(cells[SIZE:])
        CountingHandler(first).accepted(PEER)
        for _ in range(2):
            CountingHandler(second).accepted(PEER)
        CountingHandler(second).dropped(PEER, "not-dicom", "")
        summed = total([first, second])
        assert (summed.accepted, summed.open, nonzero(summed.dropped)) == (3, 3, {"not-dicom": 1})
        assert cells[1] == 1
        first.cells.release()  # type: ignore[union-attr]  # a memoryview here
        second.cells.release()  # type: ignore[union-attr]  # a memoryview here
