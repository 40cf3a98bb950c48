"""What callers ask of Sandbox Pay. No I/O, no clock, no chance: every method takes the present moment.

A definite no is `RefusalError`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from sandbox.psp import rules
from sandbox.psp.behaviour import BY_NUMBER, BY_STORED, BY_TOKEN, Course, Verdict, brand_of, cvc_digits, passes_luhn
from sandbox.psp.books import Books, Later
from sandbox.psp.model import (
    Card,
    Operation,
    OperationKind,
    OperationStatus,
    Payment,
    PaymentStatus,
    RefusalError,
    Token,
)
from sandbox.psp.requests import (
    CancelByReference,
    CancelPayment,
    CompletePayment,
    CreateCapture,
    CreatePayment,
    CreateRefund,
    CreateToken,
    ForgetMethod,
)

#: How the ids of stored methods begin.
_STORED: Final = "pm_"
_CHALLENGES: Final = frozenset({Verdict.CHALLENGE, Verdict.REDIRECT})


class Bank:
    """The merchant's side of the books."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def tokenize(self, request: CreateToken, now: datetime) -> Token:
        """A fresh token for a test card. The number is looked up and forgotten."""
        number = request.number.replace(" ", "")
        brand = brand_of(number)
        if not passes_luhn(number):
            raise RefusalError(400, "invalid_number", "Check the card number.")
        if (request.exp_year, request.exp_month) < (now.year, now.month):
            raise RefusalError(400, "invalid_expiry", "The card has expired.")
        if len(request.cvc) != cvc_digits(brand):
            raise RefusalError(400, "invalid_cvc", f"The security code has {cvc_digits(brand)} digits.")
        behaviour = BY_NUMBER.get(number)
        if behaviour is None:
            raise RefusalError(400, "not_a_test_card", "Use one of the test cards here, never a real one.")
        token = Token(
            id=f"tok_{self._books.new_id()}",
            behaviour=behaviour,
            card=Card(brand=brand, last4=number[-4:], exp_month=request.exp_month, exp_year=request.exp_year),
            origin=request.origin,
            created=now,
        )
        self._books.tokens[token.id] = token
        return token

    def create_payment(self, request: CreatePayment, *, key: str | None, now: datetime) -> Payment:
        """Authorize, or begin to. A declined payment is kept, and refused with 402."""
        token = self._spend(request.token, now)
        behaviour = token.behaviour
        if request.initiator == "merchant":
            if not request.token.startswith(_STORED):
                raise RefusalError(400, "stored_method_needed", "Without the shopper, pay with a stored method.")
            if behaviour.verdict in _CHALLENGES:
                # It was challenged when it was stored.
                behaviour = replace(behaviour, verdict=Verdict.APPROVED)
        payment = Payment(
            id=f"pay_{self._books.new_id()}",
            amount=request.amount,
            currency=request.currency,
            status=PaymentStatus.PENDING,
            behaviour=behaviour,
            card=token.card,
            merchant_reference=request.merchant_reference,
            metadata=request.metadata,
            description=request.description,
            return_url=str(request.return_url),
            origin=token.origin,
            created=now,
            updated=now,
            key=key,
            store_for=request.store_for,
        )
        books, terms, verdict = self._books, self._books.terms, payment.behaviour.verdict
        books.open(payment, now)
        if verdict is Verdict.APPROVED:
            return books.authorize(payment, now)
        if verdict is Verdict.DECLINED:
            raise rules.declined(books.decline(payment, rules.decline(payment.behaviour), now))
        if verdict in _CHALLENGES:
            books.plan(Later.EXPIRE_ACTION, terms.action_expires_after_s, now, payment.id)
            payment = replace(payment, status=PaymentStatus.REQUIRES_ACTION)
            return books.put(payment, now, event="payment.action_required")
        books.plan(Later.SETTLE, terms.settles_after_s, now, payment.id)
        return books.put(payment, now, event="payment.pending")

    def complete(self, payment_id: str, request: CompletePayment, *, now: datetime) -> Payment:
        """Finish a payment after its challenge. Completing it twice gives the same payment."""
        payment = self._books.find(payment_id)
        if payment.status in {PaymentStatus.CANCELED, PaymentStatus.EXPIRED}:
            raise RefusalError(400, f"payment_{payment.status}", f"The payment is {payment.status}. Make a new one.")
        if payment.status is PaymentStatus.REQUIRES_ACTION:
            raise RefusalError(400, "action_not_finished", "The shopper has not answered the challenge yet.")
        if payment.result is None or payment.result != request.result:
            raise RefusalError(400, "invalid_result", "This result does not belong to this payment.")
        if payment.status is PaymentStatus.APPROVED_NOT_COMPLETED:
            return self._books.authorize(payment, now)
        if payment.status is PaymentStatus.FAILED:
            raise rules.declined(payment)
        return payment

    def capture(self, payment_id: str, request: CreateCapture, *, key: str | None, now: datetime) -> Operation:
        payment = self._books.find(payment_id)
        rules.check_capture(payment, amount=request.amount, currency=request.currency)
        draft = _draft(OperationKind.CAPTURE, request, request.amount, key, now)
        return self._books.add(payment, draft, payment.behaviour.capture, now)

    def cancel(self, payment_id: str, request: CancelPayment, *, key: str | None, now: datetime) -> Operation:
        """Release what is left; of a payment that is not authorized yet, all of it."""
        payment = self._books.find(payment_id)
        draft = _draft(OperationKind.CANCEL, request, rules.cancelable(payment), key, now)
        payment = replace(payment, status=PaymentStatus.CANCELED)
        return self._books.add(payment, replace(draft, reason="requested"), Course.SUCCEEDS, now)

    def cancel_by_reference(self, request: CancelByReference, *, key: str | None, now: datetime) -> Operation:
        """Cancel the payment with this merchant reference; of several, the newest that can be cancelled."""
        found = self._books.by_reference(request.payment_merchant_reference)
        if not found:
            raise RefusalError(404, "payment_not_found", "There is no payment with this merchant reference.")
        left = [each for each in found if rules.may_be_canceled(each)]
        return self.cancel((left or found)[-1].id, request, key=key, now=now)

    def refund(self, payment_id: str, request: CreateRefund, *, key: str | None, now: datetime) -> Operation:
        payment = self._books.find(payment_id)
        rules.check_refund(payment, amount=request.amount, currency=request.currency, capture=request.capture)
        draft = _draft(OperationKind.REFUND, request, request.amount, key, now)
        return self._books.add(payment, replace(draft, capture=request.capture), payment.behaviour.refund, now)

    def forget(self, request: ForgetMethod) -> None:
        """Drop a stored method. Payments that were made with it stay as they are."""
        if self._books.stored.pop(request.id, None) is None:
            raise RefusalError(404, "stored_method_not_found", "There is no such stored method.")

    def _spend(self, token_id: str, now: datetime) -> Token:
        """A token from the fields page is good once; stored methods and the named test tokens always are."""
        kept = self._books.stored.get(token_id)
        if kept is not None:
            return Token(id=kept.id, behaviour=kept.behaviour, card=kept.card, origin=None, created=now)
        named = BY_TOKEN.get(token_id) or BY_STORED.get(token_id)
        if named is not None:
            number = (named.numbers or ("4242424242424242",))[0]
            card = Card(brand=brand_of(number), last4=number[-4:], exp_month=12, exp_year=now.year + 3)
            return Token(id=token_id, behaviour=named, card=card, origin=None, created=now)
        token = self._books.tokens.get(token_id)
        if token is None:
            raise RefusalError(400, "token_not_found", "There is no such token. Ask the fields for a new one.")
        if token.used:
            raise RefusalError(400, "token_already_used", "A token pays once. Ask the fields for a new one.")
        self._books.tokens[token_id] = replace(token, used=True)
        return token


def _draft(
    kind: OperationKind,
    request: CreateCapture | CancelPayment | CreateRefund,
    amount: int,
    key: str | None,
    now: datetime,
) -> Operation:
    """An operation as the caller asked for it; the books give it its id and its status."""
    return Operation(
        kind=kind,
        id="",
        amount=amount,
        status=OperationStatus.PENDING,
        created=now,
        updated=now,
        merchant_reference=request.merchant_reference,
        metadata=request.metadata,
        key=key,
    )
