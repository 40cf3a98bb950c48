from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from support.ct_documents import NOON, applied, payment_document, transaction

from ct.fields import InteractionField, InteractionKind
from ct.folds import covers
from ct.payment import parse_payment
from ct.plan import FACT_INTERACTIONS_MAX, Cause, Weighing, brings_success, plan
from ct.standing import standing_of
from ct.states import RANK, RELEASED_OTHERWISE
from psp.facts import Action, ActionType, Fact, Instrument, Kind, Reference, State
from psp.money import Money
from psp.outcome import Outcome

CAUSE = Cause(id="event-1", at=NOON)


def fact(kind=Kind.AUTHORIZATION, state=State.SUCCESS, amount=4200, *, name=None, ours=None, **more):
    reference = Reference(project_key="demo", payment_id="pay-1", transaction_id=ours) if ours else None
    values = {"payment_reference": "psp-pay", "at": NOON} | more
    return Fact(
        kind=kind,
        state=state,
        amount=Money(amount=amount, currency="EUR"),
        psp_reference=name,
        reference=reference,
        **values,
    )


def settled(document, *facts, **more):
    actions = plan(parse_payment(document), facts, CAUSE, **more)
    return applied(document, actions), actions


RESERVED = payment_document(transaction("auth", command="c1"))


def test_a_success_settles_the_reserved_authorization_and_names_the_payment_at_the_psp():
    after, _ = settled(RESERVED, fact(name="psp-auth", ours="auth"))
    payment = parse_payment(after)
    assert payment.interface_id == "psp-pay"
    assert payment.transaction("auth").state is State.SUCCESS
    assert payment.transaction("auth").interaction_id == "psp-auth"
    assert (payment.status_code, payment.status_text) == ("success", "Success")


def test_a_repeated_fact_plans_nothing():
    after, _ = settled(RESERVED, fact(name="psp-auth", ours="auth"))
    assert settled(after, fact(name="psp-auth", ours="auth"))[1] == []


def test_where_somebody_else_has_set_the_name_the_psps_is_noted_in_the_log_once():
    other = payment_document(transaction("auth", command="c1", interaction_id="theirs"), interfaceId="their-own")
    told = fact(state=State.PENDING, name="psp-auth", ours="auth")
    after, actions = settled(other, told)
    (named,) = (one for one in actions if one.get("fields", {}).get("ctpayKind") == InteractionKind.NAMED)
    assert named["fields"] == {
        "ctpayKind": "named",
        "ctpayCause": "event-1",
        "ctpayAt": "2026-03-01T12:00:00.000Z",
        "ctpayMessage": "psp-pay",
    }
    assert (parse_payment(after).interface_id, parse_payment(after).known_as) == ("their-own", "psp-pay")
    for again in (told, fact(name="psp-auth", ours="auth", payment_reference="psp-other")):
        _, later = settled(after, again)
        assert InteractionKind.NAMED not in {one.get("fields", {}).get("ctpayKind") for one in later}


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        # The same name.
        (transaction("auth", command="c1"), fact(ours="auth", payment_reference="theirs")),
        # No name of the payment at all.
        (transaction("auth", command="c1"), fact(ours="auth", payment_reference=None)),
        # What the PSP says of another payment, when it has told of this one.
        (transaction("auth", state="Success", command="c1", interaction_id="a-1"), fact(name="a-2", ours="auth")),
        # Another operation tells nothing of it yet.
        (transaction("auth", command="c1"), fact(Kind.CHARGE, name="cap-1")),
        (transaction("cap", "Charge", command="c1"), fact(Kind.CHARGE, name="cap-1", ours="cap")),
    ],
)
def test_no_other_name_is_noted(attempt, told):
    _, actions = settled(payment_document(attempt, interfaceId="theirs"), told)
    assert InteractionKind.NAMED not in {one.get("fields", {}).get("ctpayKind") for one in actions}


