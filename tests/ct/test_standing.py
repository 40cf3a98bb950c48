from __future__ import annotations

import pytest
from support.ct_documents import cart_document, payment_document, transaction

from ct.actions import stored_action
from ct.attempts import slot_name
from ct.cart import parse_cart
from ct.payment import parse_payment
from ct.standing import is_owner, operation_on, refused_standing, standing_of
from psp.facts import Action, ActionType
from psp.money import Money
from psp.outcome import Outcome, Standing

ACTION = Action(type=ActionType.CHALLENGE, url="https://psp.example/c")


def entry(**fields):
    values = {"At": "2026-03-01T12:00:00.000Z", "Cause": "c"} | fields
    return {"type": {}, "fields": {f"ctpay{name}": value for name, value in values.items()}}


def standing(state, *, log=(), status=None, kind="Authorization", **fields):
    document = payment_document(
        transaction("t", kind, state, command="c", fields=fields),
        interfaceInteractions=list(log),
        paymentStatus=status or {},
    )
    payment = parse_payment(document)
    return standing_of(payment, payment.transaction("t"))


@pytest.mark.parametrize(
    ("state", "fields", "outcome"),
    [
        ("Initial", {}, Outcome.PENDING),
        ("Pending", {}, Outcome.PENDING),
        ("Pending", {"ctpayAction": stored_action(ACTION)}, Outcome.ACTION),
        ("Initial", {"ctpayAction": stored_action(ACTION)}, Outcome.PENDING),
        ("Success", {}, Outcome.APPROVED),
        ("Success", {"ctpaySuperseded": True}, Outcome.REFUSED),
        ("Pending", {"ctpaySuperseded": True}, Outcome.REFUSED),
        ("Failure", {}, Outcome.REJECTED),
        ("Failure", {"ctpayReversed": True}, Outcome.REJECTED),
    ],
)
def test_every_state_has_its_standing(state, fields, outcome):
    assert standing(state, **fields).outcome is outcome


def test_an_open_action_comes_with_its_standing():
    assert standing("Pending", ctpayAction=stored_action(ACTION)).action == ACTION


def test_a_decline_says_what_the_psp_said():
    log = [entry(Kind="fact", TransactionId="t", Code="51", Message="Authorization Failure: no funds")]
    told = standing("Failure", log=log, status={"interfaceCode": "51", "interfaceText": "no funds"})
    assert (told.reason.code, told.reason.message) == ("51", "no funds")
    capture = standing("Failure", log=log, kind="Charge")
    assert capture.reason.message == "Authorization Failure: no funds"
    assert standing("Failure").reason.code == "declined"


def test_a_failure_by_our_own_law_is_a_refusal():
    log = [entry(Kind="refusal", Code="nothing-to-pay", Message="paid")]
    told = standing("Failure", log=log)
    assert (told.outcome, told.reason.code) == (Outcome.REFUSED, "nothing-to-pay")
    merchants = standing("Failure", log=[entry(Kind="refusal", TransactionId="t", Cause="x")], kind="Charge")
    assert merchants.outcome is Outcome.REFUSED
    assert standing("Success", log=log).outcome is Outcome.APPROVED


def test_a_refused_command_finds_its_refusal_again():
    payment = parse_payment(payment_document(interfaceInteractions=[entry(Kind="refusal", Code="x", Message="y")]))
    assert refused_standing(payment, "c").reason.code == "x"
    assert refused_standing(payment, "other") is None


def test_an_operation_is_found_by_the_command_that_made_it_or_joined_it():
    joined = entry(Kind="joined", Cause="c-2")
    cart = parse_cart(
        cart_document(
            payment_document(),
            payment_document(transaction("t", command="c-1"), identity="p2", interfaceInteractions=[joined]),
        )
    )
    for operation in ("c-1", "c-2"):
        payment, found = operation_on(cart, operation)
        assert (payment.id, found.id) == ("p2", "t")
    assert operation_on(cart, "c-3") is None


def test_only_the_session_that_started_an_attempt_owns_it():
    amount = Money(amount=4200, currency="EUR")
    slot = slot_name(project_key="demo", owner="me", cart_id="cart-1", method="card", amount=amount)
    cart = parse_cart(cart_document(payment_document(transaction("t", command="c", fields={"ctpaySlot": slot}))))
    payment = cart.payments[0]
    for owner, owned in (("me", True), ("you", False)):
        assert (
            is_owner(
                project_key="demo", owner=owner, cart_id=cart.id, payment=payment, transaction=payment.authorization
            )
            is owned
        )


@pytest.mark.parametrize(("state", "reference"), [("Initial", None), ("Pending", "pay-1")])
def test_an_authorization_has_its_reference_only_when_the_psp_has_taken_it_up(state, reference):
    """A page may tell a referenced payment that is pending as one that settles later."""
    payment = parse_payment(payment_document(transaction("a", state=state, command="c")))
    assert standing_of(payment, payment.authorization) == Standing(outcome=Outcome.PENDING, payment_reference=reference)


def test_a_capture_that_is_only_reserved_has_its_payments_reference():
    payment = parse_payment(payment_document(transaction("c", "Charge", "Initial", command="c")))
    assert standing_of(payment, payment.transaction("c")).payment_reference == "pay-1"
