"""The authorize worker: finds out which attempt a request is, puts it on the cart, and asks the PSP for the money.

Law: the PSP is asked only after the Payment was added to the cart at the version on which the cart's payments were
weighed against its total. Four calls where nobody interferes: read the cart, create, attach, settle.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from bus.port import DONE, Ending, again, ignored
from ct.actions import (
    UpdateAction,
    add_interaction,
    change_transaction_state,
    interaction_draft,
    payment_draft,
    set_transaction_custom_field,
    timestamp,
    transaction_draft,
)
from ct.attempts import EXPIRED, Begin, Join, KeyReused, Reject, Resume, Wish, decide
from ct.errors import ConflictError, DuplicateError, InvalidRequestError, NotFoundError
from ct.fields import InteractionKind, PurchaseOrderField, TransactionField
from ct.judge import Refusal
from ct.ledger import Actions
from ct.standing import standing_of
from psp.errors import OutcomeUnknownError, PspError
from psp.facts import Kind, State
from psp.outcome import Outcome, Reason, Standing
from psp.port import AuthorizeRequest
from psp.stored import Initiator
from workers.means import Means, means_of
from workers.perform import is_over, never_sent, perform, reference_to, send_by, settle, what_became_of, write_down
from workers.superseded import (
    CartMovedError,
    Room,
    give_back_if_superseded,
    give_up,
    give_up_one,
    room_for,
    weigh_again,
)

if TYPE_CHECKING:
    from datetime import datetime

    from bus.messages import AuthorizePayment
    from ct.cart import Cart
    from ct.payment import Payment, Transaction
    from psp.facts import Action
    from psp.port import Answer
    from workers.work import Work

_log = structlog.get_logger(__name__)

#: A message of this age may be a repetition whose attempt somebody has taken off the cart since.
_REPEATED_AFTER: Final = timedelta(seconds=10)
#: commercetools' clock may be behind the ingress's by so much.
_CLOCKS_DIFFER: Final = timedelta(minutes=10)
#: Joined requests that one Payment's log keeps: enough for any shopper, and a bound for anybody else.
_JOINED_MAX: Final = 20
#: A cart with so many payments takes no more that only record a refusal: whoever goes on clicking gets the reply alone.
_CART_PAYMENTS_MAX: Final = 30


async def authorize(work: Work, command: AuthorizePayment) -> Ending:
    """Answer the shopper's wish with exactly one attempt."""
    work = work.for_method(command.method)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + work.ledger.conflicts_within_s
    met = _Met()
    while True:
        try:
            cart = await work.ledger.load_cart(command.cart_id)
        except NotFoundError:
            return await _without_cart(work, command)
        try:
            return await _attempt(work, command, cart, met)
        except (CartMovedError, ConflictError):
            if loop.time() >= give_up_at:
                raise ConflictError("Others kept changing the cart. The message comes again.") from None
            await asyncio.sleep(work.ledger.draw() * 0.1)


async def _without_cart(work: Work, command: AuthorizePayment) -> Ending:
    """The cart was deleted. An earlier run may have asked the PSP before that: then its answer is the truth.

    Until it can have no effect any more, that the PSP knows nothing of it is no answer.
    """
    payment = await work.ledger.find_by_command(command.command_id, since=command.accepted_at - _CLOCKS_DIFFER)
    attempt = payment.authorization if payment else None
    if payment is None or attempt is None:
        return await _refuse(work, command, "no-such-cart", "There is no such cart.")
    if attempt.state is State.INITIAL:
        known = await what_became_of(work, payment, attempt)
        if known is None and not is_over(work, payment, attempt):
            raise OutcomeUnknownError("The PSP may still be at it. The message comes again and asks again.")
        answer = known or never_sent(work, payment, attempt)
        payment = await settle(work, payment, answer, cause=command.command_id)
    else:
        # An earlier run may have died between the write and this.
        payment = await give_back_if_superseded(work, payment, cause=command.command_id)
    await work.reply(command, standing_of(payment, payment.transaction(attempt.id) or attempt))
    return DONE


@dataclass(frozen=True, kw_only=True, slots=True)
class _Met:
    """Our Payments that were met otherwise than on the cart, by their ids."""

    payments: dict[str, Payment] = field(default_factory=dict)
    #: Those that this run has made, of which the PSP cannot have heard.
    made: set[str] = field(default_factory=set)


