"""Where one line decides between two answers: each test here stands on that line."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from support.ct_documents import NOON, applied, cart_document, money, payment, payment_document, transaction

from ct.actions import set_transaction_custom_field, stored_action, timestamp, transaction_draft
from ct.attempts import Begin, Join, Resume, Wish, decide, slot_of
from ct.cart import parse_cart
from ct.fields import TransactionField
from ct.folds import authorized
from ct.interaction import parse_time
from ct.judge import refund_parts
from ct.payment import parse_payment
from ct.plan import Cause, plan
from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.facts import Action, ActionType, Fact, Instrument, Kind, Reference, State
from psp.money import Money

ACTION = Action(type=ActionType.CHALLENGE, url="https://psp.example/c")
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
PER_CAPTURE = Capabilities(
    methods=frozenset({"card"}),
    captures=CaptureSupport.MULTIPLE,
    remainder=Remainder.KEPT,
    refund_scope=RefundScope.CAPTURE,
    key_lifetime=timedelta(hours=24),
    key_length_max=64,
    lookup_by=frozenset(LookupBy),
)


def eur(amount):
    return Money(amount=amount, currency="EUR")


def at(**later):
    return timestamp(NOON + timedelta(**later))


# Times.


def test_times_are_written_and_read_as_utc_wherever_the_machine_stands(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        moment = datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))
        assert timestamp(moment) == "2026-03-01T12:00:00.000Z"
        assert parse_time("2026-03-01T12:00:00.000Z").utcoffset() == timedelta(0)
    finally:
        monkeypatch.undo()
        time.tzset()


# Actions.


def test_an_action_is_kept_without_a_byte_too_many():
    assert stored_action(ACTION) == '{"type":"challenge","url":"https://psp.example/c"}'


def test_a_field_that_is_taken_away_has_no_value_not_even_null():
    assert "value" not in set_transaction_custom_field("t", TransactionField.ACTION, value=None)


def test_a_transaction_bears_the_psps_own_name_of_the_operation_where_it_has_one():
    draft = transaction_draft(kind=Kind.CHARGE, amount=eur(1), state=State.SUCCESS, at=NOON, interface_id="op-1")
    assert draft["interfaceId"] == "op-1"


# Amounts.


def test_of_authorizations_that_are_not_ours_only_a_success_holds_money():
    on = payment(transaction("x", state="Failure", amount=9), transaction("y", state="Success", amount=100))
    assert authorized(on) == 100


def charge(identity, amount):
    return transaction(identity, "Charge", "Success", amount, command=identity)


def refund(identity, amount, of):
    return transaction(identity, "Refund", "Success", amount, command=identity, fields={"ctpayChargeId": of})


def chargeback(amount):
    return transaction("d", "Chargeback", "Success", amount)


@pytest.mark.parametrize(
    ("transactions", "parts"),
    [
        ((charge("a", 300), charge("b", 500), chargeback(400)), [(300, "a"), (100, "b")]),
        ((charge("a", 300), charge("b", 500), refund("r", 300, "a")), [(500, "b")]),
        ((charge("a", 1),), [(1, "a")]),
        ((charge("a", 300), chargeback(300)), []),
    ],
)
def test_a_reversal_gives_back_what_is_left_of_each_charge_and_not_a_cent_more(transactions, parts):
    found = refund_parts(payment(*transactions, interfaceId="psp-1"), PER_CAPTURE)
    assert [(one.amount.amount, one.charge_id) for one in found] == parts


# Which attempt is this?


def slot(amount=4200, wish=WISH):
    return slot_of(wish, "cart-1", eur(amount))


def attempt(identity, state, *, amount=4200, interface="ctpay-test", command=None, log=(), told=None, **fields):
    values = {"ctpaySlot": slot(amount), "ctpayRequestHash": "h"} | fields
    return payment_document(
        transaction(
            f"auth-{identity}",
            state=state,
            amount=amount,
            command=command or f"c-{identity}",
            fields=values,
            at=told or at(),
        ),
        identity=identity,
        amountPlanned=money(amount),
        key=f"key-{identity}",
        interface=interface,
        interfaceInteractions=list(log),
    )


def left_open(identity, **more):
    """An attempt whose challenge the shopper has before them since noon."""
    return attempt(identity, "Pending", ctpayAction=stored_action(ACTION), ctpayActionAt=at(), **more)


def fact_note(identity, *, at, code=None):
    fields = {"Kind": "fact", "Cause": "e", "TransactionId": f"auth-{identity}", "At": at, "Message": "no"}
    fields |= {"Code": code} if code else {}
    return {"type": {}, "fields": {f"ctpay{name}": value for name, value in fields.items()}}


def cart(*payments, **more):
    return parse_cart(cart_document(*payments, **more))


def test_slots_of_other_amounts_are_other_slots_with_other_keys():
    assert slot(4200) != slot(4300)
    assert decide(WISH, cart(total=4200)).key != decide(WISH, cart(total=4300)).key


def test_the_slot_is_over_what_is_left_to_pay():
    gift_card = payment_document(transaction("g", state="Success", amount=1200), identity="g", interface="gift")
    begun = decide(WISH, cart(gift_card))
    assert isinstance(begun, Begin)
    assert (begun.amount, begun.slot) == (eur(3000), slot(3000))


def test_a_cart_of_one_cent_begins_an_attempt():
    assert isinstance(decide(WISH, cart(total=1)), Begin)


def test_an_attempt_under_another_interface_is_never_mine():
    theirs = attempt("a", "Initial", interface="other", command="c-new", amount=100)
    assert not isinstance(decide(WISH, cart(theirs)), Resume)


def test_another_command_under_the_same_idempotency_key_is_the_same_attempt():
    again = decide(replace(WISH, attempt_key="key-a"), cart(attempt("a", "Success")))
    assert isinstance(again, Resume)
    assert again.payment.id == "a"


def test_an_attempt_that_was_not_added_yet_gives_up_the_one_left_open_and_pays_for_the_whole_cart():
    mine = parse_payment(attempt("m", "Initial", command="c-new"))
    resumed = decide(WISH, cart(left_open("a")), [mine])
    assert isinstance(resumed, Resume)
    assert (resumed.refusal, [one.id for one in resumed.supersede]) == (None, ["a"])


def test_an_attempt_that_was_added_gives_up_nothing_again_and_is_not_weighed_again():
    resumed = decide(WISH, cart(left_open("a"), attempt("m", "Initial", command="c-new"), total=9900))
    assert isinstance(resumed, Resume)
    assert (resumed.refusal, resumed.supersede) == (None, ())


def test_an_attempt_that_may_not_be_added_gives_up_nothing():
    mine = parse_payment(attempt("m", "Initial", command="c-new"))
    resumed = decide(WISH, cart(left_open("a"), total=9900), [mine])
    assert (resumed.refusal.code, resumed.supersede) == ("cart-changed", ())


@pytest.mark.parametrize(
    "newer",
    [
        payment_document(identity="z"),
        attempt("z", "Failure", amount=100),
        attempt("z", "Failure", ctpaySuperseded=True),
        payment_document(
            transaction("auth-z", state="Success", command="c-z", fields={"ctpaySlot": slot()}),
            transaction("can", "CancelAuthorization", "Success", command="can"),
            identity="z",
        ),
    ],
)
def test_a_second_click_finds_the_first_behind_whatever_came_later(newer):
    joined = decide(WISH, cart(attempt("a", "Initial"), newer))
    assert isinstance(joined, Join)
    assert joined.payment.id == "a"


@pytest.mark.parametrize(
    ("told_at", "code", "send_by", "asked_at", "answer"),
    [
        # The failure counts from when we learned of it, not from the PSP's time (noon).
        ({"seconds": 40}, "51", None, {"seconds": 20}, Join),
        ({"seconds": 40}, "51", None, {"seconds": 41}, Begin),
        # What could not be sent in time was over then, however late that was noticed.
        ({"minutes": 30}, "expired", {"minutes": 15}, {"minutes": 20}, Begin),
        ({"minutes": 30}, "expired", {"minutes": 15}, {"minutes": 10}, Join),
        # A decline was not over before it was told.
        ({"minutes": 30}, "51", {"minutes": 15}, {"minutes": 20}, Join),
    ],
)
def test_only_who_asks_after_the_failure_was_known_tries_again(told_at, code, send_by, asked_at, answer):
    fields = {"ctpaySendBy": at(**send_by)} if send_by else {}
    failed = attempt("a", "Failure", log=[fact_note("a", at=at(**told_at), code=code)], **fields)
    assert isinstance(decide(replace(WISH, accepted_at=NOON + timedelta(**asked_at)), cart(failed)), answer)


def test_two_seconds_after_the_challenge_came_up_is_still_a_double_click():
    for later, answer in ((2000, Join), (2001, Begin)):
        asked = replace(WISH, accepted_at=NOON + timedelta(milliseconds=later))
        assert isinstance(decide(asked, cart(left_open("a"))), answer)


# What the PSP says.

CAUSE = Cause(id="event-1", at=NOON)


def fact(kind=Kind.CHARGE, state=State.SUCCESS, amount=999, *, name="cap-9", ours=None, **more):
    reference = Reference(project_key="demo", payment_id="pay-1", transaction_id=ours) if ours else None
    values = {"payment_reference": "psp-pay", "at": NOON} | more
    return Fact(kind=kind, state=state, amount=eur(amount), psp_reference=name, reference=reference, **values)


def settled(document, *facts, **more):
    actions = plan(parse_payment(document), facts, CAUSE, **more)
    return parse_payment(applied(document, actions)), [one["action"] for one in actions]


def test_the_psps_name_of_the_payment_alone_is_news_once():
    document = payment_document(transaction("auth", state="Success", command="c", interaction_id="a-1"))
    told = fact(Kind.AUTHORIZATION, amount=4200, name="a-1", ours="auth")
    named, actions = settled(document, told)
    assert (named.interface_id, actions) == ("psp-pay", ["setInterfaceId"])
    assert settled(document | {"interfaceId": "psp-pay"}, told)[1] == []


def test_how_it_was_paid_is_no_news_by_itself():
    document = payment_document(transaction("auth", state="Success", command="c", interaction_id="a-1"))
    told = fact(Kind.AUTHORIZATION, amount=4200, name="a-1", ours="auth", payment_reference=None)
    assert settled(document, told, instrument=Instrument(method="card"))[1] == []


def test_a_nameless_fact_settles_the_only_authorization_and_a_nameless_capture_is_a_new_one():
    document = payment_document(transaction("auth", state="Pending", command="c", interaction_id="a-1"))
    nameless = {"name": None, "payment_reference": None}
    assert settled(document, fact(Kind.AUTHORIZATION, amount=4200, **nameless))[0].authorization.state is State.SUCCESS
    after, _ = settled(document, fact(**nameless))
    assert [(one.kind, one.state) for one in after.transactions] == [
        (Kind.AUTHORIZATION, State.PENDING),
        (Kind.CHARGE, State.SUCCESS),
    ]


def test_an_authorization_of_ours_that_is_not_on_this_payment_is_not_the_one_that_is():
    document = payment_document(transaction("auth", state="Pending", command="c", interaction_id="a-1"))
    lost = fact(Kind.AUTHORIZATION, amount=4200, name=None, payment_reference=None, ours="gone")
    assert settled(document, lost)[0].transaction("auth").state is State.PENDING


def test_facts_about_two_captures_settle_both_in_one_write():
    document = payment_document(
        transaction("a", "Charge", "Initial", 100, command="a"),
        transaction("b", "Charge", "Initial", 200, command="b"),
        interfaceId="psp-pay",
    )
    after, _ = settled(document, fact(amount=100, name="1", ours="a"), fact(amount=200, name="2", ours="b"))
    assert [one.state for one in after.transactions] == [State.SUCCESS, State.SUCCESS]


def test_two_facts_about_one_capture_change_it_once_and_the_first_of_equals_is_noted():
    document = payment_document(transaction("a", "Charge", "Initial", 999, command="a"), interfaceId="psp-pay")
    after, actions = settled(
        document,
        fact(state=State.PENDING, name=None, ours="a"),
        fact(name="cap-9", ours="a", code="first"),
        fact(name="cap-9", ours="a", code="second"),
    )
    assert actions.count("changeTransactionState") == 1
    assert [one.code for one in after.interactions] == ["first"]


def test_two_facts_of_other_amounts_are_both_added_and_each_only_once():
    document = payment_document(transaction("cap", "Charge", "Initial", 3000, command="c"), interfaceId="psp-pay")
    odd = (fact(amount=999, ours="cap"), fact(amount=888, ours="cap"))
    after, _ = settled(document, *odd)
    assert sorted(one.amount.amount for one in after.of_kind(Kind.CHARGE)) == [888, 999, 3000]
    pending, _ = settled(document, fact(state=State.PENDING, ours="cap"))
    beside = next(one for one in pending.transactions if one.amount == eur(999))
    raised = plan(pending, (fact(state=State.FAILURE, ours="cap"), fact(ours="cap")), CAUSE)
    changes = [one for one in raised if one["action"] == "changeTransactionState"]
    assert changes == [{"action": "changeTransactionState", "transactionId": beside.id, "state": "Success"}]


@pytest.mark.parametrize(
    ("before", "told"), [(State.PENDING, State.SUCCESS), (State.SUCCESS, State.PENDING), (State.FAILURE, State.PENDING)]
)
def test_an_action_is_asked_of_nobody_once_it_is_decided(before, told):
    document = payment_document(transaction("auth", state=before.value, command="c", interaction_id="a-1"))
    after, _ = settled(document, fact(Kind.AUTHORIZATION, told, 4200, name="a-1", ours="auth"), action=ACTION)
    assert after.transaction("auth").action is None


def test_the_last_word_may_be_a_code_alone_and_an_entry_may_lack_its_cause():
    fields = {"ctpayKind": "fact", "ctpayAt": at(), "ctpayTransactionId": "t", "ctpayCode": "51"}
    found = payment(interfaceInteractions=[{"type": {}, "fields": fields}])
    assert found.last_word("t").code == "51"
    assert found.last_word("t").cause == ""
