"""What stands out in a reconciliation's tables."""

from __future__ import annotations

import pytest

from ct.compare import Difference, Disagreement
from ctpay.reconcile_view import rows_table, steps_table
from psp.facts import Kind
from workers.reconcile import Step, Taken
from workers.reconcile_lists import Row


def _first(table):
    (cell,) = table.columns[0].cells
    return cell.plain, cell.style


@pytest.mark.parametrize(
    ("difference", "colour"),
    [
        (Difference.MISSING, "red"),
        (Difference.EXTRA, "red"),
        (Difference.AMOUNT, "red"),
        (Difference.STATE, "yellow"),
        (Difference.STUCK, "yellow"),
    ],
)
def test_a_difference_in_money_is_red_and_one_of_states_yellow(difference, colour):
    one = Disagreement(
        difference=difference,
        kind=Kind.CHARGE,
        payment_id=None,
        transaction_id=None,
        psp_reference=None,
        here=None,
        there=None,
    )
    assert _first(rows_table([Row(disagreement=one, repaired=False)])) == (difference.value, colour)


@pytest.mark.parametrize(
    ("step", "colour"),
    [
        (Step.SETTLED, "green"),
        (Step.CLOSED, "green"),
        (Step.RESUMED, "green"),
        (Step.WAITING, "dim"),
        (Step.AWAY, "yellow"),
        (Step.SKIPPED, "yellow"),
        (Step.UNKNOWN, "red"),
        (Step.FAILED, "red"),
    ],
)
def test_what_a_person_has_to_see_to_is_red_and_what_the_next_pass_does_is_not(step, colour):
    assert _first(steps_table([Taken(step=step, payment_id="p-1", transaction=None)])) == (step.value, colour)
