"""Attempts that were given up: marked so that they stop counting, cancelled at the PSP, and paid back if need be.

This is how a shopper who leaves a challenge open and pays with another card is not charged twice, even where the PSP
authorizes the first attempt after all, or one that it had declined.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from bus.messages import ReversePayment
from ct.actions import add_interaction, set_transaction_custom_field
from ct.errors import NotFoundError
from ct.fields import InteractionKind, TransactionField
from ct.folds import captures_used, covers, uses
from ct.ledger import Actions
from ct.payment import UnreadablePaymentError
from ct.plan import Weighing
from ct.states import OPEN
from psp.facts import Kind, State

if TYPE_CHECKING:
    from ct.cart import Cart
    from ct.payment import Payment, Transaction
    from workers.work import Work

_log = structlog.get_logger(__name__)

_GIVES_BACK: Final = frozenset({Kind.CANCEL_AUTHORIZATION, Kind.REFUND})
_TAKES: Final = frozenset({Kind.AUTHORIZATION, Kind.CHARGE})
#: The log's word that a command of ours was tried.
_TRIED: Final = frozenset({InteractionKind.RESERVED, InteractionKind.REFUSAL})
#: The log's words that money came, or came back to us.
_CAME: Final = frozenset({InteractionKind.FACT, InteractionKind.LATE, InteractionKind.REVERSED})

#: No cart is looked for where the Payment was seen on its own within this: a PSP takes as long to answer.
_SEEN_FOR: Final = timedelta(seconds=2)

#: Of what bears no word of when it came.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

#: What was tried so often in vain since money came last is for a person.
_TRIES_MAX: Final = 5


class CartMovedError(Exception):
    """The cart, or a Payment on it, is not as it was read. Read it again and decide again."""


async def give_up(work: Work, cart: Cart, abandoned: tuple[Payment, ...], *, cause: str) -> None:
    """Mark attempts as superseded and have them cancelled at the PSP.

    Cancels are commanded again in every run until they are on the Payment: their ids are the same each time.
    Raises CartMovedError where an attempt was decided after the cart was read: then the cart must be weighed again.
    """
    marked = {payment.id: await _mark(work, payment, while_in=OPEN, cause=cause) for payment in abandoned}
    for payment in cart.payments:
        await give_back_if_superseded(work, marked.get(payment.id, payment), cause=cause)


async def abandon(work: Work, payment: Payment, *, cause: str) -> Payment:
    """Mark the attempt of a shopper who has gone. Raises CartMovedError where it was decided meanwhile."""
    return await _mark(work, payment, while_in=frozenset({State.PENDING}), cause=cause)


async def give_up_one(work: Work, payment: Payment, *, cause: str) -> Payment:
    """Mark the attempt: its cart is paid for otherwise."""
    return await _mark(work, payment, while_in=frozenset(State), cause=cause)


async def give_back_if_superseded(work: Work, payment: Payment, *, cause: str) -> Payment:
    """Have a superseded attempt cancelled, and money returned that moved on it all the same.

    What came late is weighed first, and given up if its cart is paid for otherwise: the Payment as it is then.
    Safe to call at any time: nothing is commanded where nothing is held and nothing was taken.
    """
    attempt = payment.authorization
    if attempt is None or payment.interface != work.ledger.interface:
        return payment
    if attempt.state is State.SUCCESS and not attempt.superseded and payment.came_late(attempt.id) and covers(payment):
        # It was told as declined, or was on no cart: the shopper may have paid otherwise since.
        payment = await weigh_again(work, payment, attempt, cause=cause)
        attempt = payment.authorization or attempt
    if not attempt.superseded or not _holds(payment, attempt) or _giving_back(payment):
        return payment
    if is_kept(payment):
        _log.error("superseded.kept", payment_id=payment.id, transaction_id=attempt.id)
        return payment
    await work.publish(
        ReversePayment(
            correlation_id=cause,
            command_id=f"{_prefix(attempt)}{len(_tries(payment, attempt))}",
            accepted_at=work.clock(),
            payment_id=payment.id,
        )
    )
    return payment


def is_kept(payment: Payment) -> bool:
    """Whether money is held that nobody wants, and giving it back was tried in vain so often that a person has to look.

    Only tries of ours count, and only those since money came last: what could not be cancelled while the shopper's bank
    was at it may well be cancelled now.
    """
    attempt = payment.authorization
    if attempt is None or not attempt.superseded or not _holds(payment, attempt) or _giving_back(payment):
        return False
    came_at = _came_at(payment)
    tries = _tries(payment, attempt).values()
    return sum(came_at is None or tried_at >= came_at for tried_at in tries) >= _TRIES_MAX


async def weighing_of(work: Work, payment: Payment, *, seen_on_cart: datetime | None) -> Weighing:
    """Whether the attempt that is about to succeed has to be weighed again. One call, unless it was seen just now.

    So it has where it is on no cart, and where its cart is paid for by now: people take payments off and put them back.
    """
    attempt = payment.authorization
    if attempt is None or not attempt.taken or attempt.superseded:
        return Weighing.DONE
    if seen_on_cart is not None and work.clock() < seen_on_cart + _SEEN_FOR:
        return Weighing.DONE
    try:
        cart = await work.ledger.find_cart(payment.id)
    except UnreadablePaymentError:
        # Another on its cart, which must not keep this one from being written down.
        return Weighing.DONE if await work.ledger.is_on_cart(payment.id) else Weighing.DUE
    return Weighing.DONE if cart is not None and would_bear(cart, payment) else Weighing.DUE


class Room(enum.Enum):
    """How much of an attempt its cart bears beside the cart's other payments."""

    #: All of it; or all of a cart that has merely become cheaper than the attempt, for which nobody else pays.
    ENOUGH = "enough"
    #: A part of it.
    PART = "part"
    #: Nothing for now: others that are not decided yet stand in its way, and those alone.
    OPEN = "open"
    #: Nothing: the cart is paid for otherwise.
    NONE = "none"


