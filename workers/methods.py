"""The methods worker: puts on a customer's list what the PSP has stored, and takes off what the customer deletes.

Both may run any number of times. Storing makes one method however often it is told of; deleting ends with the PSP
having forgotten the token, whatever breaks in between.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bus.messages import DeletePaymentMethod, StorePaymentMethod
from bus.port import DONE, Ending, ignored
from ct import stored
from ct.actions import add_interaction
from ct.errors import DuplicateError, NotFoundError
from ct.fields import InteractionKind
from ct.ledger import Actions
from psp.outcome import Outcome, Standing
from psp.port import ForgetRequest

if TYPE_CHECKING:
    from ct.payment import Payment
    from psp.stored import Stored
    from workers.work import Work


async def ask_to_store(work: Work, payment: Payment, found: Stored | None, *, correlation_id: str) -> None:
    """Have a method that the PSP stored with this Payment put on the customer's list. Raises PublishError.

    To be called before the answer that told of it is settled: a run that finds the Payment settled asks no PSP again.
    The customer's consent was the condition for which the PSP was asked to store it, so it is not judged here.
    """
    if found is None or payment.customer_id is None or _is_stored(payment):
        return
    await work.publish(
        StorePaymentMethod(
            correlation_id=correlation_id,
            command_id=f"store-{payment.id}",
            accepted_at=work.clock(),
            payment_id=payment.id,
            token=found.token,
            instrument=found.instrument,
        )
    )


async def store(work: Work, command: StorePaymentMethod) -> Ending:
    """Read the Payment, make the method, note it on the Payment: three calls.

    The note is why an event that comes again when the customer has deleted the method does not bring it back.
    """
    try:
        payment = await work.ledger.load(command.payment_id)
    except NotFoundError:
        return ignored("the Payment was deleted")
    if payment.interface != work.ledger.interface or payment.customer_id is None:
        return ignored("no Payment of ours and of a customer")
    if _is_stored(payment):
        return ignored("it is on the list, or was deleted since")
    customer_id = payment.customer_id
    # Taken: by an earlier run, or by another payment with which the PSP stored the same.
    with contextlib.suppress(DuplicateError):
        await stored.create(work.ledger, customer_id=customer_id, token=command.token, instrument=command.instrument)

    def note(current: Payment) -> Actions:
        if _is_stored(current):
            return Actions(actions=[])
        entry = add_interaction(kind=InteractionKind.STORED, cause=command.command_id, at=work.clock())
        return Actions(actions=[entry])

    await work.ledger.change(payment, note)
    return DONE


async def delete(work: Work, command: DeletePaymentMethod) -> Ending:
    """Read, deactivate, answer, have the PSP forget it, delete: three calls and one to the PSP."""
    kept = await stored.load(work.ledger, command.method_id)
    if kept is None or kept.shown.customer_id != command.customer_id:
        # Deleted by an earlier run, most likely; the customer is told the same either way.
        await work.reply(command, Standing(outcome=Outcome.NOT_FOUND))
        return ignored("this customer has no such method")
    if kept.active:
        kept = await stored.deactivate(work.ledger, kept)
    # For the customer it is gone now; an outage of the PSP is not theirs to wait for.
    await work.reply(command, Standing(outcome=Outcome.APPROVED))
    await work.psp.forget(ForgetRequest(token=kept.token))
    try:
        await stored.delete(work.ledger, kept)
    except NotFoundError:
        return ignored("another run has deleted it")
    return DONE


def _is_stored(payment: Payment) -> bool:
    return any(one.kind is InteractionKind.STORED for one in payment.interactions)
