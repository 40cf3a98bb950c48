"""What commercetools says, held against what the PSP says: pure, one promise at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.ct_documents import NOON, payment, transaction

from ct.compare import Deadlines, Difference, Side, hold, hold_facts, needs_asking, without_payment
from ct.fields import InteractionKind
from psp.facts import Fact, Kind, Reference, State
from psp.money import Money

#: Everything in these tests happened at noon and has rested since.
RESTED = Deadlines(settled=NOON + timedelta(minutes=1), stuck=NOON + timedelta(minutes=1))
#: Nothing has.
FRESH = Deadlines(settled=NOON, stuck=NOON)


def eur(amount):
    return Money(amount=amount, currency="EUR")


def fact(kind=Kind.AUTHORIZATION, state=State.SUCCESS, amount=4200, name="pay_1", about="a", **more):
    values = {
        "kind": kind,
        "state": state,
        "amount": eur(amount),
        "at": NOON,
        "psp_reference": name,
        "payment_reference": "pay_1",
        "reference": Reference(project_key="demo", payment_id="pay-1", transaction_id=about) if about else None,
    }
    return Fact(**(values | more))


def authorized(*more, **fields):
    first = transaction("a", state="Success", command="c", interaction_id="pay_1")
    return payment(first, *more, **({"interfaceId": "pay_1"} | fields))


def charge(state="Success", amount=1000, name="cap_1", **more):
    return transaction("t", "Charge", state, amount, command="c2", interaction_id=name, **more)


def capture(state=State.SUCCESS, amount=1000, name="cap_1", **more):
    return fact(Kind.CHARGE, state, amount, name, **({"about": "t"} | more))


def told(found):
    return [(one.difference, one.kind, one.transaction_id) for one in found]


def marked(identity):
    fields = {
        "ctpayKind": InteractionKind.UNKNOWN,
        "ctpayCause": "c",
        "ctpayAt": "2026-03-01T12:00:00.000Z",
        "ctpayTransactionId": identity,
    }
    return {"interfaceInteractions": [{"type": {"typeId": "type", "id": "i"}, "fields": fields}]}


def test_what_kinds_of_difference_are_called_stays_as_it_is():
    """Whoever reads the JSON of `ctpay reconcile` goes by these words."""
    assert {one.name: one.value for one in Difference} == {
        "MISSING": "missing",
        "EXTRA": "extra",
        "AMOUNT": "other-amount",
        "STATE": "other-state",
        "STUCK": "stuck",
    }


def test_what_agrees_is_not_told():
    found = hold_facts(authorized(charge()), [fact(), capture()], RESTED)
    assert found.disagreements == ()
    assert found.known == {"a", "t"}
    assert hold(authorized(charge()), [fact(), capture()], RESTED) == ()


def test_what_only_the_psp_has_is_missing_with_all_that_is_known_of_it():
    (one,) = hold(authorized(), [fact(), capture(about=None)], RESTED)
    assert (one.difference, one.kind, one.payment_id, one.transaction_id) == (
        Difference.MISSING,
        Kind.CHARGE,
        "pay-1",
        None,
    )
    assert (one.psp_reference, one.here, one.there) == ("cap_1", None, Side(state=State.SUCCESS, amount=eur(1000)))


def test_facts_that_name_another_payment_are_left_out():
    elsewhere = Reference(project_key="demo", payment_id="pay-2", transaction_id="x")
    assert hold(authorized(), [fact(), capture(reference=elsewhere)], RESTED) == ()


@pytest.mark.parametrize("state", ["Pending", "Success"])
def test_what_only_commercetools_has_is_extra(state):
    (one,) = hold(authorized(charge(state)), [fact()], RESTED)
    assert told([one]) == [(Difference.EXTRA, Kind.CHARGE, "t")]
    assert (one.here, one.there, one.psp_reference) == (Side(state=State(state), amount=eur(1000)), None, "cap_1")


def test_what_was_reversed_is_claimed_too():
    reversed_ = charge("Failure", fields={"ctpayReversed": True})
    assert told(hold(authorized(reversed_), [fact()], RESTED)) == [(Difference.EXTRA, Kind.CHARGE, "t")]


def test_a_failure_that_the_psp_has_never_heard_of_is_no_difference():
    assert hold(authorized(charge("Failure", name=None)), [fact()], RESTED) == ()


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Pending", State.SUCCESS),
        ("Pending", State.FAILURE),
        ("Success", State.REVERSED),
        ("Failure", State.SUCCESS),
        ("Success", State.PENDING),
        ("Success", State.FAILURE),
        ("Initial", State.PENDING),
    ],
)
def test_another_state_is_told_whoever_is_ahead(here, there):
    (one,) = hold(authorized(charge(here)), [fact(), capture(there)], RESTED)
    assert told([one]) == [(Difference.STATE, Kind.CHARGE, "t")]
    assert (one.here, one.there) == (
        Side(state=State(here), amount=eur(1000)),
        Side(state=there, amount=eur(1000)),
    )


def test_of_several_facts_about_one_operation_the_highest_counts():
    facts = [fact(), capture(State.PENDING), capture(), capture(State.PENDING)]
    assert hold(authorized(charge()), facts, RESTED) == ()


def test_what_is_missing_hides_no_difference_that_comes_after_it():
    facts = [fact(Kind.REFUND, name="ref_1", about=None), fact(), capture(State.FAILURE)]
    assert told(hold(authorized(charge()), facts, RESTED)) == [
        (Difference.MISSING, Kind.REFUND, None),
        (Difference.STATE, Kind.CHARGE, "t"),
    ]


def test_what_both_know_by_one_name_is_told_by_that_name_and_else_by_the_payments():
    (one,) = hold(authorized(charge()), [fact(), capture(amount=999)], RESTED)
    assert (one.difference, one.transaction_id, one.psp_reference) == (Difference.AMOUNT, "t", "cap_1")
    nameless = capture(State.FAILURE, name=None)
    (one,) = hold(authorized(charge()), [fact(), nameless], RESTED)
    assert (one.difference, one.transaction_id, one.psp_reference) == (Difference.STATE, "t", "pay_1")


def test_another_amount_is_told_once_whether_or_not_it_was_noted_beside():
    asked = transaction("t", "Charge", "Initial", 1000, command="c2")
    beside = transaction("u", "Charge", "Success", 999, interaction_id="cap_1")
    for more in ([asked], [asked, beside], [beside, asked]):
        found = hold(authorized(*more), [fact(), capture(amount=999)], RESTED)
        assert told(found) == [(Difference.AMOUNT, Kind.CHARGE, "t")]
        assert (found[0].here.amount, found[0].there.amount) == (eur(1000), eur(999))


def test_another_amount_is_over_when_the_one_asked_for_has_ended_and_the_other_is_noted():
    ended = transaction("t", "Charge", "Failure", 1000, command="c2")
    beside = transaction("u", "Charge", "Success", 999, interaction_id="cap_1")
    assert hold(authorized(ended, beside), [fact(), capture(amount=999)], RESTED) == ()


def test_a_second_payment_at_the_psp_under_one_name_of_ours_is_missing():
    twin = fact(name="pay_2", payment_reference="pay_2")
    found = hold(authorized(), [fact(), twin], RESTED)
    assert told(found) == [(Difference.MISSING, Kind.AUTHORIZATION, None)]
    assert found[0].psp_reference == "pay_2"


def test_two_operations_alike_are_two():
    one, other = charge(), {**charge(name="cap_2"), "id": "u"}
    facts = [fact(), capture(), capture(name="cap_2", about="u")]
    assert hold(authorized(one, other), facts, RESTED) == ()
    assert told(hold(authorized(one, other), facts[:2], RESTED)) == [(Difference.EXTRA, Kind.CHARGE, "u")]
    assert told(hold(authorized(one), [*facts[:2], capture(name="cap_2", about=None)], RESTED)) == [
        (Difference.MISSING, Kind.CHARGE, None)
    ]


def test_the_psps_own_name_counts_for_more_than_ours():
    one, other = charge(), {**charge(name="cap_2"), "id": "u"}
    mixed_up = [fact(), capture(), capture(name="cap_2", about="t")]
    assert hold(authorized(one, other), mixed_up, RESTED) == ()


def test_a_name_that_a_merchant_made_up_is_no_difference_where_the_psp_bears_ours():
    """Nobody at the PSP has heard of "ERP-7", and what it has under our name is this one."""
    assert hold(authorized(charge(name="ERP-7")), [fact(), capture()], RESTED) == ()


def test_of_two_operations_under_one_name_of_ours_the_second_is_missing_whatever_a_merchant_calls_the_first():
    twice = authorized(charge(name="ERP-7"))
    facts = [fact(), capture(name="cap_1"), capture(name="cap_2")]
    assert told(hold(twice, facts, RESTED)) == [(Difference.MISSING, Kind.CHARGE, None)]
    # A list may have more on its next page: it is asked about by name.
    assert hold_facts(twice, [capture(name="cap_1")], RESTED).disagreements


def test_where_the_psp_has_no_names_for_operations_ours_and_amounts_tell_them_apart():
    one, other = charge(name="pay_1"), {**charge(name="pay_1", amount=500), "id": "u"}
    facts = [
        fact(),
        capture(name=None, about=None),
        capture(name=None, about=None, amount=500),
    ]
    assert hold(authorized(one, other), facts, RESTED) == ()


def test_two_operations_of_one_amount_without_names_are_two_where_the_psp_bears_our_ids():
    one, other = charge(name="pay_1"), {**charge(name="pay_1"), "id": "u"}
    facts = [fact(), capture(name=None), capture(name=None, about="u")]
    assert hold(authorized(one, other), facts, RESTED) == ()


def test_a_name_that_is_the_transactions_interface_id_counts():
    mine = {**charge(name="other"), "interfaceId": "cap_1"}
    assert hold(authorized(mine), [fact(), capture()], RESTED) == ()


# Time.


def test_what_happened_a_moment_ago_may_be_on_its_way():
    assert hold(authorized(), [fact(), capture(about=None)], FRESH) == ()
    assert hold(authorized(charge("Pending")), [fact(), capture()], FRESH) == ()
    assert hold(authorized(charge()), [fact(), capture(State.PENDING)], FRESH) == ()
    assert hold(authorized(charge()), [fact()], FRESH) == ()


def test_of_two_states_the_one_that_is_ahead_must_have_rested():
    late = NOON + timedelta(hours=1)
    assert hold(authorized(charge("Pending")), [fact(), capture(at=late)], RESTED) == ()
    early_here = hold(authorized(charge("Success")), [fact(), capture(State.PENDING, at=late)], RESTED)
    assert told(early_here) == [(Difference.STATE, Kind.CHARGE, "t")]


def test_a_transaction_without_a_time_is_old():
    timeless = charge()
    del timeless["timestamp"]
    assert told(hold(authorized(timeless), [fact()], FRESH)) == [(Difference.EXTRA, Kind.CHARGE, "t")]


# Stuck.


@pytest.mark.parametrize(
    ("kind", "command", "stuck"),
    [
        ("Charge", "c2", True),
        ("Charge", None, True),
        ("Refund", None, True),
        ("CancelAuthorization", None, True),
        ("Authorization", "c2", True),
        ("Authorization", None, False),
        ("Chargeback", None, False),
    ],
)
def test_what_was_asked_for_long_ago_and_is_not_at_the_psp_is_stuck(kind, command, stuck):
    mine = transaction("t", kind, "Initial", 1000, command=command)
    found = told(hold(authorized(mine), [fact()], RESTED))
    assert found == ([(Difference.STUCK, Kind(kind), "t")] if stuck else [])
    assert hold(authorized(mine), [fact()], FRESH) == ()


def test_a_merchants_transaction_without_a_time_counts_from_the_payments_last_change():
    mine = transaction("t", "Charge", "Initial", 1000)
    del mine["timestamp"]
    assert told(hold(authorized(mine), [fact()], FRESH)) == [(Difference.STUCK, Kind.CHARGE, "t")]
    touched = authorized(mine, lastModifiedAt="2026-03-01T12:00:00.000Z")
    assert hold(touched, [fact()], FRESH) == ()
    assert told(hold(touched, [fact()], RESTED)) == [(Difference.STUCK, Kind.CHARGE, "t")]


def test_what_is_marked_as_unknown_is_stuck_until_it_is_decided():
    open_ = authorized(charge("Pending", name=None), **marked("t"))
    assert told(hold(open_, [fact()], FRESH)) == [(Difference.STUCK, Kind.CHARGE, "t")]
    assert told(hold(open_, [fact(), capture()], RESTED)) == [(Difference.STATE, Kind.CHARGE, "t")]
    assert hold(authorized(charge("Failure", name=None), **marked("t")), [fact()], RESTED) == ()


# What is not in commercetools at all, and what has to be asked about by name.


def test_of_a_payment_that_is_not_there_everything_is_missing_once():
    found = without_payment([fact(), fact(state=State.PENDING), capture(), fact(about=None, name="pay_9")])
    assert [(one.difference, one.kind, one.psp_reference, one.payment_id) for one in found] == [
        (Difference.MISSING, Kind.AUTHORIZATION, "pay_1", "pay-1"),
        (Difference.MISSING, Kind.CHARGE, "cap_1", "pay-1"),
        (Difference.MISSING, Kind.AUTHORIZATION, "pay_9", None),
    ]
    assert found[0].there == Side(state=State.SUCCESS, amount=eur(4200))


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("known", "since", "until", "asked"),
    [
        ({"a"}, NOON, NOON + HOUR, True),
        ({"a", "t"}, NOON, NOON + HOUR, False),
        ({"a"}, NOON + HOUR, NOON + 2 * HOUR, False),
        ({"a"}, NOON - HOUR, NOON, False),
    ],
)
def test_only_what_is_in_the_span_and_was_not_listed_is_asked_about(known, since, until, asked):
    assert needs_asking(authorized(charge()), frozenset(known), RESTED, since=since, until=until) is asked


def test_what_has_no_time_is_always_asked_about():
    timeless = charge()
    del timeless["timestamp"]
    assert needs_asking(authorized(timeless), frozenset("a"), RESTED, since=NOON - 2 * HOUR, until=NOON - HOUR)


def test_of_two_captures_under_our_name_the_one_that_is_known_by_its_own_explains_the_transaction():
    found = hold(authorized(charge()), [fact(), capture(name="cap_2"), capture()], RESTED)
    assert [(one.difference, one.kind) for one in found] == [(Difference.MISSING, Kind.CHARGE)]