def room_for(cart: Cart, payment: Payment, attempt: Transaction) -> Room:
    """How much of the attempt the cart bears.

    Of what may still be declined, or was told as declined, a part is nothing: the shopper pays what there is to pay, by
    another attempt. Of what nobody was told as declined, or what was captured, it is money that somebody reckons with.
    """
    wanted = min(covers(payment) or attempt.amount.amount, cart.total.amount)
    left = _left_on(cart, payment)
    if left >= wanted:
        return Room.ENOUGH
    if attempt.state is not State.SUCCESS:
        return Room.NONE
    if attempt.writable:
        # Whoever is in its way may be declined; its mark brings it back here when that is known.
        left = _left_on(replace(cart, payments=tuple(one for one in cart.payments if not _is_undecided(one))), payment)
        if left >= wanted:
            return Room.OPEN
    return Room.PART if left > 0 and _is_reckoned_with(payment, attempt) else Room.NONE


def would_bear(cart: Cart, payment: Payment) -> bool:
    """Whether the cart, on which the Payment is, is not paid for otherwise, if its attempt succeeds now."""
    attempt = payment.authorization
    if attempt is None:
        return True
    succeeded = replace(attempt, state=State.SUCCESS)
    transactions = tuple(succeeded if one is attempt else one for one in payment.transactions)
    return room_for(cart, replace(payment, transactions=transactions), succeeded) is not Room.NONE


def _left_on(cart: Cart, payment: Payment) -> int:
    """Minor units of the cart's total that are left for the Payment.

    Of those that came late one after the other is weighed, each against those before it that stay: whoever weighs two
    at once, in whatever order, comes to the same end. All others count in any case, but for those that were given up:
    they cover until their money has gone back.
    """
    others = [one for one in cart.payments if one.id != payment.id and one.planned.currency == cart.total.currency]
    others = [one for one in others if one.authorization is None or not one.authorization.superseded]
    is_on = any(one.id == payment.id for one in cart.payments)
    mine = _turn(payment) if is_on else None
    if mine is None:
        return cart.total.amount - sum(map(covers, others))
    late = {turn: one for one in others if (turn := _turn(one)) is not None}
    left = cart.total.amount - sum(covers(one) for one in others if _turn(one) is None)
    for turn in sorted(one for one in late if one < mine):
        left -= covers(late[turn]) if _stays(late[turn], left, cart) else 0
    return left