async def _attempt(work: Work, command: AuthorizePayment, cart: Cart, met: _Met) -> Ending:
    """One decision on the cart as read."""
    await _find_own(work, command, cart, met)
    await _close_stale(work, command, cart, met)
    decision = decide(_wish(work, command), cart, met.payments.values())
    match decision:
        case KeyReused():
            other = Reason(code="key-reused", message="The idempotency key was used for another payment.")
            await work.reply(command, Standing(outcome=Outcome.KEY_REUSED, reason=other))
            return ignored("idempotency key reused")
        case Join():
            return await _join(work, command, cart, decision)
        case Resume():
            return await _resume(work, command, cart, decision, met)
        case Reject():
            return await _reject(work, command, cart, decision, met)
        case Begin():
            return await _begin(work, command, cart, decision, met)


async def _find_own(work: Work, command: AuthorizePayment, cart: Cart, met: _Met) -> None:
    """Meet the attempt of an earlier run that is not on the cart any more. With a key it is met by that.

    One call, where the message has come before, or is old, and the attempt is not on the cart.
    """
    is_repeated = work.delivery > 1 or work.clock() - command.accepted_at > _REPEATED_AFTER
    known = (one.by_command(command.command_id) for one in (*cart.payments, *met.payments.values()))
    if command.attempt_key is not None or not is_repeated or any(known):
        return
    if found := await work.ledger.find_by_command(command.command_id, since=command.accepted_at - _CLOCKS_DIFFER):
        met.payments[found.id] = found


async def _close_stale(work: Work, command: AuthorizePayment, cart: Cart, met: _Met) -> None:
    """End other attempts that were reserved and lost, where there is proof: they must not block the cart for good."""
    for payment in (*cart.payments, *met.payments.values()):
        attempt = payment.authorization
        ours = payment.interface == work.ledger.interface and attempt is not None and attempt.taken
        if not ours or attempt is None or attempt.state is not State.INITIAL:
            continue
        if attempt.command_id == command.command_id or work.clock() <= send_by(work, payment, attempt):
            continue
        try:
            closed = await perform(work, payment, attempt, _too_late, cause=command.command_id)
        except PspError:
            # No proof yet; it goes on counting.
            continue
        if payment.id in met.payments:
            met.payments[payment.id] = closed
        raise CartMovedError


async def _too_late() -> Answer:
    raise AssertionError("past its time, an attempt is looked up and never sent")


async def _begin(work: Work, command: AuthorizePayment, cart: Cart, begin: Begin, met: _Met) -> Ending:
    if work.clock() >= command.accepted_at + work.limits.authorization_send_by:
        old = Refusal(code=EXPIRED, message="The request is too old to be sent; the shopper has gone.")
        late = Reject(refusal=old, key=begin.key, amount=begin.amount, slot=begin.slot)
        return await _reject(work, command, cart, late, met)
    means = await means_of(work, command, cart)
    if isinstance(means, Refusal):
        return await _refuse(work, command, means.code, means.message)
    await give_up(work, cart, begin.supersede, cause=command.command_id)
    draft = _draft(work, command, cart, key=begin.key, begin=begin)
    payment = await _create(work, draft, begin.key, met)
    # Should the cart have moved, the next look finds it here and not on the cart.
    met.payments[payment.id] = payment
    refusal = await _attach(work, cart, payment)
    if refusal is not None:
        return await _fail(work, command, cart, (payment, refusal), met)
    await _look_again(work, cart)
    transaction = payment.authorization
    assert transaction is not None, "the draft has an Authorization"
    return await _ask(work, command, payment, transaction, means, seen_on_cart=work.clock())


async def _resume(work: Work, command: AuthorizePayment, cart: Cart, resume: Resume, met: _Met) -> Ending:
    payment, transaction = resume.payment, resume.transaction
    # Pending without an action may be a webhook that overtook the PSP's reply, which has the action: ask again.
    asked = not transaction.open or transaction.action is not None
    if asked or transaction.superseded:
        payment = await _put_back(work, command, cart, payment)
        payment = await give_back_if_superseded(work, payment, cause=command.command_id)
        await work.reply(command, standing_of(payment, payment.transaction(transaction.id) or transaction))
        return DONE
    if resume.refusal is not None:
        return await _stop(work, command, cart, (payment, resume.refusal), met)
    means = await means_of(work, command, cart)
    await give_up(work, cart, resume.supersede, cause=command.command_id)
    if all(one.id != payment.id for one in cart.payments):
        refusal = await _attach(work, cart, payment)
        if refusal is not None:
            return await _stop(work, command, cart, (payment, refusal), met)
    await _look_again(work, cart)
    payment = await _weighed(work, cart, payment, transaction)
    return await _ask(work, command, payment, transaction, means, seen_on_cart=None)


