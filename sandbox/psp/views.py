"""Payments, operations, tokens and events as the JSON that callers see."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.psp.behaviour import Verdict
from sandbox.psp.events import Event
from sandbox.psp.model import Card, Effect, Failure, Operation, OperationKind, Payment, PaymentStatus, Token

#: JSON objects on their way out.
Json = dict[str, object]


def when(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when_or_never(moment: datetime | None) -> str | None:
    return None if moment is None else when(moment)


def card(value: Card) -> Json:
    return {
        "brand": value.brand,
        "last4": value.last4,
        "exp_month": value.exp_month,
        "exp_year": value.exp_year,
    }


def token(value: Token) -> Json:
    return {"object": "token", "id": value.id, "card": card(value.card)}


def failure(value: Failure | None) -> Json | None:
    if value is None:
        return None
    return {"code": value.code, "decline_code": value.decline_code, "message": value.message}


def operation(payment: Payment, value: Operation) -> Json:
    """A capture, cancel, refund or dispute, with what is needed to find its payment."""
    body: Json = {
        "object": value.kind.value,
        "id": value.id,
        "payment": payment.id,
        "amount": value.amount,
        "currency": payment.currency,
        "status": value.status.value,
        "merchant_reference": value.merchant_reference,
        "metadata": dict(value.metadata),
        "failure": failure(value.failure),
        "payment_merchant_reference": payment.merchant_reference,
        "payment_metadata": dict(payment.metadata),
        "payment_amount_authorized": payment.amount_authorized,
        "succeeded_at": when_or_never(value.succeeded_at),
        "created": when(value.created),
        "updated": when(value.updated),
    }
    if value.kind is OperationKind.REFUND:
        body["capture"] = value.capture
    if value.kind in {OperationKind.CANCEL, OperationKind.DISPUTE}:
        body["reason"] = value.reason
    if value.kind is OperationKind.DISPUTE:
        body["round"] = value.round
    return body


def action(value: Payment, *, base_url: str) -> Json | None:
    """What the shopper has to do: `challenge` in an iframe, or `redirect`."""
    if value.status is not PaymentStatus.REQUIRES_ACTION:
        return None
    kind = "redirect" if value.behaviour.verdict is Verdict.REDIRECT else "challenge"
    return {"type": kind, "url": f"{base_url}/challenge/{value.id}"}


def payment(value: Payment, *, base_url: str) -> Json:
    lists = {
        f"{kind.value}s": [operation(value, each) for each in value.of(kind)]
        for kind in (OperationKind.CAPTURE, OperationKind.CANCEL, OperationKind.REFUND, OperationKind.DISPUTE)
    }
    return {
        "object": "payment",
        "id": value.id,
        "amount": value.amount,
        "currency": value.currency,
        "status": value.status.value,
        "capture_method": "manual",
        "merchant_reference": value.merchant_reference,
        "description": value.description,
        "metadata": dict(value.metadata),
        "card": card(value.card),
        "action": action(value, base_url=base_url),
        "failure": failure(value.failure),
        "amount_authorized": value.amount_authorized,
        "authorized_at": when_or_never(value.authorized_at),
        "stored_method": None if value.stored_method is None else {"id": value.stored_method},
        "amount_captured": value.total(OperationKind.CAPTURE),
        "amount_refunded": value.total(OperationKind.REFUND),
        "amount_disputed": value.total(OperationKind.DISPUTE),
        "amount_capturable": value.capturable,
        "amount_refundable": value.refundable,
        **lists,
        "created": when(value.created),
        "updated": when(value.updated),
    }


def event(value: Event) -> Json:
    return {"id": value.id, "type": value.type, "created": when(value.created), "data": dict(value.data)}


def effect(value: Effect) -> Json:
    return {
        "kind": value.kind.value,
        "id": value.id,
        "payment": value.payment,
        "amount": value.amount,
        "currency": value.currency,
        "at": when(value.at),
        "key": value.key,
        "merchant_reference": value.merchant_reference,
        "metadata": dict(value.metadata),
    }
