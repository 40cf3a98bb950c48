"""Whether the law allows a capture, a cancel or a refund, judged from the Payment alone.

Judged once, by the guarded write that reserves (or claims): what passed here is never judged again, so a run that finds
its own reservation resumes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct.folds import authorized, cancelling, captured, captures_used, charged_back, refunds_used
from psp.capabilities import Capabilities, CaptureSupport, RefundScope, Remainder
from psp.facts import Kind, State
from psp.money import Money

if TYPE_CHECKING:
    from ct.payment import Payment, Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why not: a stable code, and words for a person."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundPart:
    """A part of a refund, and the Charge it comes out of; None: out of the Payment as a whole."""

    amount: Money
    charge_id: str | None


def judge_capture(payment: Payment, amount: Money, capabilities: Capabilities) -> Refusal | None:
    """None where `amount` may be captured. A merchant's Charge that is judged to be claimed uses nothing yet."""
    if wrong := _wrong_amount(payment, amount) or _not_authorized(payment):
        return wrong
    if cancelling(payment):
        return Refusal(code="cancelled", message="The authorization is cancelled, so nothing can be captured.")
    held, used = authorized(payment), captures_used(payment)
    if used and (capabilities.captures is not CaptureSupport.MULTIPLE or capabilities.remainder is Remainder.RELEASED):
        return Refusal(code="already-captured", message="The PSP captures an authorization once, and that was done.")
    if used + amount.amount > held:
        left = Money(amount=max(held - used, 0), currency=amount.currency)
        return Refusal(code="exceeds-authorization", message=f"{amount} is more than the {left} left to capture.")
    if capabilities.captures is CaptureSupport.FULL and amount.amount != held:
        return Refusal(code="partial-capture-unsupported", message="The PSP captures the whole authorization only.")
    return None


def judge_cancel(payment: Payment) -> Refusal | Money:
    """What is left to cancel, or why nothing can be."""
    authorization = payment.authorization
    if authorization is None or authorization.state in (State.FAILURE, State.REVERSED):
        return Refusal(code="not-authorized", message="The Payment holds no money, so there is nothing to cancel.")
    if cancelling(payment):
        return Refusal(code="cancelled", message="The authorization is cancelled already.")
    if any(one.state is State.INITIAL and one.taken for one in payment.of_kind(Kind.CHARGE)):
        # The PSP releases all that it holds, and may not know of that capture yet.
        return Refusal(code="capture-under-way", message="A capture is under way. Cancel when it is decided.")
    held = authorized(payment) or authorization.amount.amount
    left = held - captures_used(payment)
    if left <= 0:
        return Refusal(code="nothing-left", message="All of the authorization is captured. Refund it instead.")
    return Money(amount=left, currency=payment.planned.currency)


def judge_refund(
    payment: Payment, amount: Money, capabilities: Capabilities, *, charge_id: str | None = None
) -> Refusal | None:
    """None where `amount` may be refunded, out of one Charge if `charge_id` names it."""
    if wrong := _wrong_amount(payment, amount) or _unknown_to_psp(payment):
        return wrong
    if charge_id is not None and not _is_charge(payment, charge_id):
        return Refusal(code="unknown-charge", message="The transactionId is no successful Charge of this Payment.")
    total = captured(payment) - refunds_used(payment) - charged_back(payment)
    left = min(total, refundable(payment, charge_id)) if charge_id else total
    if amount.amount > left:
        rest = Money(amount=max(left, 0), currency=amount.currency)
        return Refusal(code="exceeds-captures", message=f"{amount} is more than the {rest} left to refund.")
    if charge_id is None and capabilities.refund_scope is RefundScope.CAPTURE:
        single = any(refundable(payment, one.id) >= amount.amount for one in _charges(payment))
        if not single:
            return Refusal(code="charge-needed", message="No single Charge covers it: refund per Charge, by its id.")
    return None


def refundable(payment: Payment, charge_id: str) -> int:
    """Minor units of one Charge that have not been given back."""
    return captured(payment, charge_id=charge_id) - refunds_used(payment, charge_id=charge_id)


def charge_to_refund(payment: Payment, amount: Money, capabilities: Capabilities) -> str | None:
    """The Charge that an allowed refund comes out of where the PSP wants one: the oldest that covers it."""
    if capabilities.refund_scope is RefundScope.PAYMENT:
        return None
    return next(one.id for one in _charges(payment) if refundable(payment, one.id) >= amount.amount)


def refund_parts(payment: Payment, capabilities: Capabilities) -> tuple[RefundPart, ...]:
    """All that is left to refund, split as the PSP wants it: for a reversal."""
    currency = payment.planned.currency
    left = captured(payment) - refunds_used(payment) - charged_back(payment)
    if left <= 0:
        return ()
    if capabilities.refund_scope is RefundScope.PAYMENT:
        return (RefundPart(amount=Money(amount=left, currency=currency), charge_id=None),)
    parts = []
    for charge in _charges(payment):
        part = min(refundable(payment, charge.id), left)
        if part > 0:
            parts.append(RefundPart(amount=Money(amount=part, currency=currency), charge_id=charge.id))
            left -= part
    return tuple(parts)


def _charges(payment: Payment) -> tuple[Transaction, ...]:
    return tuple(one for one in payment.of_kind(Kind.CHARGE) if one.state is State.SUCCESS)


def _is_charge(payment: Payment, charge_id: str) -> bool:
    return any(one.id == charge_id for one in _charges(payment))


def _wrong_amount(payment: Payment, amount: Money) -> Refusal | None:
    if amount.currency != payment.planned.currency:
        message = f"The Payment is in {payment.planned.currency}, the request in {amount.currency}."
        return Refusal(code="currency-mismatch", message=message)
    if amount.amount <= 0:
        return Refusal(code="amount-not-positive", message="The amount must be more than nothing.")
    return None


def _not_authorized(payment: Payment) -> Refusal | None:
    if payment.authorization is not None and payment.authorization.superseded:
        return Refusal(code="superseded", message="The shopper has paid otherwise; this attempt was given up.")
    if authorized(payment) <= 0:
        return Refusal(code="not-authorized", message="The Payment has no successful Authorization.")
    return _unknown_to_psp(payment)


def _unknown_to_psp(payment: Payment) -> Refusal | None:
    """A Payment that somebody made by hand under our interface."""
    if payment.known_as is not None:
        return None
    return Refusal(
        code="unknown-to-psp", message="The Payment has no interfaceId, so the PSP cannot be asked about it."
    )
