"""Call and settle: ask the PSP for what is reserved, and write down what it says. Reserving comes before this.

A reserved transaction's id is the idempotency key, so running this again is safe for as long as the PSP honours the
key; after that the PSP is only asked what became of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from ct.attempts import EXPIRED
from ct.fields import InteractionKind
from ct.ledger import Actions
from ct.plan import Cause, Weighing, brings_success, plan, target_of
from psp.errors import OutcomeUnknownError, RefusedError
from psp.facts import Fact, Kind, Reference, State
from psp.port import Answer, LookupRequest
from workers.methods import ask_to_store
from workers.superseded import give_back_if_superseded, weighing_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from ct.payment import Payment, Transaction
    from workers.work import Work

_TAKES: Final = frozenset({Kind.AUTHORIZATION, Kind.CHARGE})

Call: TypeAlias = "Callable[[], Awaitable[Answer]]"


async def perform(
    work: Work,
    payment: Payment,
    transaction: Transaction,
    call: Call,
    *,
    cause: str,
    seen_on_cart: datetime | None = None,
) -> Payment:
    """The Payment after the PSP was asked for `transaction`; `seen_on_cart` as in `settle`.

    Raises RetryableError (not sent), OutcomeUnknownError (perhaps done, and a look-up could not tell) and the errors
    of `ct.errors`: in every case the same message again goes on from the reservation.
    """
    answer = await _answer(work, payment, transaction, call)
    return await settle(work, payment, answer, cause=cause, seen_on_cart=seen_on_cart)


async def settle(
    work: Work, payment: Payment, answer: Answer, *, cause: str, seen_on_cart: datetime | None = None
) -> Payment:
    """Write an answer down as `write_down` does; money that moved on a superseded attempt is sent back then."""
    changed = await write_down(work, payment, answer, cause=cause, seen_on_cart=seen_on_cart)
    # Not after a cancel or refund that the PSP has just refused, which is for a person and not for a loop. One that was
    # never sent is made again.
    if any(fact.kind in _TAKES or fact.code == EXPIRED for fact in answer.facts):
        return await give_back_if_superseded(work, changed, cause=cause)
    return changed


async def write_down(
    work: Work, payment: Payment, answer: Answer, *, cause: str, seen_on_cart: datetime | None = None
) -> Payment:
    """Write an answer down, and leave what follows from it to the caller, or to whoever comes after a crash.

    What the PSP stored is put on the customer's list: before the write, after which the PSP is not asked again.
    An attempt that succeeds while it is on no cart is marked by the same write, to be weighed; `seen_on_cart` is when
    it was last seen on its cart, None where that is not known.
    """
    await ask_to_store(work, payment, answer.stored, correlation_id=cause)
    origin = Cause(id=cause, at=work.clock())
    facts = tuple(_scrubbed(work, fact) for fact in answer.facts)
    weighing = Weighing.DONE
    if brings_success(payment, facts):
        weighing = await weighing_of(work, payment, seen_on_cart=seen_on_cart)

    def decide(current: Payment) -> Actions:
        actions = plan(current, facts, origin, action=answer.action, instrument=answer.instrument, weighing=weighing)
        return Actions(actions=actions)

    changed, _ = await work.ledger.change(payment, decide)
    return changed


def reference_to(work: Work, payment: Payment, transaction: Transaction) -> Reference:
    """Our name for the transaction at the PSP."""
    return Reference(project_key=work.project_key, payment_id=payment.id, transaction_id=transaction.id)


def send_by(work: Work, payment: Payment, transaction: Transaction) -> datetime:
    """Until when the PSP may be asked for the transaction.

    Where a merchant's type is on it, there is no field for it: it counts from our entry in the log.
    """
    if transaction.send_by is not None:
        return transaction.send_by
    claims = (one for one in payment.interactions if one.kind is InteractionKind.CLAIM)
    claimed_at = next((one.at for one in claims if one.transaction_id == transaction.id), None)
    begun = claimed_at or transaction.reserved_at or transaction.timestamp or work.clock()
    if transaction.kind is Kind.AUTHORIZATION:
        return begun + work.limits.authorization_send_by
    return begun + work.psp.capabilities.key_lifetime - work.limits.key_margin


async def _answer(work: Work, payment: Payment, transaction: Transaction, call: Call) -> Answer:
    if may_be_sent(transaction) and work.clock() < send_by(work, payment, transaction):
        try:
            return await call()
        except RefusedError as refused:
            return Answer(facts=(_failure(work, payment, transaction, refused.code, refused.message),))
        except OutcomeUnknownError as unknown:
            known = await what_became_of(work, payment, transaction)
            if known is None:
                raise
            del unknown
            return known
    known = await what_became_of(work, payment, transaction)
    if known is not None:
        return known
    if is_over(work, payment, transaction):
        return never_sent(work, payment, transaction)
    raise OutcomeUnknownError("The PSP may still be at it. The message comes again and asks again.")


def may_be_sent(transaction: Transaction) -> bool:
    """Whether the PSP would hear the same as before.

    Not where other software has replaced our fields since it was reserved: what they said of the request is gone.
    """
    return transaction.writable or transaction.claimed


def is_over(work: Work, payment: Payment, transaction: Transaction) -> bool:
    """Whether nobody can be sending the transaction any more, so that "nothing found" at the PSP proves something."""
    return work.clock() > send_by(work, payment, transaction) + work.limits.lease_max


def never_sent(work: Work, payment: Payment, transaction: Transaction) -> Answer:
    """What it means that the PSP has heard nothing when it is over."""
    never = "It never reached the payment service provider in time and was not sent late."
    return Answer(facts=(_failure(work, payment, transaction, EXPIRED, never),))


async def what_became_of(work: Work, payment: Payment, transaction: Transaction) -> Answer | None:
    """`look_up`, for what may not be given up: that the PSP will not tell is no evidence of what it did.

    Raises RetryableError and OutcomeUnknownError.
    """
    try:
        return await look_up(work, payment, transaction)
    except RefusedError as refused:
        raise OutcomeUnknownError(f"A look-up was refused: {refused}") from refused


async def look_up(work: Work, payment: Payment, transaction: Transaction) -> Answer | None:
    """What the PSP knows of the payment, if that tells anything about the transaction. Raises the kinds of PspError.

    That nothing of the Payment is found under a name proves nothing, as the name may be somebody else's: ours is asked.
    """
    authorization = payment.authorization or transaction
    by_ours = LookupRequest(
        reference=reference_to(work, payment, transaction),
        authorization=reference_to(work, payment, authorization),
        payment_reference=None,
    )
    for name in dict.fromkeys((payment.known_as, None)):
        answer = await work.psp.lookup(replace(by_ours, payment_reference=name))
        about = [found.id for fact in answer.facts if (found := target_of(payment, fact)) is not None]
        if about:
            return answer if transaction.id in about else None
    return None


def _scrubbed(work: Work, fact: Fact) -> Fact:
    """The PSP's own words may quote what we told it, the shopper's token and our key included."""
    code, message = (None if text is None else work.psp.scrub(text) for text in (fact.code, fact.message))
    return replace(fact, code=code, message=message)


def _failure(work: Work, payment: Payment, transaction: Transaction, code: str, message: str) -> Fact:
    return Fact(
        kind=transaction.kind,
        state=State.FAILURE,
        amount=transaction.amount,
        at=work.clock(),
        reference=reference_to(work, payment, transaction),
        code=code,
        message=message,
    )
