"""The reconcile worker: takes up what nobody is working on any more, and asks the PSP what became of it.

Law: only evidence changes anything, by the same plan as everywhere. Nothing is sent to the PSP from here that moves
money: a lost command is published again under its own id, and its worker resumes it by the law. Safe to run at any
time, any number of times, beside the workers and beside itself.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bus.port import PublishError
from ct.errors import ConflictError, ForbiddenError, UnavailableError
from ct.listing import page, unfinished
from ct.plan import Cause, target_of
from ct.resolution import mark_unknown
from psp.errors import RefusedError, RetryableError
from psp.facts import State
from workers.perform import is_over, look_up, may_be_sent, never_sent, settle
from workers.reason import reason_of
from workers.resume import command_for
from workers.superseded import CartMovedError, abandon, give_back_if_superseded, is_kept

if TYPE_CHECKING:
    from datetime import datetime

    from ct.payment import Payment, Transaction
    from psp.port import Answer
    from workers.resume import Modification
    from workers.work import Work

#: Superseded attempts are looked after for this long after their Payment was last touched.
_LOOK_BACK: Final = timedelta(days=31)
#: A Payment that rests is taken up when its rest has lasted once, twice, four times as long as it must, and then each
#: hour: a refund that a bank takes days for is not asked about every few minutes.
_ASKED_EVERY: Final = timedelta(hours=1)
_KEPT: Final = "The shopper has paid otherwise, and the PSP will not give this back. Cancel or refund it there."
#: After so many in a row there is no use in asking on.
AWAY_MAX: Final = 5

#: Nobody's fault, and over some time.
_AWAY: Final = (
    RetryableError,
    UnavailableError,
    ForbiddenError,
    ConflictError,
    PublishError,
    CartMovedError,
    TimeoutError,
)


class Step(enum.StrEnum):
    """What came of looking at one transaction, or at one Payment."""

    #: The PSP knew something that commercetools did not; it is written.
    SETTLED = "settled"
    #: The PSP had not heard of it when it could not be sent any more; it is closed.
    CLOSED = "closed"
    #: Its command was published again.
    RESUMED = "resumed"
    #: Nothing new: the PSP has not decided yet, or it is too early to tell.
    WAITING = "waiting"
    #: Nobody can tell what became of it: a person has to, by `ctpay resolve`.
    UNKNOWN = "unknown"
    #: Who must be asked is away, or others kept changing it: the next pass will tell.
    AWAY = "away"
    #: It was not looked at, since too many before it were away: the next pass begins with it.
    SKIPPED = "skipped"
    #: It could not be looked at, for a reason that a person must see to.
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One step of a pass."""

    step: Step
    payment_id: str
    #: None: about the Payment as a whole.
    transaction: Transaction | None
    #: Of WAITING, UNKNOWN, AWAY and FAILED: why, in words that may be logged.
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """What one pass is about."""

    #: Names the pass, in the Payments' logs and in ours.
    cause: str
    #: Leave alone what was touched within this.
    rested: timedelta
    #: How long ago the pass before began, so that each Payment is taken up as often as it should be; None: take up all.
    since_last: timedelta | None
    #: Ids of the Payments that the pass before did not get to, which are due and come first; and of those that it asked
    #: about in vain, which are due and come last. A few that nobody can be asked about must not hide all others.
    skipped: frozenset[str] = frozenset()
    in_vain: frozenset[str] = frozenset()


class AwayError(Exception):
    """commercetools, the PSP or the bus is away. Run it again when it is back."""


def is_away(error: Exception) -> bool:
    """Whether the error is nobody's fault, and over some time."""
    return isinstance(error, _AWAY)


def _nobody(_: int) -> None:
    pass


def looked_through(work: Work, this: Pass) -> str:
    """The condition for the Payments that a pass which begins now goes through."""
    now = work.clock()
    return unfinished(
        untouched_since=now - this.rested, superseded_since=now - _LOOK_BACK, open_since=now - _open_for(this)
    )


