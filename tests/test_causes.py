"""The list of causes is closed, and each of them is complete."""

import re

import pytest

from dcmecho import causes
from dcmecho.causes import CAUSES, SIDES, STEPS, Cause

CONSTANTS = {name: value for name, value in vars(causes).items() if isinstance(value, Cause)}


def test_the_steps_are_in_the_order_of_a_verification() -> None:
    assert STEPS == ("setup", "resolve", "connect", "tls", "associate", "echo", "release")
    assert SIDES == ("local", "network", "peer")


def test_every_cause_is_registered_once_under_its_name() -> None:
    assert list(CAUSES.values()) == list(CONSTANTS.values())
    assert all(CAUSES[cause.name] is cause for cause in CONSTANTS.values())


@pytest.mark.parametrize("constant", CONSTANTS)
def test_a_cause_is_complete(constant: str) -> None:
    cause = CONSTANTS[constant]
    assert cause.name == constant.lower().replace("_", "-")
    assert re.fullmatch("[a-z]+(-[a-z]+)*", cause.name)
    assert cause.side in SIDES
    assert cause.steps
    assert set(cause.steps) <= set(STEPS)
    assert list(cause.steps) == sorted(cause.steps, key=STEPS.index)
    assert cause.summary.isprintable()
    assert cause.summary
    assert not cause.summary.endswith(".")
    assert not cause.hint.endswith(".")


def test_no_two_causes_read_alike() -> None:
    assert len({cause.summary for cause in CAUSES.values()}) == len(CAUSES)


@pytest.mark.parametrize(
    ("name", "side", "steps"),
    [
        ("host-not-found", "network", ("resolve",)),
        ("connection-refused", "peer", ("connect",)),
        ("called-ae-title-refused", "peer", ("associate",)),
        ("aborted", "peer", ("associate", "echo", "release")),
        ("connection-reset", "peer", ("tls", "associate", "echo", "release")),
        ("echo-status", "peer", ("echo",)),
        ("interrupted", "local", STEPS),
        ("port-unavailable", "local", ("setup",)),
    ],
)
def test_names_sides_and_steps_are_stable(name: str, side: str, steps: tuple[str, ...]) -> None:
    assert (CAUSES[name].side, CAUSES[name].steps) == (side, steps)


def test_repr_names_the_cause() -> None:
    assert repr(causes.PEER_BUSY) == "<Cause peer-busy>"
