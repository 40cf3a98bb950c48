"""The core of Sandbox Pay on virtual time: what it promises without any HTTP."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.psp.bank import Bank
from sandbox.psp.behaviour import BEHAVIOURS, BY_NUMBER, passes_luhn
from sandbox.psp.books import Books
from sandbox.psp.events import EVENT_TYPES, Event
from sandbox.psp.model import OperationKind, OperationStatus, PaymentStatus, RefusalError, Terms
from sandbox.psp.requests import (
    CancelByReference,
    CancelPayment,
    CompletePayment,
    CreateCapture,
    CreatePayment,
    CreateRefund,
    CreateToken,
)
from sandbox.psp.world import Decision, World

START = datetime(2030, 1, 1, tzinfo=UTC)


class Town:
    """A bank and the world around it, with a hand on the clock."""

    def __init__(self, terms: Terms | None = None) -> None:
        numbers = itertools.count(1)
        self.now = START
        self.events: list[Event] = []
        self.books = Books(
            terms=terms or Terms(),
            new_id=lambda: str(next(numbers)),
            publish=self.events.append,
            base_url="https://psp.test",
        )
        self.bank = Bank(self.books)
        self.world = World(self.books)

    def pay(self, token: str = "tok_approved", amount: int = 1000, reference: str = "ref"):
        request = CreatePayment(
            amount=amount,
            currency="EUR",
            token=token,
            merchant_reference=reference,
            return_url="https://shop.test/back",
        )
        return self.bank.create_payment(request, key=f"key-{reference}", now=self.now)

    def capture(self, payment, amount: int):
        return self.bank.capture(
            payment.id, CreateCapture(amount=amount, merchant_reference="c"), key="c", now=self.now
        )

    def refund(self, payment, amount: int, capture: str | None = None):
        request = CreateRefund(amount=amount, merchant_reference="r", capture=capture)
        return self.bank.refund(payment.id, request, key="r", now=self.now)

    def cancel(self, payment):
        return self.bank.cancel(payment.id, CancelPayment(merchant_reference="x"), key="x", now=self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.world.tick(self.now)

    def payment(self, payment):
        return self.books.find(payment.id)

    def types(self) -> list[str]:
        return [each.type for each in self.events]

    def effects(self) -> list[tuple[str, int]]:
        return [(each.kind, each.amount) for each in self.books.effects]


def refused(call, code: str) -> RefusalError:
    with pytest.raises(RefusalError) as caught:
        call()
    assert caught.value.code == code
    return caught.value


def test_every_test_card_number_is_well_formed_and_means_one_thing():
    numbers = [number for each in BEHAVIOURS for number in each.numbers]
    assert len(numbers) == len(set(numbers)) == len(BY_NUMBER)
    assert all(passes_luhn(number) for number in numbers)
    assert not passes_luhn("4242424242424241")
    assert not passes_luhn("42424242x4242424")


def test_captures_stay_within_the_authorization_and_refunds_within_the_captures():
    town = Town()
    payment = town.pay(amount=1000)
    first = town.capture(payment, 600)
    refused(lambda: town.capture(payment, 401), "amount_too_large")
    town.capture(payment, 400)
    refused(lambda: town.refund(payment, 601, first.id), "amount_too_large")
    town.refund(payment, 600, first.id)
    refused(lambda: town.refund(payment, 1, first.id), "amount_too_large")
    town.refund(payment, 400)
    refused(lambda: town.refund(payment, 1), "amount_too_large")
    assert town.effects() == [
        ("authorization", 1000),
        ("capture", 600),
        ("capture", 400),
        ("refund", 600),
        ("refund", 400),
    ]


def test_a_cancel_releases_what_is_left_and_ends_capturing():
    town = Town()
    payment = town.pay(amount=1000)
    town.capture(payment, 300)
    assert town.cancel(payment).amount == 700
    refused(lambda: town.capture(payment, 1), "payment_not_capturable")
    refused(lambda: town.cancel(payment), "payment_canceled")
    assert town.refund(payment, 300).amount == 300


def test_a_payment_that_was_captured_in_full_cannot_be_cancelled():
    town = Town()
    payment = town.pay()
    town.capture(payment, 1000)
    refused(lambda: town.cancel(payment), "nothing_to_cancel")


def test_another_currency_is_refused_for_captures_and_refunds():
    town = Town()
    payment = town.pay()
    capture = CreateCapture(amount=1, currency="USD", merchant_reference="c")
    refused(lambda: town.bank.capture(payment.id, capture, key=None, now=town.now), "currency_mismatch")
    town.capture(payment, 10)
    refund = CreateRefund(amount=1, currency="USD", merchant_reference="r")
    refused(lambda: town.bank.refund(payment.id, refund, key=None, now=town.now), "currency_mismatch")


def test_a_refund_of_an_unknown_or_failed_capture_is_refused():
    town = Town()
    payment = town.pay()
    capture = town.capture(payment, 1000)
    refused(lambda: town.refund(payment, 1, "cap_unknown"), "capture_not_found")
    town.world.fail_operation(OperationKind.CAPTURE, capture.id, town.now)
    refused(lambda: town.refund(payment, 1, capture.id), "capture_not_refundable")


def test_a_cancel_by_reference_finds_the_payment_that_is_still_open():
    town = Town()
    payment = town.pay(reference="order-1")
    cancelled = town.pay(reference="order-1")
    town.cancel(cancelled)
    request = CancelByReference(payment_merchant_reference="order-1", merchant_reference="x")
    town.bank.cancel_by_reference(request, key=None, now=town.now)
    assert town.payment(payment).status is PaymentStatus.CANCELED
    refused(lambda: town.bank.cancel_by_reference(request, key=None, now=town.now), "payment_canceled")
    unknown = CancelByReference(payment_merchant_reference="order-2", merchant_reference="x")
    assert refused(lambda: town.bank.cancel_by_reference(unknown, key=None, now=town.now), "payment_not_found")


def test_a_decline_is_kept_with_its_reason_and_announced():
    town = Town()
    error = refused(lambda: town.pay("tok_insufficient_funds"), "card_declined")
    assert error.decline_code == "insufficient_funds"
    assert error.payment is not None
    assert town.payment(error.payment).status is PaymentStatus.FAILED
    assert town.types() == ["payment.failed"]
    assert town.effects() == []


def test_a_token_pays_once():
    town = Town()
    request = CreateToken(number="4242 4242 4242 4242", exp_month=1, exp_year=2030, cvc="123")
    token = town.bank.tokenize(request, town.now)
    town.pay(token.id)
    refused(lambda: town.pay(token.id), "token_already_used")
    refused(lambda: town.pay("tok_unknown"), "token_not_found")


@pytest.mark.parametrize(
    ("number", "month", "year", "cvc", "code"),
    [
        ("4242424242424241", 1, 2030, "123", "invalid_number"),
        ("4242424242424242", 12, 2029, "123", "invalid_expiry"),
        ("4242424242424242", 1, 2030, "1234", "invalid_cvc"),
        ("378282246310005", 1, 2030, "123", "invalid_cvc"),
        ("4111111111111111", 1, 2030, "123", "not_a_test_card"),
    ],
)
def test_only_test_cards_in_good_order_become_tokens(number, month, year, cvc, code):
    town = Town()
    request = CreateToken(number=number, exp_month=month, exp_year=year, cvc=cvc)
    error = refused(lambda: town.bank.tokenize(request, town.now), code)
    assert number not in error.message


def test_a_challenge_is_completed_with_the_result_that_the_page_gave():
    town = Town()
    payment = town.pay("tok_3ds")
    refused(lambda: town.bank.complete(payment.id, CompletePayment(result="x"), now=town.now), "action_not_finished")
    answered = town.world.answer_challenge(payment.id, Decision.APPROVE, town.now)
    assert answered.result is not None
    refused(lambda: town.bank.complete(payment.id, CompletePayment(result="x"), now=town.now), "invalid_result")
    assert town.types() == ["payment.action_required"]
    for _ in range(2):
        done = town.bank.complete(payment.id, CompletePayment(result=answered.result), now=town.now)
        assert done.status is PaymentStatus.AUTHORIZED
    town.pass_time(60)
    assert town.types() == ["payment.action_required", "payment.authorized"]
    assert town.effects() == [("authorization", 1000)]


def test_an_approved_challenge_that_nobody_completes_completes_itself():
    town = Town()
    payment = town.pay("tok_3ds")
    town.world.answer_challenge(payment.id, Decision.APPROVE, town.now)
    town.pass_time(19.9)
    assert town.payment(payment).status is PaymentStatus.APPROVED_NOT_COMPLETED
    town.pass_time(0.2)
    assert town.payment(payment).status is PaymentStatus.AUTHORIZED


def test_a_refused_challenge_fails_the_payment_and_the_first_answer_counts():
    town = Town()
    payment = town.pay("tok_3ds_redirect")
    refusal = town.world.answer_challenge(payment.id, Decision.REFUSE, town.now)
    again = town.world.answer_challenge(payment.id, Decision.APPROVE, town.now)
    assert refusal == again
    assert refusal.result is not None
    request = CompletePayment(result=refusal.result)
    error = refused(lambda: town.bank.complete(payment.id, request, now=town.now), "authentication_failed")
    assert error.status == 402


def test_a_challenge_that_was_superseded_by_a_cancel_cannot_be_completed():
    town = Town()
    payment = town.pay("tok_3ds")
    answered = town.world.answer_challenge(payment.id, Decision.APPROVE, town.now)
    assert answered.result is not None
    assert town.cancel(payment).amount == 1000
    request = CompletePayment(result=answered.result)
    refused(lambda: town.bank.complete(payment.id, request, now=town.now), "payment_canceled")
    town.pass_time(3600)
    assert town.payment(payment).status is PaymentStatus.CANCELED
    assert ("authorization", 1000) not in town.effects()


def test_a_challenge_that_nobody_answers_expires():
    town = Town()
    payment = town.pay("tok_3ds")
    town.pass_time(15 * 60)
    assert town.payment(payment).status is PaymentStatus.EXPIRED
    refused(lambda: town.world.answer_challenge(payment.id, Decision.APPROVE, town.now), "no_action_open")


def test_what_nobody_captures_expires_and_what_was_captured_stays():
    town = Town()
    payment = town.pay()
    town.capture(payment, 400)
    town.pass_time(7 * 24 * 3600)
    assert town.payment(payment).status is PaymentStatus.EXPIRED
    assert town.events[-1].type == "payment.expired"
    assert town.events[-1].data["amount"] == 600
    assert town.refund(payment, 400).status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("token", "status"),
    [("tok_pending", PaymentStatus.AUTHORIZED), ("tok_pending_declined", PaymentStatus.FAILED)],
)
def test_a_pending_payment_is_decided_later(token, status):
    town = Town()
    payment = town.pay(token)
    refused(lambda: town.capture(payment, 1), "payment_not_capturable")
    town.pass_time(10)
    assert town.payment(payment).status is status
    town.pass_time(3600)
    assert town.payment(payment).status is status


def test_a_bank_may_approve_after_it_declined():
    town = Town()
    payment = refused(lambda: town.pay("tok_declined"), "card_declined").payment
    town.world.settle(payment.id, Decision.APPROVE, town.now)
    assert town.payment(payment).status is PaymentStatus.AUTHORIZED
    assert town.types() == ["payment.failed", "payment.authorized"]
    refused(lambda: town.world.settle(payment.id, Decision.APPROVE, town.now), "not_pending")


def test_captures_and_refunds_settle_or_fail_later_as_the_card_says():
    town = Town()
    slow, failing = town.pay("tok_capture_pending"), town.pay("tok_capture_fails_late")
    assert town.capture(slow, 1000).status is OperationStatus.PENDING
    assert town.capture(failing, 1000).status is OperationStatus.SUCCEEDED
    town.pass_time(10)
    assert town.payment(slow).operations[0].status is OperationStatus.SUCCEEDED
    assert town.payment(failing).operations[0].status is OperationStatus.FAILED
    assert town.payment(failing).capturable == 1000
    slow, failing = town.pay("tok_refund_pending"), town.pay("tok_refund_fails_late")
    for payment in (slow, failing):
        town.capture(payment, 1000)
        town.refund(payment, 1000)
    town.pass_time(10)
    assert town.payment(slow).refundable == 0
    assert town.payment(failing).refundable == 1000
    assert ("capture_reversed", 1000) in town.effects()
    assert ("refund_reversed", 1000) in town.effects()


def test_every_round_of_a_dispute_has_its_own_id_and_only_one_is_open():
    town = Town()
    payment = town.pay()
    town.capture(payment, 1000)
    town.refund(payment, 100)
    first = town.world.open_dispute(payment.id, amount=None, reason="fraudulent", now=town.now)
    assert first.amount == 900
    refused(lambda: town.refund(payment, 1), "amount_too_large")
    again = lambda: town.world.open_dispute(payment.id, amount=None, reason="fraudulent", now=town.now)  # noqa: E731 - used twice
    refused(again, "dispute_open")
    town.world.close_dispute(first.id, OperationStatus.WON, town.now)
    second = again()
    assert (second.round, second.amount) == (2, 900)
    assert second.id != first.id
    town.world.close_dispute(second.id, OperationStatus.LOST, town.now)
    refused(lambda: town.world.close_dispute(second.id, OperationStatus.WON, town.now), "dispute_closed")
    refused(again, "amount_too_large")
    assert town.effects()[-3:] == [("dispute", 900), ("dispute_reversed", 900), ("dispute", 900)]


def test_what_has_settled_cannot_settle_again_and_what_has_failed_cannot_fail_again():
    town = Town()
    payment = town.pay("tok_capture_pending")
    capture = town.capture(payment, 10)
    town.world.settle_operation(OperationKind.CAPTURE, capture.id, town.now)
    refused(lambda: town.world.settle_operation(OperationKind.CAPTURE, capture.id, town.now), "not_pending")
    town.world.fail_operation(OperationKind.CAPTURE, capture.id, town.now)
    refused(lambda: town.world.fail_operation(OperationKind.CAPTURE, capture.id, town.now), "already_failed")
    refused(lambda: town.world.fail_operation(OperationKind.REFUND, capture.id, town.now), "refund_not_found")


def test_terms_without_a_time_leave_everything_to_the_control_api():
    terms = Terms(
        auto_complete_after_s=None,
        action_expires_after_s=None,
        settles_after_s=None,
        fails_late_after_s=None,
        authorization_lifetime_s=None,
    )
    town = Town(terms)
    for token in ("tok_approved", "tok_pending", "tok_3ds"):
        town.pay(token)
    assert town.books.next_due() is None


def test_every_event_that_is_sent_is_published_as_a_type_and_names_its_payment():
    town = Town()
    for behaviour in BEHAVIOURS:
        try:
            payment = town.pay(f"tok_{behaviour.name}")
        except RefusalError:
            continue
        if payment.status is PaymentStatus.REQUIRES_ACTION:
            town.world.answer_challenge(payment.id, Decision.APPROVE, town.now)
        town.pass_time(20)
        if town.payment(payment).capturable:
            town.capture(payment, 500)
            town.pass_time(20)
        if town.payment(payment).refundable:
            town.refund(payment, 100)
            town.pass_time(20)
        if town.payment(payment).refundable:
            dispute = town.world.open_dispute(payment.id, amount=None, reason="fraudulent", now=town.now)
            outcome = OperationStatus.WON if behaviour.numbers[0] > "4000000000000100" else OperationStatus.LOST
            town.world.close_dispute(dispute.id, outcome, town.now)
        if town.payment(payment).capturable and behaviour.name != "pending":
            town.cancel(payment)
    town.pass_time(30 * 24 * 3600)
    assert set(town.types()) == set(EVENT_TYPES)
    for event in town.events:
        data = event.data
        assert data["id" if data["object"] == "payment" else "payment"] in town.books.payments
