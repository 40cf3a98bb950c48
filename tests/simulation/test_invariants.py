"""The checker: it is silent about histories that keep the promises, and it names the promise that one breaks."""

from __future__ import annotations

import pytest
from simulation import cases_commands, cases_messages, cases_money, cases_states, cases_stored
from simulation.invariants import INVARIANTS, check

CASES = {
    **cases_money.CASES,
    **cases_states.CASES,
    **cases_messages.CASES,
    **cases_commands.CASES,
    **cases_stored.CASES,
}


def named(which):
    return [
        pytest.param(name, make, id=f"{name}-{make.__name__}") for name, lists in CASES.items() for make in lists[which]
    ]


@pytest.mark.parametrize(("name", "make"), named(0))
def test_a_history_that_keeps_every_promise_is_left_in_peace(name, make):
    assert [str(one) for one in check(make().history())] == []


@pytest.mark.parametrize(("name", "make"), named(1))
def test_a_history_that_breaks_a_promise_is_caught_by_its_invariant(name, make):
    found = check(make().history())
    assert name in {one.name for one in found}, [str(one) for one in found]


def test_every_invariant_has_a_history_that_keeps_it_and_one_that_breaks_it():
    assert {name for name, (good, bad) in CASES.items() if good and bad} == set(INVARIANTS)


def test_every_invariant_says_what_it_states():
    assert [name for name, predicate in INVARIANTS.items() if not predicate.__doc__] == []