def test_a_name_is_noted_even_where_nothing_else_is_to_be_written():
    other = payment_document(
        transaction("auth", state="Initial", command="c1", interaction_id="psp-auth"), interfaceId="their-own"
    )
    _, actions = settled(other, fact(state=State.INITIAL, name="psp-auth", ours="auth"))
    assert [one["fields"]["ctpayKind"] for one in actions] == ["named"]


@pytest.mark.parametrize(("current", "new"), list(itertools.product(State, State)))
def test_states_only_rise(current, new):
    fields = {"ctpayReversed": True} if current is State.REVERSED else {}
    stored = "Failure" if current is State.REVERSED else current.value
    document = payment_document(
        transaction("t", "Charge", stored, command="c", interaction_id="cap-1", fields=fields), interfaceId="psp-pay"
    )
    after, actions = settled(document, fact(Kind.CHARGE, new, name="cap-1"))
    expected = new if RANK[new] > RANK[current] else current
    assert parse_payment(after).transaction("t").state is expected
    assert bool(actions) == (expected is not current)


EVENTS = {
    "authorized": fact(name="auth-1", ours="auth"),
    "authorization failed": fact(state=State.FAILURE, name="auth-1", ours="auth", code="51", message="no funds"),
    "captured": fact(Kind.CHARGE, amount=3000, name="cap-1"),
    "capture failed late": fact(Kind.CHARGE, State.REVERSED, 3000, name="cap-1"),
    "refund pending": fact(Kind.REFUND, State.PENDING, 1000, name="ref-1"),
    "refund done": fact(Kind.REFUND, State.SUCCESS, 1000, name="ref-1"),
    "refund failed late": fact(Kind.REFUND, State.REVERSED, 1000, name="ref-1"),
    "dispute": fact(Kind.CHARGEBACK, State.PENDING, 3000, name="dis-1"),
    "dispute lost": fact(Kind.CHARGEBACK, State.SUCCESS, 3000, name="dis-1"),
    "second round won": fact(Kind.CHARGEBACK, State.REVERSED, 3000, name="dis-2"),
    "other amount": fact(Kind.CHARGE, State.SUCCESS, 999, name="cap-1"),
}


def truth(document):
    """What the Payment says, whatever the order in which it came to say so."""
    payment = parse_payment(document)
    rows = sorted((t.kind, t.state, t.amount.amount, t.interaction_id or "") for t in payment.transactions)
    return rows, payment.interface_id, payment.status_code, payment.status_text


def play(names):
    document = RESERVED
    for name in names:
        document, _ = settled(document, EVENTS[name])
        assert settled(document, EVENTS[name])[1] == [], "a repeat plans nothing"
    return truth(document)


@pytest.mark.parametrize(
    "names",
    [
        ("authorized", "authorization failed", "captured"),
        ("captured", "capture failed late", "refund pending", "refund done"),
        ("refund pending", "refund done", "refund failed late", "authorized"),
        ("dispute", "dispute lost", "second round won", "captured"),
    ],
)
def test_every_permutation_with_repetition_gives_one_payment(names):
    results = {str(play(order)) for order in itertools.permutations(names)}
    repeats = {str(play((*order, *order[:2]))) for order in itertools.permutations(names)}
    assert len(results | repeats) == 1


def test_a_late_success_wins_over_a_failure():
    assert play(("authorization failed", "authorized"))[0][0][1] is State.SUCCESS


def test_a_failing_authorization_never_touches_a_charge():
    charged = payment_document(
        transaction("auth", state="Success", command="c1"),
        transaction("cap", "Charge", "Success", command="c2", interaction_id="auth-1"),
    )
    after, _ = settled(charged, fact(state=State.FAILURE, name="auth-1"))
    assert parse_payment(after).transaction("cap").state is State.SUCCESS


def test_another_amount_never_settles_the_transaction_but_is_added_beside_it_and_flagged_once():
    document = payment_document(transaction("cap", "Charge", "Initial", 3000, command="c2"), interfaceId="psp-pay")
    odd = fact(Kind.CHARGE, amount=999, name="cap-9", ours="cap")
    after, _ = settled(document, odd)
    payment = parse_payment(after)
    assert payment.transaction("cap").state is State.INITIAL
    assert [t.amount.amount for t in payment.of_kind(Kind.CHARGE)] == [3000, 999]
    assert [one.kind for one in payment.interactions] == [InteractionKind.MISMATCH]
    assert settled(after, odd)[1] == []