async def _look_again(work: Work, cart: Cart) -> None:
    """Now that mine is on the cart: whether another that had failed has succeeded since the cart was read.

    That moves no cart's version, and whoever wrote it down may not have seen mine. As a rule passes find it by its
    mark; where other software has replaced our fields there is none. One call for each of these. Raises CartMovedError.
    """
    for payment in cart.payments:
        attempt = payment.authorization
        ours = payment.interface == work.ledger.interface and attempt is not None and attempt.taken
        if not ours or attempt is None or attempt.writable or attempt.state is not State.FAILURE:
            continue
        fresh = (await work.ledger.load(payment.id)).authorization
        if fresh is not None and fresh.state is not attempt.state:
            raise CartMovedError


async def _weighed(work: Work, cart: Cart, payment: Payment, transaction: Transaction) -> Payment:
    """The Payment with the version of the cart it was weighed on: a write, since what was read may be older than it.

    An attempt that was closed meanwhile must not be asked for. Raises CartMovedError where it is not as it was read.
    """

    def weigh(current: Payment) -> Actions:
        mine = current.transaction(transaction.id)
        if mine is None or mine.state is not transaction.state or mine.superseded or mine.action is not None:
            raise CartMovedError
        field = set_transaction_custom_field(mine.id, TransactionField.CART_VERSION, value=cart.version)
        return Actions(actions=[field] if mine.writable else [])

    weighed, _ = await work.ledger.change(payment, weigh)
    return weighed


async def _stop(work: Work, command: AuthorizePayment, cart: Cart, found: tuple[Payment, Refusal], met: _Met) -> Ending:
    """My Payment was reserved before, and the cart takes it no more; an earlier run may have asked the PSP."""
    payment, _ = found
    transaction = payment.authorization
    assert transaction is not None, "our Payments have an Authorization"
    if payment.id in met.made and transaction.state is State.INITIAL:
        return await _fail(work, command, cart, found, met)
    # Perhaps it was taken off its cart after the PSP was asked: then only the PSP knows what became of it.
    known = await what_became_of(work, payment, transaction)
    if known is None and not is_over(work, payment, transaction):
        raise OutcomeUnknownError("The PSP may still be at it. The message comes again and asks again.")
    answer = known or never_sent(work, payment, transaction)
    # The next look weighs it, and puts it back or gives it up: until then nobody need be told of it.
    payment = await write_down(work, payment, answer, cause=command.command_id)
    met.payments[payment.id] = payment
    attempt = payment.authorization
    if attempt is None or not attempt.open:
        raise CartMovedError
    # The PSP has it and has not decided, or has done another amount: it goes back onto its cart, or is given up.
    payment = await _put_back(work, command, cart, payment)
    payment = await give_back_if_superseded(work, payment, cause=command.command_id)
    await work.reply(command, standing_of(payment, payment.transaction(attempt.id) or attempt))
    return DONE


async def _attach(work: Work, cart: Cart, payment: Payment) -> Refusal | None:
    """Put the attempt on its cart; a refusal where commercetools, or an extension of the merchant's, will not have it.

    Raises ConflictError where the cart has changed.
    """
    try:
        await work.ledger.attach(cart, payment)
    except InvalidRequestError as refused:
        _log.warning("cart.refused", code=refused.code, reason=str(refused))
        return Refusal(code="cart-refused", message="The cart takes no payment. Change it, or ask the shop.")
    return None


async def _ask(
    work: Work,
    command: AuthorizePayment,
    payment: Payment,
    transaction: Transaction,
    means: Means | Refusal,
    *,
    seen_on_cart: datetime | None,
) -> Ending:
    asked: list[Action] = []

    async def call() -> Answer:
        if isinstance(means, Refusal):
            # What was to pay for it is gone since it was reserved. An earlier run may have asked for the money, so
            # only the PSP can tell; where it knows nothing until it is too late, the attempt is closed.
            raise OutcomeUnknownError(means.message)
        answer = await work.psp.authorize(
            AuthorizeRequest(
                reference=reference_to(work, payment, transaction),
                amount=transaction.amount,
                method=command.method,
                token=means.token,
                return_url=command.return_url,
                merchant_reference=command.merchant_reference,
                token_kind=means.kind,
                initiator=Initiator(command.initiator),
                store_for=means.store_for,
            )
        )
        asked.extend([answer.action] if answer.action is not None else [])
        return answer

    settled = await perform(work, payment, transaction, call, cause=command.command_id, seen_on_cart=seen_on_cart)
    standing = standing_of(settled, settled.transaction(transaction.id) or transaction)
    if asked and standing.outcome is Outcome.PENDING:
        # Other software has put its type in the place of ours meanwhile: the question stands nowhere but here.
        standing = replace(standing, outcome=Outcome.ACTION, action=asked[0])
    await work.reply(command, standing)
    return DONE


