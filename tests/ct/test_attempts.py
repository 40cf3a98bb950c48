from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.ct_documents import NOON, cart_document, money, payment_document, transaction

from ct.actions import stored_action
from ct.attempts import Begin, Join, KeyReused, Reject, Resume, Wish, decide, slot_of
from ct.cart import parse_cart
from ct.payment import parse_payment
from psp.facts import Action, ActionType
from psp.money import Money

WISH = Wish(
    command_id="c-new",
    accepted_at=NOON + timedelta(minutes=1),
    project_key="demo",
    owner="owner-1",
    method="card",
    attempt_key=None,
    request_hash="h",
    interface="ctpay-test",
)
OPEN_ACTION = stored_action(Action(type=ActionType.CHALLENGE, url="https://psp.example"))


def eur(amount):
    return Money(amount=amount, currency="EUR")


def slot(amount=4200, wish=WISH):
    return slot_of(wish, "cart-1", eur(amount))


def attempt(identity, state, *, amount=4200, wish=WISH, command=None, at=None, **fields):
    values = {"ctpaySlot": slot(amount, wish), "ctpayRequestHash": "h"} | fields
    return payment_document(
        transaction(
            f"auth-{identity}",
            state=state,
            amount=amount,
            command=command or f"c-{identity}",
            fields=values,
            at=at or "2026-03-01T12:00:00.000Z",
        ),
        identity=identity,
        amountPlanned=money(amount),
        key=f"key-{identity}",
    )


def cart(*payments, **more):
    return parse_cart(cart_document(*payments, **more))


def test_an_empty_cart_begins_an_attempt_over_its_total():
    decision = decide(WISH, cart())
    assert isinstance(decision, Begin)
    assert (decision.amount, decision.slot, decision.supersede) == (eur(4200), slot(), ())


def test_the_same_wish_gets_the_same_key_and_the_next_try_another():
    first = decide(WISH, cart())
    assert decide(replace(WISH, command_id="c-other"), cart()).key == first.key
    failed = attempt("a", "Failure", at="2026-03-01T12:00:30.000Z") | {"key": first.key}
    again = decide(WISH, cart(failed))
    assert isinstance(again, Begin)
    assert again.key != first.key


@pytest.mark.parametrize("state", ["Initial", "Pending", "Success"])
def test_a_second_click_joins_the_first(state):
    decision = decide(WISH, cart(attempt("a", state)))
    assert isinstance(decision, Join)
    assert decision.payment.id == "a"


def test_a_redelivered_request_that_is_older_than_the_failure_gets_the_failure_and_no_new_attempt():
    decision = decide(WISH, cart(attempt("a", "Failure", at="2026-03-01T12:05:00.000Z")))
    assert isinstance(decision, Join)


def test_my_own_payment_is_resumed_wherever_it_was_met():
    mine = attempt("a", "Initial", command="c-new")
    on_cart = decide(WISH, cart(mine))
    assert isinstance(on_cart, Resume)
    assert (on_cart.payment.id, on_cart.refusal, on_cart.supersede) == ("a", None, ())
    by_key = decide(WISH, cart(), [parse_payment(mine)])
    assert isinstance(by_key, Resume)
    assert by_key.refusal is None


@pytest.mark.parametrize("state", ["Success", "Failure"])
def test_my_payment_that_is_decided_gives_nothing_up_and_is_not_weighed_again(state):
    left_open = attempt("a", "Pending", ctpayAction=OPEN_ACTION, ctpayActionAt="2026-03-01T12:00:10.000Z")
    mine = parse_payment(attempt("b", state, command="c-new"))
    decision = decide(WISH, cart(left_open, cartState="Ordered"), [mine])
    assert isinstance(decision, Resume)
    assert (decision.payment.id, decision.supersede, decision.refusal) == ("b", (), None)


def test_my_payment_that_is_not_on_the_cart_is_refused_when_the_cart_was_paid_meanwhile():
    mine = parse_payment(attempt("a", "Initial", command="c-new"))
    other = attempt("b", "Success", wish=replace(WISH, owner="owner-2"))
    decision = decide(WISH, cart(other), [mine])
    assert isinstance(decision, Resume)
    assert decision.refusal.code == "nothing-to-pay"


def test_two_tabs_with_sessions_of_their_own_one_cart_one_payment():
    theirs = attempt("a", "Initial", wish=replace(WISH, owner="owner-2"))
    decision = decide(WISH, cart(theirs))
    assert isinstance(decision, Reject)
    assert decision.refusal.code == "payment-under-way"


def test_a_paid_cart_is_not_paid_again():
    paid = attempt("a", "Success", wish=replace(WISH, owner="owner-2"))
    assert decide(WISH, cart(paid)).refusal.code == "nothing-to-pay"


