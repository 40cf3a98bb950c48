"""Ending by a person's word what stayed unknown: the PSP is asked first, and what it says counts for more.

Law: the same guarded write, the same order of states and the same plan as everywhere; who, when and how are written
on the Payment.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ct.judge import Refusal
from ct.plan import Weighing, target_of
from ct.resolution import NotResolved, Resolution, Resolved, is_marked
from ct.resolution import resolve as decide
from ct.states import RANK
from psp.errors import OutcomeUnknownError, RefusedError
from psp.facts import State
from workers.perform import is_over, look_up, send_by, settle
from workers.superseded import give_back_if_superseded, weighing_of

if TYPE_CHECKING:
    from ct.payment import Payment, Transaction
    from psp.facts import Fact
    from psp.port import Answer
    from workers.work import Work


class End(enum.StrEnum):
    """How it ended."""

    #: The person's word is written.
    WRITTEN = "written"
    #: The PSP can tell after all, and says the same: its evidence is written.
    AGREED = "agreed"
    #: Nothing of the person's is written, for a reason.
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """What came of a person's word."""

    end: End
    #: The state that the transaction has now; None where there is none.
    state: State | None
    #: Of REFUSED: why.
    refusal: Refusal | None = None


async def resolve(work: Work, payment_id: str, resolution: Resolution) -> Ended:
    """End the transaction, unless it is decided, not ours, still under way, or the PSP itself can tell.

    Raises RetryableError where the PSP cannot be reached to be asked, NotFoundError and the others of `ct.errors`, and
    PublishError where money on a superseded attempt could not be sent back; it can then be repeated.
    """
    ledger = work.ledger
    payment = await ledger.load(payment_id)
    work = work.for_payment(payment)
    verdict = _decided(work, payment, resolution)
    transaction = payment.transaction(resolution.transaction_id)
    if isinstance(verdict, NotResolved) or transaction is None:
        refusal = verdict.refusal if isinstance(verdict, NotResolved) else None
        return Ended(end=End.REFUSED, state=transaction.state if transaction else None, refusal=refusal)
    known = await _known(work, payment, transaction)
    if known is not None:
        payment = await settle(work, payment, known, cause=resolution.cause)
        told = _told(payment, transaction, known)
        if told is not None or (resolution.state is State.SUCCESS and (told := _another(payment, transaction, known))):
            return _believed(payment, transaction, resolution, told)
    elif _may_be_under_way(work, payment, transaction):
        return _too_early(work, payment, transaction)
    weighing = await _weighing(work, payment, transaction, resolution)
    changed, verdict = await ledger.change(payment, lambda current: _decided(work, current, resolution, weighing))
    if isinstance(verdict, Resolved):
        changed = await give_back_if_superseded(work, changed, cause=resolution.cause)
    state = _state(changed, transaction)
    if isinstance(verdict, NotResolved):
        return Ended(end=End.REFUSED, state=state, refusal=verdict.refusal)
    return Ended(end=End.WRITTEN, state=state)


def _may_be_under_way(work: Work, payment: Payment, transaction: Transaction) -> bool:
    """Whether a worker may be at it, or its message be on its way: then nobody can know yet how it ends."""
    return transaction.taken and not is_marked(payment, transaction) and not is_over(work, payment, transaction)


def _too_early(work: Work, payment: Payment, transaction: Transaction) -> Ended:
    until = (send_by(work, payment, transaction) + work.limits.lease_max).isoformat(timespec="seconds")
    message = f"It may still be under way until {until}. Run `ctpay reconcile`, which asks the PSP."
    refusal = Refusal(code="still-under-way", message=message)
    return Ended(end=End.REFUSED, state=_state(payment, transaction), refusal=refusal)


def _decided(
    work: Work, payment: Payment, resolution: Resolution, weighing: Weighing = Weighing.DONE
) -> Resolved | NotResolved:
    ledger = work.ledger
    return decide(payment, resolution, interface=ledger.interface, project_key=work.project_key, weighing=weighing)


async def _weighing(work: Work, payment: Payment, transaction: Transaction, resolution: Resolution) -> Weighing:
    """One call where a person says that the attempt has succeeded."""
    attempt = payment.authorization
    if resolution.state is not State.SUCCESS or attempt is None or attempt.id != transaction.id:
        return Weighing.DONE
    return await weighing_of(work, payment, seen_on_cart=None)


def _state(payment: Payment, transaction: Transaction) -> State:
    return (payment.transaction(transaction.id) or transaction).state


async def _known(work: Work, payment: Payment, transaction: Transaction) -> Answer | None:
    """What the PSP says of it; None where it knows nothing, cannot be asked, or cannot be understood."""
    if not work.psp.capabilities.lookup_by:
        return None
    try:
        return await look_up(work, payment, transaction)
    except (RefusedError, OutcomeUnknownError):
        return None


def _told(payment: Payment, transaction: Transaction, known: Answer) -> Fact | None:
    """What the PSP says of this very amount. Another one stands beside it then, and explains nothing of this one."""
    about = [fact for fact in _about(payment, transaction, known) if fact.amount == transaction.amount]
    return max(about, key=lambda fact: RANK[fact.state], default=None)


def _another(payment: Payment, transaction: Transaction, known: Answer) -> Fact | None:
    """That the PSP did another amount in its place: nobody can say then that this one succeeded as well."""
    return next((fact for fact in _about(payment, transaction, known) if fact.state is State.SUCCESS), None)


def _about(payment: Payment, transaction: Transaction, known: Answer) -> list[Fact]:
    targets = ((fact, target_of(payment, fact)) for fact in known.facts)
    return [fact for fact, target in targets if target is not None and target.id == transaction.id]


def _believed(payment: Payment, transaction: Transaction, resolution: Resolution, told: Fact) -> Ended:
    """The PSP's own word went before the person's."""
    state = _state(payment, transaction)
    if state is resolution.state:
        return Ended(end=End.AGREED, state=state)
    said = f"{told.kind} {told.state} of {told.amount}"
    message = f"The PSP itself says: {said}. What it says is written; ask the PSP if it is wrong."
    return Ended(end=End.REFUSED, state=state, refusal=Refusal(code="psp-says-otherwise", message=message))