def _stays(payment: Payment, left: int, cart: Cart) -> bool:
    """Whether what came late is kept where so much is left."""
    attempt = payment.authorization
    is_part = left > 0 and attempt is not None and _is_reckoned_with(payment, attempt)
    return is_part or left >= min(covers(payment), cart.total.amount)


def _is_undecided(payment: Payment) -> bool:
    attempt = payment.authorization
    return attempt is not None and attempt.open and not captures_used(payment)


def _is_reckoned_with(payment: Payment, attempt: Transaction) -> bool:
    return not payment.was_declined(attempt.id) or captures_used(payment) > 0


def _turn(payment: Payment) -> tuple[bool, bool, datetime, bool, str] | None:
    """The Payment's place among those that came late; None: it did not.

    First what no pass will find to weigh it again, since other software has replaced its mark; then what was captured;
    then what came first, and of two at once what nobody was told as declined.
    """
    attempt = payment.authorization
    if (
        attempt is None
        or attempt.state is not State.SUCCESS
        or not payment.came_late(attempt.id)
        or not covers(payment)
    ):
        return None
    at = _came_late_at(payment, attempt) or _NEVER
    return (attempt.writable, captures_used(payment) == 0, at, payment.was_declined(attempt.id), payment.id)


def _holds(payment: Payment, attempt: Transaction) -> bool:
    released = any(one.state is State.SUCCESS for one in payment.of_kind(Kind.CANCEL_AUTHORIZATION))
    return covers(payment) > 0 or (attempt.open and not released)


def _giving_back(payment: Payment) -> bool:
    """Whether it is under way, or has to wait for a capture that is: the law refuses to reverse one."""
    capturing = any(one.open and uses(one) for one in payment.of_kind(Kind.CHARGE))
    return capturing or any(one.kind in _GIVES_BACK and one.open and one.taken for one in payment.transactions)


def _prefix(attempt: Transaction) -> str:
    return f"superseded-{attempt.id}-"


def _tries(payment: Payment, attempt: Transaction) -> dict[str, datetime]:
    """When each of our commands to give it back was first heard: so many, and the next try has an id of its own."""
    ours = (one for one in payment.interactions if one.kind in _TRIED and one.cause.startswith(_prefix(attempt)))
    found: dict[str, datetime] = {}
    for one in ours:
        found.setdefault(one.cause, one.at)
    return found


def _came_at(payment: Payment) -> datetime | None:
    """When money came to the Payment last, as far as the log tells. A refund that is undone was a try in vain."""
    takes = {one.id for one in payment.transactions if one.kind in _TAKES}
    gives_back = {one.id for one in payment.transactions if one.kind in _GIVES_BACK}
    return max(
        (
            one.at
            for one in payment.interactions
            if (one.kind is InteractionKind.REVERSED and one.transaction_id not in gives_back)
            or (one.kind in _CAME and one.state is State.SUCCESS and one.transaction_id in {None, *takes})
        ),
        default=None,
    )


async def weigh_again(
    work: Work, payment: Payment, attempt: Transaction, *, cause: str, was_for: Cart | None = None
) -> Payment:
    """Mark the attempt as superseded if its cart is paid for without it; `was_for`: that cart, where it is on none.

    A person is told of what is on no cart, and of what its cart bears only a part of.
    """
    its_cart = await work.ledger.find_cart(payment.id)
    cart = its_cart or was_for or await _cart_it_was_for(work, attempt)
    if cart is None:
        # Nothing here can tell whether the goods are paid for otherwise.
        return await _tell(work, payment, attempt, "Cancel or refund it if it is not wanted.", cause=cause)
    match await _weigh(work, cart, payment, attempt):
        case Room.NONE:
            return await _mark(work, payment, while_in=frozenset(State), cause=cause)
        case Room.OPEN:
            return await _wait(work, payment, attempt, cause=cause)
        case Room.PART:
            advice = "Others pay for a part of its cart. Capture no more than is left to pay, or cancel it."
            return await _tell(work, payment, attempt, advice, cause=cause)
        case Room.ENOUGH:
            # What was looked for may be older than what is read by its id.
            shown = cart.active and any(one.id == payment.id for one in cart.payments)
            if its_cart is not None or shown:
                return payment
            return await _tell(work, payment, attempt, "Put it on its cart, or cancel it.", cause=cause)


