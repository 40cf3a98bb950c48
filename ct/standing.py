"""Where an operation stands, read off a Payment: one function for the reply, the status poll and the resumed run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ct.attempts import slot_name
from ct.fields import InteractionKind
from ct.states import RELEASED_OTHERWISE
from psp.facts import Kind, State
from psp.outcome import Outcome, Reason, Standing

if TYPE_CHECKING:
    from ct.cart import Cart
    from ct.interaction import Interaction
    from ct.payment import Payment, Transaction


def standing_of(payment: Payment, transaction: Transaction) -> Standing:
    """Where one transaction stands."""
    if refused := _refusal_of(payment, transaction):
        return Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=_reason(refused))
    if transaction.superseded:
        # Also where the PSP authorized it all the same: that money goes back.
        gone = Reason(code="superseded", message="The shopper has paid otherwise; this attempt was given up.")
        return Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=gone)
    told = payment.last_word(transaction.id)
    # Where another amount was released, what was asked for is done: nothing is held any more.
    released = transaction.state is State.FAILURE and told is not None and told.code == RELEASED_OTHERWISE
    if transaction.state is State.SUCCESS or released:
        return Standing(outcome=Outcome.APPROVED, payment_reference=payment.id)
    if transaction.open:
        if transaction.action is not None and transaction.state is State.PENDING:
            return Standing(outcome=Outcome.ACTION, payment_reference=payment.id, action=transaction.action)
        # Before the PSP has taken it up, no page may take it for a payment that merely settles later.
        is_reserved = transaction.kind is Kind.AUTHORIZATION and transaction.state is State.INITIAL
        return Standing(outcome=Outcome.PENDING, payment_reference=None if is_reserved else payment.id)
    reason = Reason(
        code=(told.code if told else None) or payment.status_code or "declined",
        message=_decline_text(payment, transaction, told),
    )
    return Standing(outcome=Outcome.REJECTED, payment_reference=payment.id, reason=reason)


def refused_standing(payment: Payment, command_id: str) -> Standing | None:
    """The refusal that the command met earlier on this Payment; None: it met none."""
    found = payment.interaction(InteractionKind.REFUSAL, cause=command_id)
    if found is None:
        return None
    return Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=_reason(found))


def operation_on(cart: Cart, operation: str) -> tuple[Payment, Transaction] | None:
    """The Payment that an authorize command led to: the one it made, or the one it joined."""
    for payment in cart.payments:
        transaction = payment.authorization
        if transaction is None:
            continue
        if transaction.command_id == operation or payment.interaction(InteractionKind.JOINED, cause=operation):
            return payment, transaction
    return None


def is_owner(*, project_key: str, owner: str, cart_id: str, payment: Payment, transaction: Transaction) -> bool:
    """Whether this caller's session started the attempt.

    One that was refused from the start has no reservation, and tells by its slot, which nobody else can compute.
    """
    if transaction.owner is not None:
        return transaction.owner == owner
    name = slot_name(
        project_key=project_key,
        owner=owner,
        cart_id=cart_id,
        method=payment.method or "",
        amount=transaction.amount,
    )
    return transaction.slot == name


def _refusal_of(payment: Payment, transaction: Transaction) -> Interaction | None:
    """The law's no to what this transaction is: named by its command, or for a merchant's own by the transaction."""
    if transaction.state is not State.FAILURE:
        return None
    refusals = (one for one in payment.interactions if one.kind is InteractionKind.REFUSAL)
    return next(
        (
            one
            for one in refusals
            if one.transaction_id == transaction.id
            or (transaction.kind is Kind.AUTHORIZATION and one.cause == transaction.command_id)
        ),
        None,
    )


def _decline_text(payment: Payment, transaction: Transaction, told: Interaction | None) -> str:
    if transaction.kind is Kind.AUTHORIZATION and payment.status_text:
        return payment.status_text
    return (told.message if told else None) or "The payment service provider declined."


def _reason(refusal: Interaction) -> Reason:
    return Reason(code=refusal.code or "refused", message=refusal.message or "Refused.")
