"""What is counted, and where the numbers live."""

import mmap

import pytest

from dcmecho.acceptor import OUTCOMES
from dcmecho.counters import ENDS, REJECTIONS, SIZE, Counters, total
from dcmecho.pdu import REJECTION_REASONS, AssociateRJ


def nonzero(group: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in group.items() if number}


def test_a_life_with_an_echo_and_a_release() -> None:
    counters = Counters()
    counters.count_connection()
    counters.count_accepted()
    counters.count_echo(0)
    counters.count_echo(0x0110)
    assert (counters.connections, counters.accepted, counters.open) == (1, 1, 1)
    assert (counters.echoes, counters.echoes_failed) == (1, 1)
    counters.count_received(80)
    counters.count_received(10)
    counters.count_sent(90)
    assert (counters.bytes_received, counters.bytes_sent) == (90, 90)
    counters.count_ended("released")
    assert counters.open == 0
    assert nonzero(counters.ended) == {"released": 1}
    assert not nonzero(counters.dropped)
    assert not nonzero(counters.rejected)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_outcome_has_its_number(outcome: str) -> None:
    counters = Counters()
    counters.count_accepted()
    counters.count_ended(outcome)
    counters.count_dropped(outcome)
    assert nonzero(counters.ended) == {outcome: 1}
    assert nonzero(counters.dropped) == {outcome: 1}
    assert counters.open == 0


@pytest.mark.parametrize(("source", "reason"), REJECTION_REASONS)
def test_each_reason_has_its_number(source: int, reason: int) -> None:
    counters = Counters()
    counters.count_rejected(AssociateRJ(1, source, reason))
    name = REJECTION_REASONS[source, reason].lower().replace(" ", "-")
    assert nonzero(counters.rejected) == {name: 1}
    assert sum(counters.cells) == 1


def test_what_has_no_name_is_counted_as_other() -> None:
    counters = Counters()
    counters.count_rejected(AssociateRJ(1, 1, 9))
    counters.count_dropped("new")
    assert nonzero(counters.rejected) == nonzero(counters.dropped) == {"other": 1}


def test_names_are_each_there_once() -> None:
    for names in (REJECTIONS, ENDS):
        assert len(set(names)) == len(names)
    assert len(Counters().cells) == SIZE == 7 + len(REJECTIONS) + 2 * len(ENDS)


def test_a_worker_that_died_took_its_associations_along() -> None:
    counters = Counters()
    for _ in range(3):
        counters.count_accepted()
    counters.count_ended("released")
    assert counters.worker_died() == 2
    assert counters.open == 0
    assert nonzero(counters.ended) == {"released": 1, "worker-died": 2}
    assert counters.worker_died() == 0


def test_the_sum_of_several_in_shared_memory() -> None:
    with mmap.mmap(-1, 2 * SIZE * 8) as shared, memoryview(shared) as plain, plain.cast("Q") as cells:
        first, second = Counters(cells[:SIZE]), Counters(cells[SIZE:])
        first.count_accepted()
        for _ in range(2):
            second.count_accepted()
        second.count_dropped("not-dicom")
        summed = total([first, second])
        assert (summed.accepted, summed.open, nonzero(summed.dropped)) == (3, 3, {"not-dicom": 1})
        assert cells[1] == 1
        first.cells.release()  # type: ignore[union-attr]  # a memoryview here
        second.cells.release()  # type: ignore[union-attr]  # a memoryview here
