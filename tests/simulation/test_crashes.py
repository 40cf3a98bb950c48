"""Workers that crash at any step of any operation, once and twice: the invariants hold in the end."""

from __future__ import annotations

import pytest
from simulation import processes
from simulation.crashes import ACTS, drill, play, quiet
from simulation.invariants import check

#: Of each operation, evenly chosen; `python -m simulation.exhaustive --all` tries them all.
SINGLES = 9
DOUBLES = 3


@pytest.fixture(scope="module", autouse=True)
def _shared():
    processes.share()


@pytest.mark.parametrize("name", ACTS)
def test_an_operation_survives_a_crash_at_any_step_and_a_second_one(name):
    drilled = drill(name, singles=SINGLES, doubles=DOUBLES)
    assert drilled.wrong == []
    assert drilled.runs >= min(drilled.steps, SINGLES) + 1


def test_the_crash_that_is_ordered_comes_at_its_step_and_the_next_one_after_it():
    with quiet():
        once, _ = play(ACTS["capture"], (5,))
        twice, _ = play(ACTS["capture"], (5, 5))
    assert len(once.crashes) == 1
    assert len(twice.crashes) == 2
    assert all(crash.process.startswith("workers") for crash in twice.crashes)


def test_a_payment_that_lost_its_method_before_it_was_on_its_cart_is_closed_and_blamed_on_nobody():
    with quiet():
        history, _ = play(ACTS["charge a card that is being deleted"], (2, 6))
        assert [str(one) for one in check(history)] == []
    lost = [one.document["transactions"][0] for one in history.payments if len(one.document["transactions"]) == 1]
    assert (lost[-1]["type"], lost[-1]["state"]) == ("Authorization", "Failure")
    assert len(history.effects) == 1
