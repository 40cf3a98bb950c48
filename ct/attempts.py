"""Which attempt is this? Pure: from the cart with its payments, and the shopper's request, to what must be done.

One Payment is one attempt. Shoppers click twice, come back to a page, try another card; messages are delivered twice.
The *slot* is one shopper's wish to pay one amount of one cart by one method: within it there is one attempt at a time.
Nobody calls a PSP for an attempt that `decide` has not let through on the cart as it was read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from ct.fields import InteractionKind
from ct.folds import covers, freed
from ct.judge import Refusal
from psp.facts import Kind, State
from psp.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ct.cart import Cart
    from ct.payment import Payment, Transaction

#: Two clicks this close are one wish, even where the first has brought up a challenge meanwhile. A request with an
#: idempotency key of its own is never a second click.
DOUBLE_CLICK: Final = timedelta(seconds=2)


#: The code of an attempt that was never sent in time.
EXPIRED: Final = "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the shopper asked for, as far as telling attempts apart goes."""

    command_id: str
    accepted_at: datetime
    project_key: str
    owner: str
    method: str
    #: The Payment's key where the caller gave an idempotency key.
    attempt_key: str | None
    request_hash: str
    #: Whose Payments are ours.
    interface: str
    #: How much of what is left to pay; None: all of it.
    amount: Money | None = None
    #: What gift cards are to pay of the cart. Other software sees to that, so it counts what others' Payments cover.
    gift_card_planned: Money | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resume:
    """The command has its Payment: go on from where it stands."""

    payment: Payment
    transaction: Transaction
    #: Attempts to give up before it may go on; empty once that is done.
    supersede: tuple[Payment, ...]
    #: Why the cart does not take it any more; None: it may go on.
    refusal: Refusal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """Another request of the same slot is under way or has ended: this one gets the same answer."""

    payment: Payment
    transaction: Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """Make a Payment with this key and amount."""

    key: str
    amount: Money
    slot: str
    supersede: tuple[Payment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """There will be no PSP call. The Payment is made all the same (with `key`), failed, so that a person finds it."""

    refusal: Refusal
    key: str
    amount: Money
    slot: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyReused:
    """The idempotency key was used for something else."""


Decision: TypeAlias = Resume | Join | Begin | Reject | KeyReused


def slot_of(wish: Wish, cart_id: str, amount: Money) -> str:
    """The slot's name: a hash, so that it says nothing about the session. Also how a status poll proves its owner."""
    return slot_name(project_key=wish.project_key, owner=wish.owner, cart_id=cart_id, method=wish.method, amount=amount)


def slot_name(*, project_key: str, owner: str, cart_id: str, method: str, amount: Money) -> str:
    text = "\n".join((project_key, owner, cart_id, method, str(amount.amount), amount.currency))
    return hashlib.sha256(text.encode()).hexdigest()


def decide(wish: Wish, cart: Cart, found_by_key: Iterable[Payment] = ()) -> Decision:
    """What to do with the wish. `found_by_key` are Payments met by their key and not on the cart (yet)."""
    payments = (*cart.payments, *(one for one in found_by_key if all(one.id != other.id for other in cart.payments)))
    for payment in payments:
        if mine := _mine(wish, payment):
            if mine.request_hash not in (None, wish.request_hash):
                return KeyReused()
            return _resume(wish, cart, payment, mine)
        if (attempt := payment.authorization) and payment.interaction(InteractionKind.JOINED, cause=wish.command_id):
            # It was answered with this attempt before, and is again.
            return Join(payment=payment, transaction=attempt)
    if wish.attempt_key is None and (joined := _sibling_to_join(wish, cart, payments)):
        return joined
    abandoned = _abandoned(wish, payments)
    left = _left(wish, cart, payments) + sum(freed(one) for one in abandoned)
    amount = Money(amount=_wanted(wish, left), currency=cart.total.currency)
    refusal = _refusal(cart, left, payments) or _wrong_wish(wish, cart, left)
    planned = cart.total if refusal else amount
    slot = slot_of(wish, cart.id, planned)
    key = wish.attempt_key or _free_key(payments, slot)
    if refusal:
        return Reject(refusal=refusal, key=key, amount=planned, slot=slot)
    return Begin(key=key, amount=amount, slot=slot, supersede=abandoned)


def _mine(wish: Wish, payment: Payment) -> Transaction | None:
    """The Authorization that this very command reserved, or another command under the same idempotency key."""
    found = payment.authorization
    if found is None or payment.interface != wish.interface:
        return None
    same_key = wish.attempt_key is not None and payment.key == wish.attempt_key
    return found if same_key or wish.command_id in (found.command_id, _refused_command(payment)) else None


def _refused_command(payment: Payment) -> str | None:
    """The command whose attempt was refused from the start: the log knows it whatever becomes of our fields."""
    first = payment.interactions[0] if payment.interactions else None
    return first.cause if first is not None and first.kind is InteractionKind.REFUSAL else None


def _resume(wish: Wish, cart: Cart, payment: Payment, mine: Transaction) -> Resume:
    if not mine.open:
        return Resume(payment=payment, transaction=mine, supersede=(), refusal=None)
    # Pending as well, which may be a merchant's word: what is off its cart has to be weighed before it is asked for.
    others = tuple(one for one in cart.payments if one.id != payment.id)
    abandoned = _abandoned(wish, others)
    left = _left(wish, cart, others) + sum(freed(one) for one in abandoned)
    attached = len(others) < len(cart.payments)
    refusal = None
    if not attached and (not cart.active or left < mine.amount.amount or _wanted(wish, left) != mine.amount.amount):
        refusal = _refusal(cart, left, others) or _changed()
    return Resume(
        payment=payment, transaction=mine, supersede=() if refusal or attached else abandoned, refusal=refusal
    )


def _left(wish: Wish, cart: Cart, payments: Iterable[Payment]) -> int:
    """Minor units of the total that no open or successful payment covers. Negative: the cart has shrunk since.

    Nor what gift cards are still to pay: what others' Payments cover is taken to be theirs.
    """
    counting = [one for one in payments if one.planned.currency == cart.total.currency]
    planned = wish.gift_card_planned.amount if wish.gift_card_planned else 0
    by_others = sum(covers(one) for one in counting if one.interface != wish.interface)
    return cart.total.amount - sum(covers(one) for one in counting) - max(planned - by_others, 0)


def _wanted(wish: Wish, left: int) -> int:
    """Minor units to authorize where so much is left to pay."""
    return left if wish.amount is None else wish.amount.amount


def _wrong_wish(wish: Wish, cart: Cart, left: int) -> Refusal | None:
    """Amounts that the caller named and that do not fit the cart."""
    for named in (wish.amount, wish.gift_card_planned):
        if named is not None and named.currency != cart.total.currency:
            message = f"The cart is in {cart.total.currency}, the request in {named.currency}."
            return Refusal(code="currency-mismatch", message=message)
    if wish.amount is not None and wish.amount.amount > left:
        rest = Money(amount=left, currency=cart.total.currency)
        return Refusal(code="exceeds-cart", message=f"{wish.amount} is more than the {rest} left to pay.")
    return None


def _sibling_to_join(wish: Wish, cart: Cart, payments: tuple[Payment, ...]) -> Join | None:
    """An attempt of this slot that is under way or done, or a failure that this request is too old to repeat."""
    for payment in reversed(payments):
        transaction = payment.authorization
        if transaction is None or transaction.slot != slot_of(wish, cart.id, transaction.amount):
            continue
        others = tuple(one for one in payments if one.id != payment.id)
        if _wanted(wish, _left(wish, cart, others)) != transaction.amount.amount or transaction.superseded:
            continue
        if transaction.state is State.SUCCESS and covers(payment) < transaction.amount.amount:
            # It was cancelled or refunded since: to pay again is a new wish.
            continue
        if transaction.state in (State.FAILURE, State.REVERSED):
            if not _is_new_try(wish, payment, transaction):
                return Join(payment=payment, transaction=transaction)
        elif not _came_back(wish, transaction) and not _is_another_part(wish, payment, transaction):
            return Join(payment=payment, transaction=transaction)
    return None


def _is_another_part(wish: Wish, payment: Payment, done: Transaction) -> bool:
    """Whether a part of the cart was asked for when an equal part was known to be paid: that is one more part."""
    if wish.amount is None or done.state is not State.SUCCESS:
        return False
    told = payment.last_word(done.id)
    known_at = told.at if told else done.timestamp
    return known_at is None or wish.accepted_at > known_at


def _is_new_try(wish: Wish, payment: Payment, failed: Transaction) -> bool:
    """Whether the shopper asked after the failure was known, by our clock and not the PSP's."""
    told = payment.last_word(failed.id)
    known_at = told.at if told else failed.timestamp
    if told and told.code == EXPIRED and failed.send_by is not None:
        # It was over when it could no longer be sent, however late that was noticed.
        known_at = min(told.at, failed.send_by)
    return known_at is None or wish.accepted_at > known_at


def _came_back(wish: Wish, transaction: Transaction) -> bool:
    """Whether the shopper had the action before them and asked again all the same."""
    margin = DOUBLE_CLICK if wish.attempt_key is None else timedelta(0)
    return (
        transaction.state is State.PENDING
        and transaction.action_at is not None
        and wish.accepted_at > transaction.action_at + margin
    )


def _abandoned(wish: Wish, payments: Iterable[Payment]) -> tuple[Payment, ...]:
    """Our attempts on this cart whose action the shopper has left open to pay otherwise."""
    return tuple(
        payment
        for payment in payments
        if payment.interface == wish.interface
        and (found := payment.authorization) is not None
        and not found.superseded
        and _came_back(wish, found)
    )


def _refusal(cart: Cart, left: int, payments: Iterable[Payment]) -> Refusal | None:
    if not cart.active:
        return Refusal(code="cart-not-active", message="The cart was ordered or closed meanwhile; it takes no payment.")
    if left > 0:
        return None
    under_way = any(one.open for payment in payments for one in payment.of_kind(Kind.AUTHORIZATION))
    if under_way:
        return Refusal(code="payment-under-way", message="Another payment of this cart is under way.")
    return _covered()


def _covered() -> Refusal:
    return Refusal(code="nothing-to-pay", message="The cart is paid for already.")


def _changed() -> Refusal:
    return Refusal(code="cart-changed", message="The cart's total has changed meanwhile. Pay what it is now.")


def _free_key(payments: Iterable[Payment], slot: str) -> str:
    """The key of the slot's next attempt: the first that no Payment we have met bears.

    A Payment that bears it unseen makes the creation fail, and is met then.
    """
    taken = {payment.key for payment in payments}
    return next(key for number in count() if (key := _key(slot, number)) not in taken)


def _key(slot: str, number: int) -> str:
    return hashlib.sha256(f"{slot}\n{number}".encode()).hexdigest()