async def _weigh(work: Work, cart: Cart, payment: Payment, attempt: Transaction) -> Room:
    """`room_for`, and before anything is given back by that, with the others read by themselves.

    A cart may show its payments as they were, and what is cancelled cannot be had back. One call for each of them.
    """
    room = room_for(cart, payment, attempt)
    if room is not Room.NONE:
        return room
    payments = [await _as_it_is(work, one) if one.id != payment.id and covers(one) else one for one in cart.payments]
    return room_for(replace(cart, payments=tuple(one for one in payments if one is not None)), payment, attempt)


async def _as_it_is(work: Work, shown: Payment) -> Payment | None:
    """Read by itself; None: it was deleted, and pays for nothing."""
    try:
        return await work.ledger.load(shown.id)
    except NotFoundError:
        return None


async def _wait(work: Work, payment: Payment, attempt: Transaction, *, cause: str) -> Payment:
    """Leave the mark by which passes weigh it again, if there is none; after a day of that a person is told."""

    def marked(current: Payment) -> Actions:
        mine = current.transaction(attempt.id)
        if mine is None or mine.state is not State.SUCCESS or _came_late_at(current, attempt) is not None:
            return Actions(actions=[])
        mark = set_transaction_custom_field(mine.id, TransactionField.LATE, value=True)
        entry = add_interaction(
            kind=InteractionKind.LATE, cause=cause, at=work.clock(), transaction_id=mine.id, state=mine.state
        )
        return Actions(actions=[mark, entry] if mine.writable else [entry])

    came_at = _came_late_at(payment, attempt)
    if came_at is not None and work.clock() > came_at + work.limits.action_within:
        # No challenge of ours is open for so long.
        advice = "Payments of its cart that are not decided stand in its way. Look at them, or cancel this one."
        return await _tell(work, payment, attempt, advice, cause=cause)
    changed, _ = await work.ledger.change(payment, marked)
    return changed


def _came_late_at(payment: Payment, attempt: Transaction) -> datetime | None:
    """As far as the log tells."""
    late = (one for one in payment.interactions if one.kind is InteractionKind.LATE)
    return min((one.at for one in late if one.transaction_id == attempt.id), default=None)


async def _tell(work: Work, payment: Payment, attempt: Transaction, advice: str, *, cause: str) -> Payment:
    """Show a person the money that its cart does not bear: in our log, and on the Payment; each advice once."""

    def told(current: Payment) -> Actions:
        if any(one.kind is InteractionKind.OFF_CART and one.message == advice for one in current.interactions):
            return Actions(actions=[])
        entry = add_interaction(
            kind=InteractionKind.OFF_CART, cause=cause, at=work.clock(), transaction_id=attempt.id, message=advice
        )
        return Actions(actions=[entry])

    if told(payment).actions:
        _log.error("late_success.on_no_cart", payment_id=payment.id, reason=advice)
    changed, _ = await work.ledger.change(payment, told)
    return changed


async def _cart_it_was_for(work: Work, attempt: Transaction) -> Cart | None:
    """The cart on which it was weighed, where somebody has taken the Payment off it; None where that is not known."""
    if attempt.cart_id is None:
        return None
    try:
        return await work.ledger.load_cart(attempt.cart_id)
    except NotFoundError:
        return None


async def _mark(work: Work, payment: Payment, *, while_in: frozenset[State], cause: str) -> Payment:
    def supersede(current: Payment) -> Actions:
        attempt = current.authorization
        if attempt is None or attempt.state not in while_in:
            raise CartMovedError
        if attempt.superseded or attempt.command_id is None:
            return Actions(actions=[])
        mark = set_transaction_custom_field(attempt.id, TransactionField.SUPERSEDED, value=True)
        told = add_interaction(kind=InteractionKind.SUPERSEDED, cause=cause, at=work.clock(), transaction_id=attempt.id)
        return Actions(actions=[mark, told] if attempt.writable else [told])

    changed, _ = await work.ledger.change(payment, supersede)
    return changed