async def take_up(
    work: Work, this: Pass, *, on_looked_at: Callable[[int], None] = _nobody
) -> AsyncGenerator[Taken, None]:
    """Go through everything that is unfinished, in no order that would be the same each time.

    `on_looked_at` hears of how many Payments more that is over, whether or not anything came of them. Raises the errors
    of `ct.errors` where no list can be had; and AwayError, in the end, where so many in a row were away that the rest
    was skipped.
    """
    now = work.clock()
    condition = looked_through(work, this)
    after: str | None = None
    in_a_row = 0
    reason = ""
    while True:
        found = await page(work.ledger, condition, after=after)
        for payment_id, why in found.unreadable.items():
            yield Taken(step=Step.FAILED, payment_id=payment_id, transaction=None, reason=why)
        due = [payment for payment in found.payments if _is_due(payment, now, this)]
        on_looked_at(len(found.unreadable) + len(found.payments) - len(due))
        for payment in sorted(due, key=lambda one: (_turn(one, this), work.ledger.draw())):
            if in_a_row >= AWAY_MAX:
                yield Taken(step=Step.SKIPPED, payment_id=payment.id, transaction=None)
                on_looked_at(1)
                continue
            for taken in await mend(work, payment, this.cause):
                yield taken
                in_a_row = in_a_row + 1 if taken.step is Step.AWAY else 0
                reason = taken.reason
            on_looked_at(1)
        after = found.after
        if after is None:
            break
    if in_a_row >= AWAY_MAX:
        raise AwayError(f"{in_a_row} in a row could not be asked about, the last: {reason}")


def _turn(payment: Payment, this: Pass) -> int:
    return -1 if payment.id in this.skipped else int(payment.id in this.in_vain)


def _is_due(payment: Payment, now: datetime, this: Pass) -> bool:
    if payment.modified_at is None or this.since_last is None or payment.id in this.skipped | this.in_vain:
        return True
    touched = now - payment.modified_at
    if touched >= this.rested:
        return is_due(touched, rested=this.rested, since_last=this.since_last)
    # It does not rest. Then how long something is open counts.
    ages = (now - one.timestamp for one in payment.transactions if one.open and one.timestamp is not None)
    return any(is_due(age, rested=_open_for(this), since_last=this.since_last) for age in ages)


def _open_for(this: Pass) -> timedelta:
    """After so long something open is taken up although the Payment does not rest: its workers are done with it."""
    return max(this.rested, _ASKED_EVERY)


def is_due(age: timedelta, *, rested: timedelta, since_last: timedelta) -> bool:
    """Whether one of the ages at which a Payment is taken up has come since the pass before."""
    moment = gap = rested
    while moment <= age - since_last:
        moment += gap
        gap = min(2 * gap, _ASKED_EVERY)
    return moment <= age


async def mend(work: Work, payment: Payment, cause: str) -> list[Taken]:
    """Take up one Payment of ours: each open transaction on it, and money on it if it is superseded.

    Never raises: whatever is wrong with one transaction must hide no other.
    """
    request = work.for_request(cause).for_payment(payment)
    steps: list[Taken] = []
    for listed in payment.transactions:
        # What was learnt about one may have decided the next.
        transaction = payment.transaction(listed.id)
        if transaction is None or not transaction.open:
            continue
        try:
            payment, taken = await _take_up_one(request, payment, transaction, cause)
        except Exception as error:  # noqa: BLE001 - see above
            steps.append(_failed(work, payment, transaction, error))
            continue
        steps += [taken] if taken is not None else []
    try:
        payment = await give_back_if_superseded(request, payment, cause=cause)
    except Exception as error:  # noqa: BLE001 - see above
        steps.append(_failed(work, payment, None, error))
    if is_kept(payment):
        steps.append(Taken(step=Step.UNKNOWN, payment_id=payment.id, transaction=payment.authorization, reason=_KEPT))
    return steps


def _failed(work: Work, payment: Payment, transaction: Transaction | None, error: Exception) -> Taken:
    reason = reason_of(work, error)
    step = Step.AWAY if is_away(error) else Step.FAILED
    return Taken(step=step, payment_id=payment.id, transaction=transaction, reason=reason)