def test_an_ordered_cart_takes_no_payment():
    assert decide(WISH, cart(cartState="Ordered")).refusal.code == "cart-not-active"


@pytest.mark.parametrize("state", ["Active", "Frozen"])
def test_a_cart_whose_prices_are_frozen_is_paid_for_like_any_other(state):
    assert decide(WISH, cart(cartState=state)) == decide(WISH, cart())


def test_a_challenge_left_open_is_given_up_by_the_next_try_and_not_by_a_double_click():
    left_open = attempt("a", "Pending", ctpayAction=OPEN_ACTION, ctpayActionAt="2026-03-01T12:00:10.000Z")
    left_open["key"] = decide(WISH, cart()).key
    decision = decide(WISH, cart(left_open))
    assert isinstance(decision, Begin)
    assert [one.id for one in decision.supersede] == ["a"]
    assert decision.amount == eur(4200)
    assert decision.key != decide(WISH, cart()).key
    clicked_twice = replace(WISH, accepted_at=NOON + timedelta(seconds=11))
    assert isinstance(decide(clicked_twice, cart(left_open)), Join)
    another_card = replace(clicked_twice, attempt_key="key-2")
    assert [one.id for one in decide(another_card, cart(left_open)).supersede] == ["a"]


def test_giving_an_attempt_up_frees_what_it_holds_and_not_what_was_captured_on_it():
    """A merchant has put a Charge on it by hand, and set it to Pending."""
    left_open = attempt("a", "Pending", ctpayAction=OPEN_ACTION, ctpayActionAt="2026-03-01T12:00:10.000Z")
    left_open["transactions"].append(transaction("by-hand", "Charge", "Pending", 1000))
    decision = decide(WISH, cart(left_open))
    assert isinstance(decision, Begin)
    assert ([one.id for one in decision.supersede], decision.amount) == (["a"], eur(3200))


def test_a_superseded_attempt_counts_no_more():
    given_up = attempt("a", "Pending", ctpaySuperseded=True, ctpayActionAt="2026-03-01T12:00:10.000Z")
    decision = decide(WISH, cart(given_up))
    assert isinstance(decision, Begin)
    assert decision.supersede == ()


def test_money_that_moved_on_a_superseded_attempt_counts_all_the_same():
    moved = attempt("a", "Success", ctpaySuperseded=True)
    assert isinstance(decide(WISH, cart(moved)), Reject)


def test_what_is_left_beside_a_gift_card_is_what_is_asked_for():
    gift = payment_document(
        transaction("g", "Charge", "Success", 1200), identity="gift", interface="gift-cards", amountPlanned=money(1200)
    )
    decision = decide(WISH, cart(gift))
    assert decision.amount == eur(3000)
    mine = attempt("a", "Success", amount=3000)
    assert isinstance(decide(WISH, cart(gift, mine)), Join)


def test_one_partial_refund_does_not_make_the_whole_payment_count_as_unpaid():
    paid = payment_document(
        transaction("auth", state="Success", command="x"),
        transaction("cap", "Charge", "Success", 4200, command="y"),
        transaction("ref", "Refund", "Success", 200, command="z"),
    )
    assert decide(WISH, cart(paid)).amount == eur(200)


def test_an_idempotency_key_is_the_payments_key_and_repeats_its_answer():
    keyed = replace(WISH, attempt_key="key-a", command_id="c-keyed")
    assert decide(keyed, cart()).key == "key-a"
    declined = attempt("a", "Failure", command="c-keyed")
    decision = decide(keyed, cart(declined))
    assert isinstance(decision, Resume)
    assert decision.payment.id == "a"


def test_an_idempotency_key_for_something_else_is_refused():
    keyed = replace(WISH, attempt_key="key-a", command_id="c-keyed", request_hash="other")
    assert isinstance(decide(keyed, cart(attempt("a", "Success", command="c-keyed"))), KeyReused)


def test_a_new_key_does_not_join_and_does_not_pay_twice():
    keyed = replace(WISH, attempt_key="key-b", command_id="c-keyed")
    assert isinstance(decide(keyed, cart(attempt("a", "Pending"))), Reject)


def test_another_currency_on_the_cart_covers_nothing():
    usd = payment_document(
        transaction("u", state="Success", currency="USD"), identity="u", amountPlanned=money(4200, "USD")
    )
    assert decide(WISH, cart(usd)).amount == eur(4200)


def test_the_taxed_total_is_what_is_owed():
    taxed = cart(taxedPrice={"totalGross": money(5000)})
    assert decide(WISH, taxed).amount == eur(5000)


def test_what_others_have_paid_counts_as_paid_by_the_gift_cards_that_are_planned():
    """And what we ourselves hold does not."""
    planned = replace(WISH, gift_card_planned=eur(1000), amount=None)
    gift = payment_document(
        transaction("g", "Charge", "Success", 400), identity="gift", interface="gift-cards", amountPlanned=money(400)
    )
    assert decide(planned, cart(gift)).amount == eur(3200)
    ours = attempt("a", "Success", amount=1200, wish=replace(WISH, owner="owner-2"))
    assert decide(planned, cart(ours)).amount == eur(2000)