async def _reject(work: Work, command: AuthorizePayment, cart: Cart, reject: Reject, met: _Met) -> Ending:
    """No money is asked for, and a failed Payment tells why, to the shopper's status poll and to a person."""
    await give_up(work, cart, (), cause=command.command_id)
    why = Reason(code=reject.refusal.code, message=reject.refusal.message)
    if len(cart.payments) >= _CART_PAYMENTS_MAX:
        return await _refuse(work, command, why.code, why.message)
    draft = _draft(work, command, cart, key=reject.key, begin=reject)
    payment = await _create(work, draft, reject.key, met)
    met.payments[payment.id] = payment
    await _show_on(work, cart, payment)
    await work.reply(command, Standing(outcome=Outcome.REFUSED, payment_reference=payment.id, reason=why))
    return ignored(f"refused: {reject.refusal.code}")


async def _put_back(work: Work, command: AuthorizePayment, cart: Cart, payment: Payment) -> Payment:
    """The Payment of which the shopper is to be told, on its cart again where somebody has taken it off.

    Where the cart is paid for otherwise by now, or refuses it, it is given up instead; and where the shop has moved it
    to another cart, it stays there. One call where it is not on this one.
    """
    attempt = payment.authorization
    is_on = any(one.id == payment.id for one in cart.payments)
    if attempt is None or is_on or attempt.superseded:
        return payment
    if standing_of(payment, attempt).outcome is Outcome.REFUSED:
        await _show_on(work, cart, payment)
        return payment
    has_succeeded = attempt.state is State.SUCCESS
    if (not (attempt.open and cart.active) and not has_succeeded) or await work.ledger.is_on_cart(payment.id):
        return payment
    if room_for(cart, payment, attempt) is Room.ENOUGH and _has_place(cart):
        if await _show_on(work, cart, payment) is None:
            return payment
    elif has_succeeded:
        return await weigh_again(work, payment, attempt, cause=command.command_id, was_for=cart)
    return await give_up_one(work, payment, cause=command.command_id)


def _has_place(cart: Cart) -> bool:
    return cart.active and len(cart.payments) < _CART_PAYMENTS_MAX


async def _show_on(work: Work, cart: Cart, payment: Payment) -> Refusal | None:
    """Put an attempt on its cart before it is answered: there the status, and this command again, will find it.

    As `_attach`; nothing is tried where the cart can take no more.
    """
    if _has_place(cart) and all(one.id != payment.id for one in cart.payments):
        return await _attach(work, cart, payment)
    return None


async def _fail(work: Work, command: AuthorizePayment, cart: Cart, found: tuple[Payment, Refusal], met: _Met) -> Ending:
    """My Payment exists, and the cart takes it no more. Raises CartMovedError where it is not as it was made."""
    payment, refusal = found

    def failed(current: Payment) -> Actions:
        mine = current.by_command(command.command_id) or current.authorization
        if mine is None or mine.state is not State.INITIAL:
            # The next look must not find it as it was.
            met.payments[current.id] = current
            raise CartMovedError
        refused = add_interaction(
            kind=InteractionKind.REFUSAL,
            cause=command.command_id,
            at=work.clock(),
            transaction_id=mine.id,
            code=refusal.code,
            message=refusal.message,
        )
        return Actions(actions=[change_transaction_state(mine.id, State.FAILURE), refused])

    payment, _ = await work.ledger.change(payment, failed)
    met.payments[payment.id] = payment
    mine = payment.authorization
    assert mine is not None, "our Payments have an Authorization"
    await _show_on(work, cart, payment)
    await work.reply(command, standing_of(payment, mine))
    return ignored(f"refused: {refusal.code}")


