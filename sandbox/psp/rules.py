"""What may be done to a payment. Each check raises `RefusalError` with the words for the caller."""

from __future__ import annotations

from typing import Final

from sandbox.psp.behaviour import Behaviour
from sandbox.psp.model import Failure, OperationKind, OperationStatus, Payment, PaymentStatus, RefusalError

_OPEN: Final = frozenset({PaymentStatus.REQUIRES_ACTION, PaymentStatus.APPROVED_NOT_COMPLETED, PaymentStatus.PENDING})

_DECLINES: Final = {
    "generic_decline": "The card was declined.",
    "insufficient_funds": "There is not enough money on the account.",
    "lost_card": "The card was reported lost.",
}


def decline(behaviour: Behaviour) -> Failure:
    """Why the bank declines a card that behaves so."""
    code = behaviour.decline_code or "generic_decline"
    return Failure(code="card_declined", decline_code=code, message=_DECLINES[code])


def declined(payment: Payment) -> RefusalError:
    """The refusal that a declined payment is answered with."""
    failure = payment.failure or decline(payment.behaviour)
    return RefusalError(402, failure.code, failure.message, decline_code=failure.decline_code, payment=payment)


def check_capture(payment: Payment, *, amount: int, currency: str | None) -> None:
    if payment.status is not PaymentStatus.AUTHORIZED:
        raise RefusalError(400, "payment_not_capturable", f"The payment is {payment.status}.")
    _check_currency(payment, currency)
    if amount > payment.capturable:
        raise RefusalError(400, "amount_too_large", f"Only {payment.capturable} is left to capture.")


def check_refund(payment: Payment, *, amount: int, currency: str | None, capture: str | None) -> None:
    _check_currency(payment, currency)
    left = payment.refundable
    if capture is not None:
        source = payment.operation(capture)
        if source is None or source.kind is not OperationKind.CAPTURE:
            raise RefusalError(404, "capture_not_found", "The payment has no capture with this id.")
        if source.status is not OperationStatus.SUCCEEDED:
            raise RefusalError(400, "capture_not_refundable", f"The capture is {source.status}.")
        left = min(left, source.amount - payment.total(OperationKind.REFUND, capture=capture))
    if amount > left:
        raise RefusalError(400, "amount_too_large", f"Only {left} is left to refund.")


def cancelable(payment: Payment) -> int:
    """What a cancel would release."""
    if payment.status in _OPEN:
        return payment.amount
    if payment.status is PaymentStatus.AUTHORIZED and payment.capturable > 0:
        return payment.capturable
    if payment.status is PaymentStatus.AUTHORIZED:
        raise RefusalError(400, "nothing_to_cancel", "Everything was captured. Refund instead.")
    raise RefusalError(400, f"payment_{payment.status}", f"The payment is {payment.status} already.")


def may_be_canceled(payment: Payment) -> bool:
    return payment.status in _OPEN or payment.capturable > 0


def _check_currency(payment: Payment, currency: str | None) -> None:
    if currency is not None and currency != payment.currency:
        raise RefusalError(400, "currency_mismatch", f"The payment is in {payment.currency}.")
