from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.ct_documents import cart_document, money, payment_document, transaction

from ct.actions import stored_action
from ct.cart import parse_cart
from ct.folds import authorized, captures_used, covers, uses
from ct.payment import UnreadablePaymentError, parse_payment
from psp.facts import Action, ActionType, State
from psp.money import Money


def entry(**fields):
    return {"type": {"typeId": "type", "id": "i"}, "fields": {f"ctpay{name}": value for name, value in fields.items()}}


CLAIM = entry(Kind="claim", Cause="c", TransactionId="m", At="2026-03-01T12:00:00.000Z")


def test_what_a_payment_says_is_read_and_what_others_log_is_left_out():
    action = Action(type=ActionType.REDIRECT, url="https://psp.example/r")
    document = payment_document(
        transaction("auth", command="c1", fields={"ctpayAction": stored_action(action), "ctpayCartVersion": 7}),
        transaction("m", "Charge"),
        interfaceId="psp-1",
        interfaceInteractions=[CLAIM, entry(Kind="somebody-else's"), {"type": {}, "fields": {"other": 1}}],
    )
    payment = parse_payment(document)
    assert payment.transaction("auth").action == action
    assert payment.transaction("auth").cart_version == 7
    assert payment.transaction("m").claimed
    assert payment.transaction("m").taken
    assert not payment.transaction("m").typed
    assert [one.cause for one in payment.interactions] == ["c"]
    assert payment.transaction("nobody") is None


def test_a_failure_with_the_mark_reads_as_reversed():
    document = payment_document(transaction("r", "Refund", "Failure", fields={"ctpayReversed": True}))
    assert parse_payment(document).transaction("r").state is State.REVERSED


@pytest.mark.parametrize(
    "damage",
    [
        {"amountPlanned": {"type": "highPrecision", "preciseAmount": 1, "currencyCode": "EUR", "centAmount": 1}},
        {"amountPlanned": money(1, "ZZZ")},
        {"transactions": [{"id": "t", "type": "Sorcery", "amount": money(1)}]},
        {"transactions": [{"id": "t", "type": "Charge"}]},
        {"transactions": "none"},
        {"interfaceInteractions": ["text"]},
        {"interfaceInteractions": [entry(Kind="claim", Cause="c", At="yesterday")]},
    ],
)
def test_what_cannot_be_judged_is_unreadable_and_says_whose_it_is(damage):
    with pytest.raises(UnreadablePaymentError, match="pay-1"):
        parse_payment(payment_document() | damage)


def test_a_merchants_initial_transaction_uses_nothing_until_it_is_taken():
    unclaimed = payment_document(transaction("m", "Charge", "Initial", 100))
    assert captures_used(parse_payment(unclaimed)) == 0
    claimed = parse_payment(unclaimed | {"interfaceInteractions": [CLAIM]})
    assert captures_used(claimed) == 100
    assert uses(claimed.transaction("m"))


@pytest.mark.parametrize(
    ("transactions", "covered"),
    [
        ([transaction("a", command="c")], 4200),
        ([transaction("a")], 0),
        ([transaction("a", state="Pending")], 4200),
        ([transaction("a", state="Failure", command="c")], 0),
        # Another amount than we asked for, told by the PSP.
        ([transaction("a", state="Failure", command="c"), transaction("b", state="Pending", amount=2500)], 0),
        ([transaction("a", state="Pending", command="c"), transaction("b", state="Pending", amount=2500)], 4200),
        ([transaction("a", state="Failure", command="c"), transaction("b", state="Success", amount=2500)], 2500),
        # Two of other software.
        ([transaction("a", state="Pending", amount=100), transaction("b", state="Pending", amount=2500)], 2600),
        ([transaction("a", state="Success"), transaction("x", "CancelAuthorization", "Success")], 0),
        ([transaction("a", state="Success"), transaction("x", "CancelAuthorization", "Pending")], 4200),
        (
            [
                transaction("a", state="Success"),
                transaction("c", "Charge", "Success", 1000),
                transaction("x", "CancelAuthorization", "Success", 3200),
            ],
            1000,
        ),
        (
            [
                transaction("a", state="Success"),
                transaction("c", "Charge", "Success"),
                transaction("r", "Refund", "Success", 200),
                transaction("d", "Chargeback", "Success", 500),
            ],
            3500,
        ),
        ([transaction("c", "Charge", "Success", 1200)], 1200),
    ],
)
def test_what_a_payment_covers_is_a_fold_over_its_transactions(transactions, covered):
    assert covers(parse_payment(payment_document(*transactions))) == covered


def test_only_a_success_is_authorized():
    document = payment_document(transaction("a", state="Success"), transaction("b", state="Pending"))
    assert authorized(parse_payment(document)) == 4200


def test_a_cart_reads_its_payments_and_passes_over_deleted_ones():
    document = cart_document(payment_document(), customerId="cust")
    document["paymentInfo"]["payments"].append({"typeId": "payment", "id": "deleted"})
    cart = parse_cart(document)
    assert (cart.total, cart.active, cart.customer_id) == (Money(amount=4200, currency="EUR"), True, "cust")
    assert [one.id for one in cart.payments] == ["pay-1"]