async def _join(work: Work, command: AuthorizePayment, cart: Cart, join: Join) -> Ending:
    """The same answer as the request that came first, noted so that a status poll finds it."""
    payment, transaction = join.payment, join.transaction

    def note(current: Payment) -> Actions:
        joined = [one for one in current.interactions if one.kind is InteractionKind.JOINED]
        if len(joined) >= _JOINED_MAX or any(one.cause == command.command_id for one in joined):
            return Actions(actions=[])
        entry = add_interaction(kind=InteractionKind.JOINED, cause=command.command_id, at=work.clock())
        return Actions(actions=[entry])

    payment, _ = await work.ledger.change(payment, note)
    current = payment.transaction(transaction.id) or transaction
    if current.state is State.INITIAL and work.clock() < command.accepted_at + work.limits.authorization_send_by:
        return again("the first request of this slot is under way")
    payment = await _put_back(work, command, cart, payment)
    payment = await give_back_if_superseded(work, payment, cause=command.command_id)
    await work.reply(command, standing_of(payment, payment.transaction(transaction.id) or current))
    return DONE


async def _create(work: Work, draft: UpdateAction, key: str, met: _Met) -> Payment:
    """The Payment made from the draft. Where the key is taken, the one that has it joins those `met`."""
    try:
        made = await work.ledger.create(draft)
    except DuplicateError as duplicate:
        taken = await work.ledger.load_by_key(key)
        met.payments[taken.id] = taken
        raise CartMovedError from duplicate
    met.made.add(made.id)
    return made


async def _refuse(work: Work, command: AuthorizePayment, code: str, message: str) -> Ending:
    await work.reply(command, Standing(outcome=Outcome.REFUSED, reason=Reason(code=code, message=message)))
    return ignored(f"refused: {code}")


def _wish(work: Work, command: AuthorizePayment) -> Wish:
    return Wish(
        command_id=command.command_id,
        accepted_at=command.accepted_at,
        project_key=work.project_key,
        owner=command.owner,
        method=command.method,
        attempt_key=command.attempt_key,
        request_hash=command.request_hash,
        interface=work.ledger.interface,
        amount=command.amount,
        gift_card_planned=command.gift_card_planned,
    )


def _purchase_order(command: AuthorizePayment) -> dict[PurchaseOrderField, str]:
    """What a buyer wrote, where there is a number: the type of other software in the project may demand one."""
    if command.po_number is None:
        return {}
    memo = {} if command.invoice_memo is None else {PurchaseOrderField.MEMO: command.invoice_memo}
    return {PurchaseOrderField.NUMBER: command.po_number, **memo}


def _draft(work: Work, command: AuthorizePayment, cart: Cart, *, key: str, begin: Begin | Reject) -> UpdateAction:
    """The Payment with its Authorization in it: reserved, or refused from the start."""
    now = work.clock()
    fields: dict[TransactionField, str | int | bool] = {
        TransactionField.COMMAND_ID: command.command_id,
        TransactionField.REQUEST_HASH: command.request_hash,
        TransactionField.ACCEPTED_AT: timestamp(command.accepted_at),
        TransactionField.SEND_BY: timestamp(command.accepted_at + work.limits.authorization_send_by),
        TransactionField.SLOT: begin.slot,
        TransactionField.CART_ID: cart.id,
        TransactionField.CART_VERSION: cart.version,
    }
    if command.merchant_reference is not None:
        fields[TransactionField.MERCHANT_REFERENCE] = command.merchant_reference
    refusal = begin.refusal if isinstance(begin, Reject) else None
    if refusal is None:
        told = interaction_draft(
            kind=InteractionKind.RESERVED,
            cause=command.command_id,
            at=now,
            code=Kind.AUTHORIZATION.value,
            message=command.command_id,
            request_hash=command.request_hash,
            owner=command.owner,
        )
    else:
        told = interaction_draft(
            kind=InteractionKind.REFUSAL,
            cause=command.command_id,
            at=now,
            code=refusal.code,
            message=refusal.message,
        )
    return payment_draft(
        key=key,
        planned=begin.amount,
        interface=work.ledger.interface,
        method=command.method,
        customer_id=cart.customer_id,
        anonymous_id=cart.anonymous_id,
        transaction=transaction_draft(
            kind=Kind.AUTHORIZATION,
            amount=begin.amount,
            state=State.INITIAL if refusal is None else State.FAILURE,
            at=now,
            fields=fields,
        ),
        interactions=(told,),
        purchase_order=_purchase_order(command),
    )
