"""Sandbox Pay's objects as facts. Pure: a reply, a webhook and a lookup go through the same functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from psp.facts import Action, Fact, Instrument, Kind, Reference, State
from psp.money import Money, from_psp_units
from psp.port import Answer
from psp.sandbox import table
from psp.sandbox.wire import OperationJson, PaymentJson
from psp.stored import Stored

#: Names under which our reference travels as metadata.
PROJECT_KEY = "project_key"
PAYMENT_ID = "payment_id"
TRANSACTION_ID = "transaction_id"

_CANCEL: Final = "cancel"


def metadata_of(reference: Reference) -> dict[str, str]:
    """Our reference as metadata."""
    parts = {
        PROJECT_KEY: reference.project_key,
        PAYMENT_ID: reference.payment_id,
        TRANSACTION_ID: reference.transaction_id,
    }
    return {name: value for name, value in parts.items() if value is not None}


def reference_of(metadata: Mapping[str, str]) -> Reference | None:
    """Our reference out of metadata; None where it is somebody else's metadata."""
    project_key, payment_id = metadata.get(PROJECT_KEY), metadata.get(PAYMENT_ID)
    if not project_key or not payment_id:
        return None
    return Reference(
        project_key=project_key, payment_id=payment_id, transaction_id=metadata.get(TRANSACTION_ID) or None
    )


def answer_of(payment: PaymentJson) -> Answer:
    """Everything a payment says: its authorization, and all that was done to it."""
    operations = (*payment.captures, *payment.cancels, *payment.refunds, *payment.disputes)
    action = None
    if payment.action is not None:
        kind = table.meaning(table.ACTIONS, payment.action.type, what="action")
        action = Action(type=kind, url=payment.action.url)
    return Answer(
        facts=(authorization_fact(payment), *_all(operations)),
        action=action,
        instrument=_instrument(payment),
        stored=stored_of(payment),
    )


def stored_of(payment: PaymentJson) -> Stored | None:
    """The method that was stored with the payment."""
    if payment.stored_method is None:
        return None
    return Stored(token=payment.stored_method.id, instrument=_instrument(payment))


def _instrument(payment: PaymentJson) -> Instrument:
    card = payment.card
    return Instrument(
        method="card", brand=card.brand, last_four=card.last4, expiry_month=card.exp_month, expiry_year=card.exp_year
    )


def authorization_fact(payment: PaymentJson) -> Fact:
    rows = table.AUTHORIZED if payment.amount_authorized > 0 else table.UNAUTHORIZED
    state = table.meaning(rows, payment.status, what="payment status")
    code, message = _ended(payment.status) if state is State.FAILURE else (None, None)
    if payment.failure is not None:
        code, message = payment.failure.decline_code or payment.failure.code, payment.failure.message
    return Fact(
        kind=Kind.AUTHORIZATION,
        state=state,
        amount=from_psp_units(payment.amount, payment.currency, deviations={}),
        at=payment.authorized_at or payment.updated,
        psp_reference=payment.id,
        payment_reference=payment.id,
        reference=reference_of(payment.metadata),
        code=code,
        message=message,
    )


def operation_facts(operation: OperationJson) -> tuple[Fact, ...]:
    """What a capture, cancel, refund or dispute says; a cancel before anything was held ends the authorization too."""
    facts = _all((operation,))
    if operation.object != _CANCEL or operation.payment_amount_authorized > 0:
        return facts
    status = "expired" if operation.reason == "expired" else "canceled"
    code, message = _ended(status)
    ended = Fact(
        kind=Kind.AUTHORIZATION,
        state=table.UNAUTHORIZED[status],
        amount=_amount(operation),
        at=operation.updated,
        psp_reference=operation.payment,
        payment_reference=operation.payment,
        reference=reference_of(operation.payment_metadata),
        code=code,
        message=message,
    )
    return (*facts, ended)


def _ended(status: str) -> tuple[str, str]:
    """Code and message of an authorization that came to nothing without a decline."""
    return status, f"The payment is {status}."


def _all(operations: Iterable[OperationJson]) -> tuple[Fact, ...]:
    """One fact each, but none for a cancel that we did not ask for and that released nothing."""
    return tuple(
        _fact(each)
        for each in operations
        if each.object != _CANCEL or each.payment_amount_authorized > 0 or reference_of(each.metadata)
    )


def _fact(operation: OperationJson) -> Fact:
    """What was not asked for by us bears our payment's reference alone."""
    rows = table.STATES if operation.succeeded_at is None else table.STATES_AFTER_SUCCESS
    return Fact(
        kind=table.meaning(table.KINDS, operation.object, what="object"),
        state=table.meaning(rows, operation.status, what=f"{operation.object} status"),
        amount=_amount(operation),
        at=operation.updated,
        psp_reference=operation.id,
        payment_reference=operation.payment,
        reference=reference_of(operation.metadata) or _payment_of(operation),
        code=operation.failure.code if operation.failure else None,
        message=operation.failure.message if operation.failure else None,
    )


def _amount(operation: OperationJson) -> Money:
    return from_psp_units(operation.amount, operation.currency, deviations={})


def _payment_of(operation: OperationJson) -> Reference | None:
    """Our payment's reference, without the transaction: that one names the Authorization."""
    found = reference_of(operation.payment_metadata)
    return found and Reference(project_key=found.project_key, payment_id=found.payment_id)
