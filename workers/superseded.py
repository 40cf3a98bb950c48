"""Attempts that were given up: marked so that they stop counting, cancelled at the PSP, and paid back if need be.

This is how a shopper who leaves a challenge open and pays with another card is not charged twice, even where the PSP
authorizes the first attempt after all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bus.messages import CancelPayment
from ct.actions import set_transaction_custom_field
from ct.fields import TransactionField
from ct.folds import cancelling
from ct.ledger import Actions
from psp.facts import Kind, State

if TYPE_CHECKING:
    from ct.cart import Cart
    from ct.payment import Payment
    from workers.work import Work


class CartMovedError(Exception):
    """The cart, or a Payment on it, is not as it was read. Read it again and decide again."""


async def give_up(work: Work, cart: Cart, abandoned: tuple[Payment, ...], *, correlation_id: str) -> None:
    """Mark attempts as superseded and have them cancelled at the PSP.

    Cancels are commanded again in every run until they are on the Payment: their ids are the same each time.
    Raises CartMovedError where an attempt was decided after the cart was read: then the cart must be weighed again.
    """
    marked = {payment.id: await _mark(work, payment) for payment in abandoned}
    for payment in cart.payments:
        current = marked.get(payment.id, payment)
        attempt = current.authorization
        if current.interface == work.ledger.interface and attempt is not None and attempt.superseded and attempt.open:
            await _cancel(work, current, correlation_id)


async def give_back_if_superseded(work: Work, payment: Payment, *, correlation_id: str) -> None:
    """Have money returned that moved on a superseded attempt all the same."""
    attempt = payment.authorization
    if attempt is not None and attempt.superseded and attempt.state is State.SUCCESS:
        await _cancel(work, payment, correlation_id)


async def _cancel(work: Work, payment: Payment, correlation_id: str) -> None:
    """Unless it is cancelled or being cancelled. A cancel that failed earlier is a try; the next has its own id."""
    attempt = payment.authorization
    assert attempt is not None, "only attempts are cancelled"
    if cancelling(payment):
        return
    tries = len(payment.of_kind(Kind.CANCEL_AUTHORIZATION))
    await work.publish(
        CancelPayment(
            correlation_id=correlation_id,
            command_id=f"superseded-{attempt.id}-{tries}",
            accepted_at=work.clock(),
            payment_id=payment.id,
        )
    )


async def _mark(work: Work, payment: Payment) -> Payment:
    def supersede(current: Payment) -> Actions:
        attempt = current.authorization
        if attempt is None or not attempt.open:
            raise CartMovedError
        if attempt.superseded:
            return Actions(actions=[])
        mark = set_transaction_custom_field(attempt.id, TransactionField.SUPERSEDED, value=True)
        return Actions(actions=[mark])

    changed, _ = await work.ledger.change(payment, supersede)
    return changed