def test_what_is_unreadable_is_told_shortly_and_with_the_reason():
    precise = {"type": "highPrecision", "preciseAmount": 1, "currencyCode": "EUR", "centAmount": 1}
    with pytest.raises(UnreadablePaymentError) as caught:
        parse_payment(payment_document() | {"id": "p" * 100, "amountPlanned": precise})
    assert str(caught.value) == (
        f"Payment {'p' * 36} cannot be read: ValueError('high-precision money'). Look at it by hand."
    )


def test_what_other_software_has_replaced_is_read_from_the_reservation_in_the_log():
    told = {"Kind": "reserved", "Cause": "c-1", "At": "2026-03-01T12:03:00.000Z", "Code": "Charge", "Message": "c-1"}
    document = payment_document(
        transaction("x", "Charge"),
        interfaceInteractions=[entry(**told, RequestHash="h-1", Owner="owner-1")],
    )
    found = parse_payment(document).transaction("x")
    assert (found.command_id, found.request_hash, found.owner) == ("c-1", "h-1", "owner-1")
    # Nothing tells whether the shopper was asked: they may have been, ever since.
    assert found.reserved_at == found.action_at == datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert not found.writable


def test_what_nobody_reserved_was_never_reserved():
    found = parse_payment(payment_document(transaction("x", "Charge"))).transaction("x")
    assert (found.command_id, found.request_hash, found.owner, found.reserved_at) == (None, None, None, None)


def test_which_charge_a_merchants_refund_is_taken_from_is_read_from_our_claim():
    claim = entry(Kind="claim", Cause="c", TransactionId="m", At="2026-03-01T12:00:00.000Z", Message="cap")
    document = payment_document(transaction("m", "Refund"), transaction("n", "Refund"), interfaceInteractions=[claim])
    found = parse_payment(document)
    assert (found.transaction("m").charge_id, found.transaction("n").charge_id) == ("cap", None)


NAMED = entry(Kind="named", Cause="e", At="2026-03-01T12:00:00.000Z", Message="psp-pay")
PASSED = entry(Kind="fact", Cause="e", At="2026-03-01T12:00:00.000Z", Message="Authorization Pending")
TOLD = transaction("c", "Charge", "Success", fields={"ctpayPspReference": "cap-1"})


@pytest.mark.parametrize(
    ("transactions", "log", "known_as"),
    [
        # The PSP has told of nothing yet, so somebody else has set it.
        ([transaction("a", command="c1")], [], None),
        ([transaction("a", state="Pending", command="c1")], [], None),
        # It has told of the authorization, of another operation, or what it calls the payment.
        ([transaction("a", state="Pending", command="c1", interaction_id="psp-auth")], [], "their-own"),
        ([transaction("a", command="c1"), TOLD], [], "their-own"),
        ([transaction("a", state="Success", command="c1", interaction_id="psp-auth")], [NAMED], "psp-pay"),
        ([transaction("a", command="c1")], [NAMED], "psp-pay"),
        # Other entries have words of their own, and are no names.
        ([transaction("a", command="c1")], [PASSED, NAMED], "psp-pay"),
        # A person has ended it, or has made it by hand: whoever set the name knew of the payment.
        ([transaction("a", state="Success", command="c1")], [], "their-own"),
        ([transaction("a", state="Initial")], [], "their-own"),
        ([], [], "their-own"),
    ],
)
def test_the_interface_id_counts_as_the_psps_name_unless_somebody_else_has_set_it(transactions, log, known_as):
    document = payment_document(*transactions, interfaceId="their-own", interfaceInteractions=log)
    assert parse_payment(document).known_as == known_as
    assert parse_payment({**document, "interfaceId": None}).known_as == (known_as if log else None)


def told_of(name, *, kind="fact", state="Pending"):
    return entry(Kind=kind, Cause="e", TransactionId=name, State=state, At="2026-03-01T12:00:00.000Z")


@pytest.mark.parametrize(
    ("log", "known_as"),
    [
        ([told_of("a")], "their-own"),
        ([told_of("a", state="Success")], "their-own"),
        ([told_of("a", kind="late", state="Success")], "their-own"),
        ([told_of("a", kind="reversed", state="Reversed")], "their-own"),
        ([told_of("a", state="Failure"), told_of("a", kind="late", state="Success")], "their-own"),
        # What failed may never have reached the PSP, and of another transaction it may have been told otherwise.
        ([told_of("a", state="Failure")], None),
        ([told_of("b")], None),
        ([told_of("a", kind="refusal")], None),
    ],
)
def test_an_attempt_that_somebody_sets_back_keeps_the_name_by_which_the_psp_has_told_of_it(log, known_as):
    document = payment_document(
        transaction("a", command="c1", interaction_id="psp-auth"), interfaceId="their-own", interfaceInteractions=log
    )
    assert parse_payment(document).known_as == known_as


@pytest.mark.parametrize(
    ("log", "was_declined"),
    [
        ([told_of("a", state="Failure"), told_of("a", kind="late", state="Success")], True),
        ([told_of("a", kind="late", state="Success")], False),
        ([told_of("b", state="Failure")], False),
        ([], False),
    ],
)
def test_what_was_taken_for_failed_once_was_declined_whatever_came_later(log, was_declined):
    document = payment_document(transaction("a", state="Success", command="c1"), interfaceInteractions=log)
    assert parse_payment(document).was_declined("a") is was_declined
