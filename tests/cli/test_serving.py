"""What every process of echoscp that serves does, as far as no process is needed to see it."""

from dcmecho.cli.serving import Troubles


def test_the_same_complaint_is_told_once_a_second() -> None:
    troubles = Troubles()
    assert [troubles.are_to_be_told("no descriptors", now) for now in (5.0, 5.1, 5.9, 6.0, 6.5)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_complaints_that_take_turns_are_each_told_once_a_second() -> None:
    troubles = Troubles()
    told = [(number, troubles.are_to_be_told(f"trouble {number % 2}", 5.0 + number / 1000)) for number in range(100)]
    assert [number for number, is_told in told if is_told] == [0, 1]


def test_complaints_that_are_never_the_same_are_few() -> None:
    troubles = Troubles()
    told = [troubles.are_to_be_told(f"trouble {number}", 5.0 + number / 1000) for number in range(900)]
    assert told.count(True) == Troubles.MOST
    assert troubles.are_to_be_told("another", 6.5)
