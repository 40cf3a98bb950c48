"""The commercetools worker: turns what a merchant put on one of our Payments into the command that carries it out.

So a merchant can capture, cancel or refund without calling us at all. Nothing is read and nothing written here: the
worker of the operation reads the Payment, claims the transaction and judges it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bus.messages import CancelPayment, CapturePayment, RefundPayment
from bus.port import DONE, Ending, ignored
from ct.errors import NotFoundError
from ct.messages import COMMANDED, Asked, read_notification
from psp.facts import Kind, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bus.port import Delivery
    from workers.work import Work

#: Every kind in `COMMANDED` has its command.
_COMMANDS: Mapping[Kind, type[CapturePayment | RefundPayment | CancelPayment]] = {
    Kind.CHARGE: CapturePayment,
    Kind.REFUND: RefundPayment,
    Kind.CANCEL_AUTHORIZATION: CancelPayment,
}


async def subscription(work: Work, delivery: Delivery) -> Ending:
    """Publish a command for every transaction that wants doing. Raises UnreadableMessageError, PublishError."""
    asking = read_notification(delivery.data, project_key=work.project_key, interface=work.ledger.interface)
    correlation_id = asking.id or delivery.message_id
    asked = asking.asked
    if asking.read_payment is not None:
        asked = await _asked_on(work.for_request(correlation_id), asking.read_payment)
    for one in asked:
        await work.publish(
            _COMMANDS[one.kind](
                correlation_id=correlation_id,
                command_id=f"merchant-{one.transaction_id}",
                accepted_at=work.clock(),
                payment_id=one.payment_id,
                transaction_id=one.transaction_id,
            )
        )
    return DONE if asked else ignored(asking.reason or "no Initial transaction of a merchant's on it")


async def _asked_on(work: Work, payment_id: str) -> tuple[Asked, ...]:
    """What is asked on a Payment whose message came without its body."""
    try:
        payment = await work.ledger.load(payment_id)
    except NotFoundError:
        return ()
    if payment.interface != work.ledger.interface:
        return ()
    return tuple(
        Asked(payment_id=payment.id, transaction_id=one.id, kind=one.kind)
        for one in payment.transactions
        if one.state is State.INITIAL and one.kind in COMMANDED and not one.taken
    )
