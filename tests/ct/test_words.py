"""What people read when the law says no. Each text is part of the product: changing one is a decision."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from support.ct_documents import NOON, applied, cart_document, money, payment, payment_document, transaction

from ct.admission import NothingToDo, Refused, Request, admit
from ct.attempts import Reject, Resume, Wish, decide, slot_of
from ct.cart import parse_cart
from ct.judge import judge_cancel, judge_capture, judge_refund
from ct.messages import UnreadableMessageError, read_notification
from ct.payment import parse_payment
from ct.plan import Cause, plan
from ct.standing import standing_of
from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.facts import Fact, Instrument, Kind, Reference, State
from psp.money import Money, UnknownCurrencyError
from psp.outcome import Reason, Standing
from psp.sandbox.scrub import scrub


def capabilities(captures=CaptureSupport.MULTIPLE, scope=RefundScope.PAYMENT):
    return Capabilities(
        methods=frozenset({"card"}),
        captures=captures,
        remainder=Remainder.KEPT,
        refund_scope=scope,
        key_lifetime=timedelta(hours=24),
        key_length_max=64,
        lookup_by=frozenset(LookupBy),
    )


ANY = capabilities()


def eur(amount):
    return Money(amount=amount, currency="EUR")


def held(*more, state="Success", **fields):
    return payment(transaction("auth", state=state, command="c1", fields=fields), *more, interfaceId="psp-1")


def charge(identity, amount, state="Success"):
    return transaction(identity, "Charge", state, amount, command=identity)


CANCEL = transaction("can", "CancelAuthorization", "Success", 4200, command="can")


@pytest.mark.parametrize(
    ("on", "amount", "psp", "code", "words"),
    [
        (held(CANCEL), 1, ANY, "cancelled", "The authorization is cancelled, so nothing can be captured."),
        (
            held(charge("a", 1)),
            1,
            capabilities(CaptureSupport.ONCE),
            "already-captured",
            "The PSP captures an authorization once, and that was done.",
        ),
        (
            held(charge("a", 4000)),
            201,
            ANY,
            "exceeds-authorization",
            "2.01 EUR is more than the 2.00 EUR left to capture.",
        ),
        (
            held(charge("a", 4300)),
            5,
            ANY,
            "exceeds-authorization",
            "0.05 EUR is more than the 0.00 EUR left to capture.",
        ),
        (
            held(),
            1,
            capabilities(CaptureSupport.FULL),
            "partial-capture-unsupported",
            "The PSP captures the whole authorization only.",
        ),
        (
            held(ctpaySuperseded=True),
            1,
            ANY,
            "superseded",
            "The shopper has paid otherwise; this attempt was given up.",
        ),
        (held(state="Failure"), 1, ANY, "not-authorized", "The Payment has no successful Authorization."),
        (
            payment(transaction("auth", state="Success", command="c1")),
            1,
            ANY,
            "unknown-to-psp",
            "The Payment has no interfaceId, so the PSP cannot be asked about it.",
        ),
        (held(), 0, ANY, "amount-not-positive", "The amount must be more than nothing."),
    ],
)
def test_a_capture_that_the_law_forbids_says_why(on, amount, psp, code, words):
    refusal = judge_capture(on, eur(amount), psp)
    assert (refusal.code, refusal.message) == (code, words)


def test_another_currency_is_named_with_the_payments_own():
    refusal = judge_capture(held(), Money(amount=1, currency="USD"), ANY)
    assert (refusal.code, refusal.message) == ("currency-mismatch", "The Payment is in EUR, the request in USD.")


@pytest.mark.parametrize(
    ("on", "code", "words"),
    [
        (held(state="Failure"), "not-authorized", "The Payment holds no money, so there is nothing to cancel."),
        (held(CANCEL), "cancelled", "The authorization is cancelled already."),
        (held(charge("a", 1, "Initial")), "capture-under-way", "A capture is under way. Cancel when it is decided."),
        (held(charge("a", 4200)), "nothing-left", "All of the authorization is captured. Refund it instead."),
    ],
)
def test_a_cancel_that_the_law_forbids_says_why(on, code, words):
    refusal = judge_cancel(on)
    assert (refusal.code, refusal.message) == (code, words)


@pytest.mark.parametrize(
    ("on", "amount", "charge_id", "psp", "code", "words"),
    [
        (
            held(charge("a", 10)),
            1,
            "zz",
            ANY,
            "unknown-charge",
            "The transactionId is no successful Charge of this Payment.",
        ),
        (
            held(charge("a", 10)),
            11,
            None,
            ANY,
            "exceeds-captures",
            "0.11 EUR is more than the 0.10 EUR left to refund.",
        ),
        (
            held(charge("a", 10), transaction("d", "Chargeback", "Pending", 30)),
            11,
            None,
            ANY,
            "exceeds-captures",
            "0.11 EUR is more than the 0.00 EUR left to refund.",
        ),
        (
            held(charge("a", 10), charge("b", 10)),
            11,
            None,
            capabilities(scope=RefundScope.CAPTURE),
            "charge-needed",
            "No single Charge covers it: refund per Charge, by its id.",
        ),
    ],
)
def test_a_refund_that_the_law_forbids_says_why(  # noqa: PLR0917 - one row, one table
    on, amount, charge_id, psp, code, words
):
    refusal = judge_refund(on, eur(amount), psp, charge_id=charge_id)
    assert (refusal.code, refusal.message) == (code, words)


def test_the_last_cent_can_be_captured_cancelled_and_refunded():
    almost = held(charge("a", 4199))
    assert judge_capture(almost, eur(1), ANY) is None
    assert judge_cancel(almost) == eur(1)
    cent = payment(transaction("auth", amount=1, state="Success", command="c"), interfaceId="psp-1")
    assert judge_capture(cent, eur(1), ANY) is None
    assert judge_refund(held(charge("a", 1)), eur(1), ANY) is None


def test_a_refund_of_the_payment_as_a_whole_asks_no_psp_for_a_charge_that_it_does_not_want():
    assert judge_refund(held(charge("a", 10), charge("b", 10)), eur(20), ANY) is None


def request(kind, amount=None, **more):
    return Request(
        command_id="c-9",
        kind=kind,
        accepted_at=NOON,
        now=NOON + timedelta(minutes=3),
        send_by=NOON + timedelta(hours=23),
        amount=None if amount is None else eur(amount),
        **more,
    )


@pytest.mark.parametrize(
    ("on", "code", "words"),
    [
        (held(charge("a", 1, "Pending")), "capture-under-way", "A capture is under way. Reverse when it is decided."),
        (held(state="Failure"), "nothing-to-reverse", "Nothing is held and nothing is captured."),
    ],
)
def test_a_reversal_that_the_law_forbids_says_why(on, code, words):
    refused = admit(on, request(None), ANY)
    assert isinstance(refused, Refused)
    assert (refused.refusal.code, refused.refusal.message) == (code, words)


def test_a_cancel_of_another_amount_than_is_left_says_what_is_left():
    on = held(transaction("m", "CancelAuthorization", "Initial", 100))
    refused = admit(on, request(Kind.CANCEL_AUTHORIZATION, claiming="m"), ANY)
    words = "A cancel releases what is left, 42.00 EUR, not 1.00 EUR."
    assert (refused.refusal.code, refused.refusal.message) == ("not-what-is-left", words)


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (held(), "the transaction is not there any more"),
        (held(transaction("m", "Charge", "Success", 1)), "a merchant has set the transaction to Success"),
    ],
)
def test_a_claim_of_what_is_gone_or_decided_says_so(on, words):
    nothing = admit(on, request(Kind.CHARGE, claiming="m"), ANY)
    assert isinstance(nothing, NothingToDo)
    assert nothing.reason == words


def test_a_reservation_bears_the_time_at_which_it_was_made():
    document = payment_document(transaction("auth", state="Success", command="c1"), interfaceId="psp-1")
    admitted = admit(parse_payment(document), request(Kind.CHARGE, 5), ANY)
    assert admitted.actions[0]["transaction"]["timestamp"] == "2026-03-01T12:03:00.000Z"


def test_a_claim_is_noted_with_the_command_that_made_it():
    on = held(transaction("m", "Charge", "Initial", 100))
    admitted = admit(on, request(Kind.CHARGE, claiming="m"), ANY)
    assert admitted.actions[0]["fields"]["ctpayCause"] == "c-9"
    assert (admitted.commands, admitted.claimed) == ((), "m")


def test_a_claimed_refund_notes_the_charge_that_it_comes_out_of_where_the_psp_wants_one():
    on = held(charge("a", 100), charge("b", 300), transaction("m", "Refund", "Initial", 200))
    admitted = admit(on, request(Kind.REFUND, claiming="m"), capabilities(scope=RefundScope.CAPTURE))
    assert admitted.actions[1]["fields"]["ctpayChargeId"] == "b"


def test_a_refund_notes_the_charge_that_it_comes_out_of_and_a_capture_none():
    document = payment_document(
        transaction("auth", state="Success", command="c1"), charge("a", 100), charge("b", 300), interfaceId="psp-1"
    )
    per_capture = capabilities(scope=RefundScope.CAPTURE)
    for kind, noted in ((Kind.REFUND, "b"), (Kind.CHARGE, None)):
        admitted = admit(parse_payment(document), request(kind, 200), per_capture)
        after = parse_payment(applied(document, admitted.actions))
        assert after.by_command("c-9").charge_id == noted


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


def cart(*payments, **more):
    return parse_cart(cart_document(*payments, **more))


@pytest.mark.parametrize(
    ("on", "code", "words"),
    [
        (
            cart(cartState="Ordered"),
            "cart-not-active",
            "The cart was ordered or closed meanwhile; it takes no payment.",
        ),
        (
            cart(payment_document(transaction("o", state="Pending", command="o"))),
            "payment-under-way",
            "Another payment of this cart is under way.",
        ),
        (
            cart(payment_document(transaction("o", state="Success", command="o"))),
            "nothing-to-pay",
            "The cart is paid for already.",
        ),
    ],
)
def test_a_cart_that_takes_no_payment_says_why_and_the_refusal_can_be_recorded(on, code, words):
    rejected = decide(WISH, on)
    assert isinstance(rejected, Reject)
    assert (rejected.refusal.code, rejected.refusal.message) == (code, words)
    assert (rejected.amount, rejected.slot) == (eur(4200), slot_of(WISH, "cart-1", eur(4200)))
    assert len(rejected.key) == 64


def test_an_attempt_whose_cart_has_changed_before_it_was_added_says_so():
    mine = parse_payment(payment_document(transaction("t", command="c-new", fields={"ctpayRequestHash": "h"})))
    resumed = decide(WISH, cart(total=9900), [mine])
    assert isinstance(resumed, Resume)
    words = "The cart's total has changed meanwhile. Pay what it is now."
    assert (resumed.refusal.code, resumed.refusal.message, resumed.supersede) == ("cart-changed", words, ())


def test_a_cart_of_one_cent_can_be_paid():
    assert decide(WISH, cart(total=1)).amount == eur(1)


def test_a_cart_names_its_shopper_and_takes_payments_unless_it_says_otherwise():
    document = cart_document(anonymousId="anonymous-7", customerId="customer-8")
    del document["cartState"]
    found = parse_cart(document)
    assert (found.anonymous_id, found.customer_id, found.active) == ("anonymous-7", "customer-8", True)
    assert not parse_cart(cart_document(cartState="Merged")).active


BASE = {
    "notificationType": "Message",
    "projectKey": "demo",
    "id": "m-1",
    "resource": {"typeId": "payment", "id": "pay-1"},
    "type": "PaymentTransactionAdded",
}


def read(document):
    return read_notification(json.dumps(document).encode(), project_key="demo", interface="ctpay-test")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"notificationType": "ResourceCreated"}, "notification ResourceCreated asks nothing"),
        ({"notificationType": "x" * 50}, f"notification {'x' * 40} asks nothing"),
        ({"projectKey": "other"}, "another project's message"),
        ({"resource": {"typeId": "order", "id": "o"}}, "not about a payment"),
        ({"type": "PaymentCreated", "payment": payment_document(interface="theirs")}, "not our payment interface"),
        ({"type": "PaymentCreated", "payment": {"id": "p"}}, "not our payment interface"),
        ({"type": "y" * 70}, f"message {'y' * 60} asks nothing"),
        ({"transaction": transaction("t", "Charge", "Success")}, "no Initial transaction of a merchant's in it"),
        (
            {"type": "PaymentCreated", "payment": {"paymentMethodInfo": {"paymentInterface": "ctpay-test"}}},
            "no Initial transaction of a merchant's in it",
        ),
    ],
)
def test_a_notification_that_asks_nothing_says_why_and_keeps_its_name(change, words):
    asking = read(BASE | change)
    assert (asking.reason, asking.asked, asking.id) == (words, (), "m-1")


def test_a_notification_that_asks_says_nothing_else():
    asking = read(BASE | {"transaction": transaction("t", "Charge"), "id": "n" * 64})
    assert (asking.reason, asking.id) == ("", "n" * 64)
    unnamed = {name: value for name, value in BASE.items() if name != "id"}
    assert read(unnamed | {"transaction": transaction("t", "Charge")}).id == ""
    assert read(BASE | {"payloadNotIncluded": {"reason": "TooLarge"}}).id == "m-1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[]", "The message is no commercetools notification. See who else may publish to this topic."),
        (
            json.dumps(BASE | {"transaction": {}}).encode(),
            "A payment message lacks what commercetools documents. Look at it.",
        ),
    ],
)
def test_what_cannot_be_read_tells_a_person_what_to_do(data, words):
    with pytest.raises(UnreadableMessageError) as caught:
        read_notification(data, project_key="demo", interface="ctpay-test")
    assert str(caught.value) == words


def entry(**fields):
    values = {"At": "2026-03-01T12:00:00.000Z", "Cause": "c"} | fields
    return {"type": {}, "fields": {f"ctpay{name}": value for name, value in values.items()}}


def standing(state, *, log=(), kind="Authorization", status=None, **fields):
    document = payment_document(
        transaction("t", kind, state, command="c", fields=fields),
        interfaceInteractions=list(log),
        paymentStatus=status or {},
    )
    found = parse_payment(document)
    return standing_of(found, found.transaction("t"))


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        (
            "Success",
            {"ctpaySuperseded": True},
            Reason(code="superseded", message="The shopper has paid otherwise; this attempt was given up."),
        ),
        (
            "Failure",
            {"log": [entry(Kind="refusal", TransactionId="t")]},
            Reason(code="refused", message="Refused."),
        ),
        ("Failure", {}, Reason(code="declined", message="The payment service provider declined.")),
        (
            "Failure",
            {"kind": "Charge", "status": {"interfaceText": "the authorization's own"}},
            Reason(code="declined", message="The payment service provider declined."),
        ),
    ],
)
def test_an_end_says_why_and_names_the_payment(state, more, reason):
    told = standing(state, **more)
    assert told == Standing(outcome=told.outcome, payment_reference="pay-1", reason=reason)


def test_a_refusal_of_another_command_is_not_this_charges_own():
    log = [entry(Kind="refusal", Cause="c", Code="x")]
    assert standing("Failure", kind="Charge", log=log).outcome == "rejected"


def fact(kind=Kind.CHARGE, state=State.SUCCESS, amount=999, *, name="cap-9", ours=None, **more):
    reference = Reference(project_key="demo", payment_id="pay-1", transaction_id=ours) if ours else None
    values = {"payment_reference": "psp-pay", "at": NOON + timedelta(hours=2)} | more
    return Fact(kind=kind, state=state, amount=eur(amount), psp_reference=name, reference=reference, **values)


CAUSE = Cause(id="event-1", at=NOON)


def test_another_amount_than_ours_is_flagged_with_both_sides_and_the_event():
    document = payment_document(transaction("cap", "Charge", "Initial", 3000, command="c2"), interfaceId="psp-pay")
    added, flag = plan(parse_payment(document), [fact(ours="cap")], CAUSE)
    assert added["transaction"]["timestamp"] == "2026-03-01T14:00:00.000Z"
    assert added["transaction"]["custom"]["fields"] == {"ctpayPspReference": added["transaction"]["interactionId"]}
    assert flag["fields"] == {
        "ctpayKind": "mismatch",
        "ctpayCause": "event-1",
        "ctpayAt": "2026-03-01T12:00:00.000Z",
        "ctpayTransactionId": "cap",
        "ctpayCode": "amount-mismatch",
        "ctpayMessage": "The PSP reports Charge Success of 9.99 EUR, another amount than here.",
    }


def test_what_the_psp_told_is_noted_in_its_words():
    document = payment_document(transaction("cap", "Charge", "Initial", 999, command="c2"), interfaceId="psp-pay")
    for message, words in ((None, "Charge Failure"), ("no funds", "Charge Failure: no funds")):
        actions = plan(parse_payment(document), [fact(state=State.FAILURE, ours="cap", message=message)], CAUSE)
        assert actions[-1]["fields"]["ctpayMessage"] == words


def test_what_a_bank_took_back_and_gave_back_again_is_added_with_its_mark():
    (added, _) = plan(parse_payment(payment_document(interfaceId="p")), [fact(Kind.CHARGEBACK, State.REVERSED)], CAUSE)
    assert added["transaction"]["state"] == "Failure"
    assert added["transaction"]["custom"]["fields"] == {"ctpayReversed": True, "ctpayPspReference": "cap-9"}


def test_a_mean_of_payment_without_digits_is_named_by_its_brand():
    document = payment_document(transaction("auth", command="c1"))
    cash = Instrument(method="voucher")
    actions = plan(
        parse_payment(document), [fact(Kind.AUTHORIZATION, amount=4200, ours="auth")], CAUSE, instrument=cash
    )
    assert {"action": "setMethodInfoName", "name": {"en": "voucher"}} in actions


def test_of_several_captures_under_the_payments_name_the_amount_tells_which_is_meant():
    document = payment_document(
        transaction("a", "Charge", "Pending", 100, command="a", interaction_id="psp-pay"),
        transaction("b", "Charge", "Pending", 200, command="b", interaction_id="psp-pay"),
        interfaceId="psp-pay",
    )
    settled = parse_payment(applied(document, plan(parse_payment(document), [fact(amount=200, name=None)], CAUSE)))
    assert [(one.id, one.state) for one in settled.transactions] == [("a", State.PENDING), ("b", State.SUCCESS)]
    odd = plan(parse_payment(document), [fact(amount=300, name=None)], CAUSE)
    assert odd[-1]["fields"]["ctpayTransactionId"] == "a"


def test_a_payment_says_its_key_and_a_transaction_the_psps_own_name_and_our_time():
    document = payment_document(
        transaction("a", command="a", fields={"ctpayAcceptedAt": "2026-03-01T12:00:05.000Z"})
        | {"interfaceId": "their-own"},
        key="key-1",
    )
    found = parse_payment(document)
    assert found.key == "key-1"
    assert found.transaction("a").interface_id == "their-own"
    assert found.transaction("a").accepted_at == NOON + timedelta(seconds=5)


def test_a_payment_that_leaves_out_what_it_may_leave_out_can_be_read():
    found = parse_payment({"id": "p", "version": 1, "amountPlanned": money(1)})
    assert (found.transactions, found.interactions, found.interface, found.status_code) == ((), (), None, None)
    bare = parse_payment({"id": "p", "version": 1, "amountPlanned": money(1), "interfaceInteractions": [{}]})
    assert bare.interactions == ()
    initial = {"id": "t", "type": "Charge", "amount": money(1)}
    untold = parse_payment({"id": "p", "version": 1, "amountPlanned": money(1), "transactions": [initial]})
    assert untold.transaction("t").state is State.INITIAL


def test_an_unknown_currency_is_named_in_part_and_says_where_it_belongs():
    with pytest.raises(UnknownCurrencyError) as caught:
        Money(amount=1, currency="WAMPUM-BEADS")
    words = "Unknown currency 'WAMPUM-B'. Use an ISO 4217 code; a new one belongs in psp/money.py."
    assert str(caught.value) == words


def test_nothing_at_all_reads_without_a_sign():
    assert (str(eur(0)), str(eur(-5))) == ("0.00 EUR", "-0.05 EUR")


def test_a_masked_text_says_what_was_masked():
    text = "card 4242 4242 4242 4242, CVC: 123, under sk_live_1 and tok_1"
    assert scrub(text) == "card [card], CVC: [code], under [secret] and [secret]"
    # Whoever quotes a request to us may quote what we log in with.
    assert scrub("refused: Authorization: Basic Y3RwYXk6c2VjcmV0 is not enough") == (
        "refused: Authorization: [secret] is not enough"
    )