RECKONED = payment_document(
    transaction("x", "CancelAuthorization", "Initial", 4200, command="c"), interfaceId="psp-pay"
)


def test_a_cancel_ends_also_where_the_psp_held_another_amount_than_we_had_reckoned():
    """Somebody had captured at the PSP's dashboard, and we were never told."""
    released = fact(Kind.CANCEL_AUTHORIZATION, amount=3200, name="can-1", ours="x")
    after, _ = settled(RECKONED, released)
    payment = parse_payment(after)
    cancels = [(one.state, one.amount.amount) for one in payment.of_kind(Kind.CANCEL_AUTHORIZATION)]
    assert cancels == [(State.FAILURE, 4200), (State.SUCCESS, 3200)]
    assert covers(payment) == 0
    assert standing_of(payment, payment.transaction("x")).outcome is Outcome.APPROVED
    assert payment.last_word("x").code == RELEASED_OTHERWISE
    assert payment.last_word("x").message == (
        "CancelAuthorization Failure: The PSP released 32.00 EUR, which is all that it held; 42.00 EUR was reckoned."
    )
    assert settled(after, released)[1] == []


def test_a_cancel_of_another_amount_that_is_not_done_ends_nothing_and_neither_does_one_beside_the_truth():
    undecided = fact(Kind.CANCEL_AUTHORIZATION, State.PENDING, 3200, name="can-1", ours="x")
    refused = fact(Kind.CANCEL_AUTHORIZATION, State.FAILURE, 3200, name="can-1", ours="x")
    for odd in (undecided, refused):
        after, _ = settled(RECKONED, odd)
        assert parse_payment(after).transaction("x").state is State.INITIAL
    later, _ = settled(settled(RECKONED, undecided)[0], replace(undecided, state=State.SUCCESS))
    assert parse_payment(later).transaction("x").state is State.FAILURE
    true, odd = (fact(Kind.CANCEL_AUTHORIZATION, amount=cents, name="can-1", ours="x") for cents in (4200, 3200))
    for facts in ((true, odd), (odd, true)):
        for told in (settled(RECKONED, *facts)[0], settled(settled(RECKONED, facts[0])[0], facts[1])[0]):
            assert parse_payment(told).transaction("x").state is State.SUCCESS


def test_two_refunds_told_in_the_same_second_are_two_transactions():
    document = payment_document(interfaceId="psp-pay")
    after, _ = settled(document, fact(Kind.REFUND, amount=500, name="r-1"), fact(Kind.REFUND, amount=500, name="r-2"))
    assert [t.interaction_id for t in parse_payment(after).of_kind(Kind.REFUND)] == ["r-1", "r-2"]


def test_facts_of_one_batch_about_one_new_transaction_add_it_once_with_the_highest_state():
    document = payment_document(interfaceId="psp-pay")
    after, _ = settled(
        document,
        fact(Kind.REFUND, State.PENDING, 500, name="r-1"),
        fact(Kind.REFUND, State.SUCCESS, 500, name="r-1"),
    )
    refunds = parse_payment(after).of_kind(Kind.REFUND)
    assert [(t.state, t.interaction_id) for t in refunds] == [(State.SUCCESS, "r-1")]


def test_an_open_action_is_kept_with_the_authorization_and_gone_once_it_is_decided():
    action = Action(type=ActionType.CHALLENGE, url="https://psp.example/challenge/1")
    waiting, _ = settled(RESERVED, fact(state=State.PENDING, name="a", ours="auth"), action=action)
    held = parse_payment(waiting).transaction("auth")
    assert (held.action, held.action_at) == (action, NOON)
    assert settled(waiting, fact(state=State.PENDING, name="a", ours="auth"), action=action)[1] == []
    done, _ = settled(waiting, fact(name="a", ours="auth"))
    assert parse_payment(done).transaction("auth").action is None


