"""Every cell of PS3.8 Table 9-10, the empty ones too, against a second typing of it by state."""

import pytest

from dcmecho import fsm
from dcmecho.errors import LocalProtocolError
from dcmecho.fsm import EVENT_NAMES, STA1, TABLE, StateMachine
from table_9_10 import BY_STATE

EVENTS = range(1, 20)
STATES = range(1, 14)
CHOICES = {(6, 2), (12, 7)}
ALL = [(event, state) for state in STATES for event in EVENTS]
EMPTY = [(event, state) for event, state in ALL if event not in BY_STATE[state]]
FULL = [(event, state) for event, state in ALL if event in BY_STATE[state] and (event, state) not in CHOICES]


def machine(state: int, is_requestor: bool = True) -> StateMachine:
    made = StateMachine(is_requestor)
    made.state = state
    return made


def test_the_cells_are_counted() -> None:
    assert len(ALL) == 247
    assert len(EMPTY) + len(FULL) + len(CHOICES) == 247
    assert len(TABLE) == len(FULL) + len(CHOICES)


@pytest.mark.parametrize(("event", "state"), FULL)
@pytest.mark.parametrize("is_requestor", [True, False])
@pytest.mark.parametrize("acceptable", [True, False])
def test_a_cell_gives_its_action_and_next_state(event: int, state: int, is_requestor: bool, acceptable: bool) -> None:
    action, (following,) = BY_STATE[state][event]
    made = machine(state, is_requestor)
    assert made.process(event, acceptable=acceptable) == action
    assert made.state == following


@pytest.mark.parametrize(("event", "state"), EMPTY)
def test_an_empty_cell_is_our_mistake_and_changes_nothing(event: int, state: int) -> None:
    made = machine(state)
    with pytest.raises(LocalProtocolError, match=f"Sta{state}$"):
        made.process(event)
    assert made.state == state


@pytest.mark.parametrize("is_requestor", [True, False])
@pytest.mark.parametrize(("acceptable", "following"), [(True, 3), (False, 13)])
def test_ae_6_goes_on_only_with_an_acceptable_request(is_requestor: bool, acceptable: bool, following: int) -> None:
    made = machine(2, is_requestor)
    assert made.process(6, acceptable=acceptable) == "AE-6"
    assert made.state == following


@pytest.mark.parametrize("acceptable", [True, False])
@pytest.mark.parametrize(("is_requestor", "following"), [(True, 9), (False, 10)])
def test_ar_8_parts_requestor_and_acceptor(acceptable: bool, is_requestor: bool, following: int) -> None:
    made = machine(7, is_requestor)
    assert made.process(12, acceptable=acceptable) == "AR-8"
    assert made.state == following


def test_every_event_has_a_name() -> None:
    assert list(EVENT_NAMES) == list(EVENTS)


def test_the_refusal_names_event_and_state() -> None:
    with pytest.raises(LocalProtocolError, match=r"^P-DATA request is not possible in Sta7$"):
        machine(7).process(9)


@pytest.mark.parametrize("is_requestor", [True, False])
def test_a_machine_begins_idle(is_requestor: bool) -> None:
    made = StateMachine(is_requestor)
    assert (made.state, made.is_requestor) == (STA1, is_requestor)
    assert STA1 == 1


def test_the_names_of_states_are_their_numbers() -> None:
    assert [getattr(fsm, f"STA{state}") for state in STATES] == list(STATES)
