"""One limit over several steps."""

import pytest

from dcmecho import causes
from dcmecho.deadline import Deadline
from dcmecho.errors import VerificationTimeout


def test_without_a_deadline_a_step_has_its_own_limit() -> None:
    deadline = Deadline(None, 100.0)
    assert deadline.at is None
    assert deadline.remaining(causes.CONNECT, None, 1e9) is None
    assert deadline.remaining(causes.CONNECT, 3.0, 1e9) == 3.0


@pytest.mark.parametrize(("limit", "now", "left"), [(None, 101.0, 4.0), (3.0, 101.0, 3.0), (3.0, 104.0, 1.0)])
def test_the_smaller_counts(limit: float | None, now: float, left: float) -> None:
    assert Deadline(5.0, 100.0).remaining(causes.CONNECT, limit, now) == left


@pytest.mark.parametrize("now", [105.0, 106.0])
def test_once_it_has_passed_there_is_no_time_for_any_step(now: float) -> None:
    with pytest.raises(VerificationTimeout) as caught:
        Deadline(5.0, 100.0).remaining(causes.TLS, 1.0, now)
    assert (caught.value.cause, caught.value.step, caught.value.seconds) == (causes.DEADLINE_EXCEEDED, causes.TLS, 5.0)