def test_a_merchants_transaction_that_is_undone_keeps_its_type_and_the_log_bears_the_mark():
    document = payment_document(
        transaction("m", "Refund", "Success", interaction_id="r-1", custom=True), interfaceId="psp-pay"
    )
    after, _ = settled(document, fact(Kind.REFUND, State.REVERSED, name="r-1"))
    assert after["transactions"][0]["custom"]["fields"] == {}
    assert parse_payment(after).transaction("m").state is State.REVERSED
    assert settled(after, fact(Kind.REFUND, State.REVERSED, name="r-1"))[1] == []


def test_each_effective_change_is_logged_once_with_its_cause():
    after, _ = settled(RESERVED, fact(name="psp-auth", ours="auth", code="A1", message="fine"))
    (entry,) = parse_payment(after).interactions
    assert (entry.kind, entry.cause, entry.transaction_id, entry.code) == (
        InteractionKind.FACT,
        "event-1",
        "auth",
        "A1",
    )


def test_a_full_log_takes_no_more_facts_but_every_mark_the_law_needs():
    entry = {
        "type": {"typeId": "type", "id": "t"},
        "fields": {
            InteractionField.KIND.value: "fact",
            InteractionField.CAUSE.value: "e",
            InteractionField.AT.value: "2026-03-01T12:00:00Z",
        },
    }
    document = payment_document(
        transaction("m", "Refund", "Success", interaction_id="r-1", custom=True),
        interfaceId="psp-pay",
        interfaceInteractions=[entry] * FACT_INTERACTIONS_MAX,
    )
    after, _ = settled(document, fact(Kind.REFUND, State.REVERSED, name="r-1"), fact(Kind.CHARGE, name="c-1"))
    assert len(after["interfaceInteractions"]) == FACT_INTERACTIONS_MAX + 1
    assert parse_payment(after).transaction("m").state is State.REVERSED


def test_the_means_of_payment_is_named_once_for_people():
    visa = Instrument(method="card", brand="Visa", last_four="4242")
    after, _ = settled(RESERVED, fact(name="a", ours="auth"), instrument=visa)
    assert after["paymentMethodInfo"]["name"] == {"en": "Visa •••• 4242"}


def test_an_authorization_under_another_psp_name_is_another_authorization():
    document = payment_document(transaction("auth", state="Success", command="c1", interaction_id="a-1"))
    after, _ = settled(document, fact(name="a-2", at=NOON + timedelta(hours=1)))
    assert len(parse_payment(after).of_kind(Kind.AUTHORIZATION)) == 2


def test_a_fact_without_any_psp_name_finds_the_only_authorization():
    after, _ = settled(RESERVED, fact(payment_reference=None))
    assert parse_payment(after).transaction("auth").state is State.SUCCESS


def test_facts_of_one_batch_about_what_stands_beside_a_mismatch_change_it_once():
    document = payment_document(
        transaction("cap", "Charge", "Initial", 3000, command="c2"),
        transaction("odd", "Charge", "Initial", 999, interaction_id="cap-9"),
        interfaceId="psp-pay",
    )
    after, actions = settled(
        document,
        fact(Kind.CHARGE, State.PENDING, 999, name="cap-9", ours="cap"),
        fact(Kind.CHARGE, State.SUCCESS, 999, name="cap-9"),
    )
    assert parse_payment(after).transaction("odd").state is State.SUCCESS
    assert [one["state"] for one in actions if one["action"] == "changeTransactionState"] == ["Success"]


def test_a_name_that_a_merchant_gave_before_the_psp_told_of_it_gives_way_to_the_psps_once():
    """By "ERP-7" the PSP could not find the capture again, for a refund for instance."""
    document = payment_document(transaction("t", "Charge", "Initial", 1000, command="c2", interaction_id="ERP-7"))
    first, second = (
        fact(Kind.CHARGE, amount=1000, name=name, ours="t", at=NOON + timedelta(hours=1)) for name in ("cap-1", "cap-2")
    )
    after, _ = settled(document, first)
    assert parse_payment(after).transaction("t").interaction_id == "cap-1"
    after, _ = settled(after, second)
    assert parse_payment(after).transaction("t").interaction_id == "cap-1"