async def _take_up_one(
    work: Work, payment: Payment, transaction: Transaction, cause: str
) -> tuple[Payment, Taken | None]:
    """The Payment after it, and what came of it; None: the transaction is nothing of ours."""
    command = command_for(payment, transaction, correlation_id=cause, accepted_at=work.clock())
    resumable = command if transaction.state is State.INITIAL else None
    is_heard = transaction.interaction_id is not None
    if not transaction.taken and not is_heard and resumable is None:
        return payment, None
    told = await _ask(work, payment, transaction) if transaction.taken or is_heard else _Told()
    if told.answer is not None:
        settled = await settle(work, payment, told.answer, cause=cause)
        if _is_unexplained(settled, transaction, told.answer):
            reason = "The PSP did another amount, which stands beside it. End this one by `ctpay resolve`."
            return settled, _taken(Step.UNKNOWN, settled, transaction, reason)
        if _has_gone(work, settled, transaction, told.answer):
            # What follows has it cancelled at the PSP.
            gone = await abandon(work, settled, cause=cause)
            return gone, _taken(Step.WAITING, gone, transaction, "the shopper has gone; it is cancelled at the PSP")
        step = Step.SETTLED if settled.version != payment.version else Step.WAITING
        return settled, _taken(step, settled, transaction, "the PSP has not decided yet")
    step, reason = _without_evidence(work, payment, transaction, told, resumable)
    if step is Step.RESUMED and resumable is not None:
        await work.publish(resumable)
    elif step is Step.CLOSED:
        payment = await settle(work, payment, never_sent(work, payment, transaction), cause=cause)
    elif step is Step.UNKNOWN:
        payment = await _show(work, payment, transaction, cause, reason)
    return payment, _taken(step, payment, transaction, reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """What the PSP said about a transaction."""

    #: None: it knows nothing of it.
    answer: Answer | None = None
    #: Why it cannot be asked; empty: it can.
    silence: str = ""


def _is_unexplained(payment: Payment, transaction: Transaction, answer: Answer) -> bool:
    """Whether what the PSP says of the transaction is of another amount, and so says nothing of this one."""
    current = payment.transaction(transaction.id)
    about = [fact for fact in answer.facts if (found := target_of(payment, fact)) and found.id == transaction.id]
    return current is not None and current.open and all(fact.amount != transaction.amount for fact in about)


def _has_gone(work: Work, payment: Payment, transaction: Transaction, answer: Answer) -> bool:
    """Whether the PSP still waits for a shopper who was asked so long ago that nobody will answer.

    What we noted of the question proves nothing: the shopper may have answered, and the bank take its time.
    """
    current = payment.transaction(transaction.id)
    if answer.action is None or current is None or current.state is not State.PENDING or current.action_at is None:
        return False
    return not current.superseded and work.clock() > current.action_at + work.limits.action_within


async def _ask(work: Work, payment: Payment, transaction: Transaction) -> _Told:
    if not work.psp.capabilities.lookup_by:
        return _Told(silence=f"{work.psp.name} cannot be asked what became of it.")
    try:
        return _Told(answer=await look_up(work, payment, transaction))
    except RefusedError as refused:
        return _Told(silence=work.psp.scrub(f"The PSP will not tell: {refused}"))


def _without_evidence(
    work: Work, payment: Payment, transaction: Transaction, told: _Told, resumable: Modification | None
) -> tuple[Step, str]:
    """What to do where the PSP has nothing to say, and why."""
    over = transaction.taken and is_over(work, payment, transaction)
    is_heard = transaction.interaction_id is not None
    is_hidden = transaction.taken and not may_be_sent(transaction)
    if resumable is not None and not is_hidden and not (told.silence and over):
        # Its worker knows whether it may still be sent, and closes it if not.
        return Step.RESUMED, ""
    if told.silence:
        # What it has told of once, its events will tell the end of.
        return Step.UNKNOWN if over and not is_heard else Step.WAITING, told.silence
    if is_heard:
        # That it knows nothing now proves nothing.
        return Step.UNKNOWN, "The PSP told of it once, and knows nothing of it any more."
    if not over:
        return Step.WAITING, "it may still be on its way to the PSP"
    # Pending too: the PSP has never told of it, so that is a person's word, or our own mark that nobody could tell.
    return Step.CLOSED, ""


async def _show(work: Work, payment: Payment, transaction: Transaction, cause: str, reason: str) -> Payment:
    """Mark it for a person, once."""
    origin = Cause(id=cause, at=work.clock())
    marked, _ = await work.ledger.change(
        payment, lambda current: mark_unknown(current, transaction.id, reason=reason, cause=origin)
    )
    return marked


def _taken(step: Step, payment: Payment, transaction: Transaction, reason: str = "") -> Taken:
    current = payment.transaction(transaction.id) or transaction
    told = reason if step in (Step.WAITING, Step.UNKNOWN) else ""
    return Taken(step=step, payment_id=payment.id, transaction=current, reason=told)
