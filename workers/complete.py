"""Completion, in the authorize worker: finishes an authorization after the shopper's challenge or redirect.

The return page, the enabler and the PSP's webhook race each other here; whoever is first settles it, and the others
find it settled. A superseded attempt is not completed: the shopper has paid otherwise, or has gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bus.port import DONE, Cause, Ending, again, ignored
from ct.actions import set_transaction_custom_field
from ct.errors import NotFoundError
from ct.fields import TransactionField
from ct.ledger import Actions
from ct.standing import is_owner, operation_on, standing_of
from ct.states import OPEN
from psp.errors import OutcomeUnknownError, RefusedError
from psp.facts import State
from psp.outcome import Outcome, Reason, Standing
from psp.port import Answer, CompleteRequest, LookupRequest
from workers.perform import reference_to, settle
from workers.superseded import CartMovedError, abandon, give_back_if_superseded, would_bear

if TYPE_CHECKING:
    from datetime import datetime

    from bus.messages import CompleteAuthorization
    from ct.payment import Payment, Transaction
    from workers.work import Work


#: Deliveries after which nothing that was read too early is taken to be what hides the payment: some four seconds, so
#: that whoever waits still hears the answer.
_LOOKS: Final = 5


async def complete(work: Work, command: CompleteAuthorization) -> Ending:
    """Ask the PSP to finish, and settle. Two calls; one where it is settled already."""
    found = await _find(work, command)
    if found is None:
        if work.delivery < _LOOKS:
            # What was read may be older than the payment, and nobody but this message can tell the PSP.
            return again("no such operation yet", Cause.MISSING_PAYMENT)
        gone = Reason(code="no-such-operation", message="There is no such payment to complete.")
        await work.reply(command, Standing(outcome=Outcome.NOT_FOUND, reason=gone))
        return ignored("no such operation")
    payment, transaction = found.payment, found.transaction
    if transaction.open and payment.known_as is None:
        payment, transaction = await _as_it_is(work, payment, transaction)
    if transaction.open:
        if payment.known_as is None:
            return again("it is not known yet what the PSP calls the payment")
        is_late = _comes_too_late(work, transaction)
        if transaction.superseded or is_late:
            # Not completed any more. But an earlier run of this may have done it, and died before it was written.
            answer = await _look_up(work, payment, transaction, payment.known_as)
        else:
            answer = await _answer(work, command, payment, transaction, payment.known_as)
        if is_late and all(fact.state in OPEN for fact in answer.facts):
            try:
                payment = await abandon(work, payment, cause=command.command_id)
            except CartMovedError:
                return again("the attempt was decided meanwhile")
        payment = await settle(work, payment, answer, cause=command.command_id, seen_on_cart=found.seen_on_cart)
        if answer.action is None:
            payment = await _answered(work, payment, transaction)
    else:
        # An earlier run may have died between the write and this.
        payment = await give_back_if_superseded(work, payment, cause=command.command_id)
    await work.reply(command, standing_of(payment, payment.transaction(transaction.id) or transaction))
    return DONE


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """The attempt that is to be completed."""

    payment: Payment
    transaction: Transaction
    #: When it was on its cart; None: it is not.
    seen_on_cart: datetime | None


async def _find(work: Work, command: CompleteAuthorization) -> _Found | None:
    """The attempt on its cart; where somebody has taken it off, or the cart is gone, by what began it."""
    seen_at = work.clock()
    try:
        cart = await work.ledger.load_cart(command.cart_id)
    except NotFoundError:
        cart = None
    found = None
    if on_cart := (operation_on(cart, command.operation) if cart else None):
        # One that was merged into another counts for nothing, one that was ordered is rare, and one that is paid for
        # by now must not be paid for twice.
        is_seen = cart is not None and cart.active and would_bear(cart, on_cart[0])
        seen_on_cart = seen_at if is_seen else None
        found = _Found(payment=on_cart[0], transaction=on_cart[1], seen_on_cart=seen_on_cart)
    elif (payment := await _by_command(work, command)) and payment.authorization is not None:
        found = _Found(payment=payment, transaction=payment.authorization, seen_on_cart=None)
    if found is None or command.owner is None:
        return found
    owned = is_owner(
        project_key=work.project_key,
        owner=command.owner,
        cart_id=command.cart_id,
        payment=found.payment,
        transaction=found.transaction,
    )
    return found if owned else None


async def _by_command(work: Work, command: CompleteAuthorization) -> Payment | None:
    since = command.accepted_at - 2 * work.limits.action_within
    payment = await work.ledger.find_by_command(command.operation, since=since)
    attempt = payment.authorization if payment else None
    return payment if attempt is not None and attempt.command_id == command.operation else None


async def _as_it_is(work: Work, payment: Payment, transaction: Transaction) -> tuple[Payment, Transaction]:
    """Read by itself: a cart may show its payments as they were."""
    fresh = await work.ledger.load(payment.id)
    return fresh, fresh.transaction(transaction.id) or transaction


def _comes_too_late(work: Work, transaction: Transaction) -> bool:
    """Whether the shopper was asked so long ago that they have gone, and no word that the PSP has heard the answer."""
    is_untold = transaction.action is not None and transaction.state is State.PENDING
    asked_at = transaction.action_at
    return is_untold and asked_at is not None and work.clock() > asked_at + work.limits.action_within


async def _answer(
    work: Work, command: CompleteAuthorization, payment: Payment, transaction: Transaction, psp_reference: str
) -> Answer:
    request = CompleteRequest(
        reference=reference_to(work, payment, transaction),
        payment_reference=psp_reference,
        parameters=command.parameters,
    )
    try:
        return await work.psp.complete(request)
    except RefusedError:
        # What the browser brought may be wrong, stale or used already. That proves nothing about the payment.
        return await _look_up(work, payment, transaction, psp_reference)
    except OutcomeUnknownError:
        answer = await _look_up(work, payment, transaction, psp_reference)
        if all(fact.state in OPEN for fact in answer.facts):
            # The PSP has not heard what the shopper said, and nobody but this message can tell it.
            raise
        return answer


async def _answered(work: Work, payment: Payment, transaction: Transaction) -> Payment:
    """The Payment without the shopper's open action: the PSP waits for a bank now. One call where there is one."""

    def close(current: Payment) -> Actions:
        attempt = current.transaction(transaction.id)
        if attempt is None or attempt.action is None or not attempt.open or not attempt.writable:
            return Actions(actions=[])
        return Actions(actions=[set_transaction_custom_field(attempt.id, TransactionField.ACTION, value=None)])

    changed, _ = await work.ledger.change(payment, close)
    return changed


async def _look_up(work: Work, payment: Payment, transaction: Transaction, psp_reference: str) -> Answer:
    reference = reference_to(work, payment, transaction)
    asked = LookupRequest(reference=reference, authorization=reference, payment_reference=psp_reference)
    try:
        return await work.psp.lookup(asked)
    except RefusedError as refused:
        raise OutcomeUnknownError(f"A look-up was refused: {refused}") from refused