def test_more_than_is_left_is_refused_with_what_is_left():
    greedy = replace(WISH, amount=eur(4201))
    assert decide(greedy, cart()).refusal.message == "42.01 EUR is more than the 42.00 EUR left to pay."


CANCELLED_SINCE = payment_document(
    transaction("auth-b", state="Success", fields={"ctpaySlot": slot(), "ctpayRequestHash": "h"}),
    transaction("can-b", "CancelAuthorization", "Success", command="c-cancel"),
    identity="b",
    amountPlanned=money(4200),
    key="key-b",
)


@pytest.mark.parametrize(
    "newer",
    [
        attempt("b", "Failure", wish=replace(WISH, owner="owner-2")),
        attempt("b", "Pending", ctpaySuperseded=True),
        CANCELLED_SINCE,
    ],
    ids=["another shopper's", "given up", "cancelled since"],
)
def test_a_click_joins_the_attempt_that_is_under_way_whatever_came_to_nothing_after_it(newer):
    decision = decide(WISH, cart(attempt("a", "Pending"), newer))
    assert isinstance(decision, Join)
    assert decision.payment.id == "a"


def test_a_redelivered_request_gets_its_failure_also_where_a_later_attempt_was_paid_and_cancelled():
    older = attempt("a", "Failure", at="2026-03-01T12:05:00.000Z")
    decision = decide(WISH, cart(older, CANCELLED_SINCE))
    assert isinstance(decision, Join)
    assert decision.payment.id == "a"


def test_a_slot_keeps_its_name_from_release_to_release():
    """It is written on transactions: another name would let a second attempt begin beside one that is under way."""
    assert slot() == "a1eaafc5bb668f626c6bec0ddee6a63b5d15c3ecf563ddcdab9f8f1ef69ce5a4"


PART = replace(WISH, amount=eur(1000))


def part(state="Success", *, at="2026-03-01T12:00:30.000Z", told_at=None, **more):
    """A part of 10.00 that is paid; `told_at`: when we were told, if that is in the log."""
    paid = attempt("a", state, amount=1000, wish=PART, at=at, **more)
    if told_at is not None:
        fields = {
            "ctpayKind": "fact",
            "ctpayCause": "evt-1",
            "ctpayAt": told_at,
            "ctpayTransactionId": "auth-a",
            "ctpayState": "Success",
            "ctpayCode": "approved",
        }
        paid["interfaceInteractions"] = [{"type": {}, "fields": fields}]
    return cart(paid)


def test_an_equal_part_asked_for_when_the_first_was_known_to_be_paid_is_one_more_part():
    assert isinstance(decide(PART, part()), Begin)


def test_an_equal_part_asked_for_before_the_first_was_known_to_be_paid_is_a_double_click():
    assert isinstance(decide(PART, part(at="2026-03-01T12:01:30.000Z")), Join)


@pytest.mark.parametrize("state", ["Initial", "Pending"])
def test_an_equal_part_asked_for_while_the_first_is_under_way_is_a_double_click(state):
    assert isinstance(decide(PART, part(state)), Join)


def test_when_a_part_was_known_to_be_paid_is_told_by_our_log_and_not_by_the_psps_clock():
    assert isinstance(decide(PART, part(told_at="2026-03-01T12:02:00.000Z")), Join)
    assert isinstance(decide(PART, part(at="2026-03-01T12:02:00.000Z", told_at="2026-03-01T12:00:30.000Z")), Begin)


def told_first(kind, cause="c-new"):
    """A failed attempt whose fields other software has replaced, and the first entry of its log."""
    document = attempt("a", "Failure")
    document["transactions"][0] |= {"custom": {"type": {"typeId": "type", "id": "erp"}, "fields": {}}}
    fields = {"ctpayKind": kind, "ctpayCause": cause, "ctpayAt": "2026-03-01T12:00:00.000Z", "ctpayCode": "x"}
    return document | {"interfaceInteractions": [{"type": {}, "fields": fields}]}


def test_what_was_refused_from_the_start_is_met_again_by_the_log_whatever_became_of_our_fields():
    decision = decide(WISH, cart(told_first("refusal")))
    assert isinstance(decision, Resume)
    assert decision.payment.id == "a"


@pytest.mark.parametrize(("kind", "cause"), [("refusal", "c-other"), ("mismatch", "c-new")])
def test_what_the_log_tells_first_of_others_or_otherwise_is_no_refusal_of_mine(kind, cause):
    assert isinstance(decide(WISH, cart(told_first(kind, cause))), Begin)