def marks(document, *facts):
    """The fields of the first transaction after the facts."""
    return settled(document, *facts)[0]["transactions"][0].get("custom", {}).get("fields", {})


def test_an_authorization_that_succeeds_after_it_had_failed_is_marked_as_late():
    failed = payment_document(transaction("auth", state="Failure", command="c1"))
    assert marks(failed, fact(ours="auth"))["ctpayLate"] is True


@pytest.mark.parametrize(
    "document",
    [
        payment_document(transaction("auth", state="Failure")),
        payment_document(transaction("auth", "Charge", "Failure", command="c1")),
    ],
)
def test_nothing_else_is_marked_as_late(document):
    kind = Kind(document["transactions"][0]["type"])
    assert "ctpayLate" not in marks(document, fact(kind, ours="auth"))


OFF_CART = {"weighing": Weighing.DUE}


def test_an_authorization_that_succeeds_off_its_cart_is_marked_as_late_in_its_log_too():
    after, _ = settled(RESERVED, fact(ours="auth"), **OFF_CART)
    assert after["transactions"][0]["custom"]["fields"]["ctpayLate"] is True
    assert parse_payment(after).came_late("auth")


def test_a_late_mark_is_in_the_log_alone_where_the_transactions_type_is_not_ours():
    after, actions = settled(payment_document(transaction("auth")), fact(ours="auth"), **OFF_CART)
    assert "setTransactionCustomField" not in {one["action"] for one in actions}
    assert parse_payment(after).came_late("auth")


@pytest.mark.parametrize(
    ("kind", "state"),
    [(Kind.AUTHORIZATION, State.PENDING), (Kind.AUTHORIZATION, State.FAILURE), (Kind.CHARGE, State.SUCCESS)],
)
def test_nothing_but_an_authorizations_success_is_late_off_its_cart(kind, state):
    document = payment_document(transaction("auth", kind.value, command="c1"))
    after, _ = settled(document, fact(kind, state, ours="auth"), **OFF_CART)
    assert "ctpayLate" not in after["transactions"][0]["custom"]["fields"]
    assert InteractionKind.LATE not in {one.kind for one in parse_payment(after).interactions}


def test_a_cancel_that_ends_by_another_release_is_not_late():
    document = payment_document(
        transaction("auth", state="Success", command="c1"),
        transaction("x", "CancelAuthorization", command="c2"),
    )
    after, _ = settled(document, fact(Kind.CANCEL_AUTHORIZATION, amount=3000, ours="x"), **OFF_CART)
    assert not parse_payment(after).came_late("auth")


@pytest.mark.parametrize(
    ("state", "facts", "brings"),
    [
        ("Initial", [fact(ours="auth")], True),
        ("Pending", [fact(ours="auth")], True),
        ("Failure", [fact(ours="auth")], True),
        ("Initial", [fact(state=State.PENDING, ours="auth"), fact(ours="auth")], True),
        ("Success", [fact(ours="auth")], False),
        ("Initial", [fact(state=State.PENDING, ours="auth")], False),
        ("Initial", [fact(state=State.FAILURE, ours="auth")], False),
        ("Initial", [fact(amount=4300, ours="auth")], False),
        ("Initial", [fact(Kind.CHARGE)], False),
        ("Initial", [], False),
    ],
)
def test_facts_bring_success_where_the_attempt_rises_to_it(state, facts, brings):
    payment = parse_payment(payment_document(transaction("auth", state=state, command="c1")))
    assert brings_success(payment, facts) is brings


def test_what_was_undone_bears_the_mark():
    done = payment_document(transaction("r", "Refund", "Success", command="c1", interaction_id="r-1"))
    assert marks(done, fact(Kind.REFUND, State.REVERSED, name="r-1"))["ctpayReversed"] is True
