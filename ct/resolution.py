"""Outcomes that nobody can tell: marking them for a person, and writing down how a person ended one. Pure.

Law: the order of states holds for people too. What is decided is refused, and evidence that comes later than a person's
word still wins over it by its rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ct.actions import add_interaction, change_transaction_state
from ct.fields import InteractionKind
from ct.judge import Refusal
from ct.ledger import Actions
from ct.plan import Cause, Weighing, plan
from psp.facts import Fact, Kind, Reference, State

if TYPE_CHECKING:
    from datetime import datetime

    from ct.actions import UpdateAction
    from ct.payment import Payment, Transaction

#: The code that a person's word leaves on the Payment.
RESOLVED: Final = "resolved-by-hand"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """What a person says became of a transaction."""

    transaction_id: str
    #: `SUCCESS` or `FAILURE`.
    state: State
    #: How the person knows, in words without secrets.
    evidence: str
    #: Who says so.
    by: str
    #: When it was said.
    at: datetime
    #: Names this one word, in the Payment's log and in ours.
    cause: str
    #: The PSP's id of the operation, where the person has it.
    psp_reference: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What to write."""

    actions: list[UpdateAction]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotResolved:
    """A person has no say in this, for a reason; nothing is written."""

    refusal: Refusal
    actions: list[UpdateAction]


Verdict: TypeAlias = Resolved | NotResolved


def is_marked(payment: Payment, transaction: Transaction) -> bool:
    """Whether it is known, and told to people, that nobody knows its outcome."""
    about = (one.kind for one in payment.interactions if one.transaction_id == transaction.id)
    return InteractionKind.UNKNOWN in about


def mark_unknown(payment: Payment, transaction_id: str, *, reason: str, cause: Cause) -> Actions:
    """Show a person that the outcome is unknown, once. What may have been sent is Pending and no more Initial."""
    transaction = payment.transaction(transaction_id)
    if transaction is None or not transaction.open or is_marked(payment, transaction):
        return Actions(actions=[])
    mark = add_interaction(
        kind=InteractionKind.UNKNOWN,
        cause=cause.id,
        at=cause.at,
        transaction_id=transaction.id,
        code="outcome-unknown",
        message=reason,
    )
    pending = [change_transaction_state(transaction.id, State.PENDING)] if transaction.state is State.INITIAL else []
    return Actions(actions=[*pending, mark])


def resolve(
    payment: Payment,
    resolution: Resolution,
    *,
    interface: str,
    project_key: str,
    weighing: Weighing = Weighing.DONE,
) -> Verdict:
    """End an open transaction of ours by a person's word, or refuse to."""
    if payment.interface != interface:
        return _no("not-our-payment", f"The Payment belongs to {payment.interface or 'no payment interface'}.")
    transaction = payment.transaction(resolution.transaction_id)
    if transaction is None:
        return _no("no-such-transaction", "The Payment has no such transaction. Give the transaction's id.")
    if not transaction.taken and transaction.interaction_id is None:
        message = "The transaction is a merchant's own that ctpay never took on. Change it in commercetools."
        return _no("not-our-transaction", message)
    if not transaction.open:
        return _no("already-decided", f"The transaction is {transaction.state} already; states only rise by evidence.")
    if other := _bearer_of(payment, transaction, resolution):
        message = f"The transaction {other.id} bears this reference: each operation of the PSP is one transaction."
        return _no("reference-in-use", message)
    origin = Cause(id=resolution.cause, at=resolution.at)
    facts = (_fact(payment, transaction, resolution, project_key),)
    who = add_interaction(
        kind=InteractionKind.RESOLVED,
        cause=resolution.by,
        at=resolution.at,
        transaction_id=transaction.id,
        state=resolution.state,
        code=RESOLVED,
        message=resolution.evidence,
    )
    # Who and how is for people behind the scenes; what a shopper may be told comes from the fact.
    return Resolved(actions=[who, *plan(payment, facts, origin, weighing=weighing)])


def _bearer_of(payment: Payment, transaction: Transaction, resolution: Resolution) -> Transaction | None:
    """Another transaction of the kind with the reference that a person gives for this one."""
    others = (one for one in payment.of_kind(transaction.kind) if one.id != transaction.id)
    return next((one for one in others if resolution.psp_reference in one.names), None)


def _fact(payment: Payment, transaction: Transaction, resolution: Resolution, project_key: str) -> Fact:
    is_payment = transaction.kind is Kind.AUTHORIZATION
    return Fact(
        kind=transaction.kind,
        state=resolution.state,
        amount=transaction.amount,
        at=resolution.at,
        psp_reference=resolution.psp_reference,
        payment_reference=resolution.psp_reference if is_payment else None,
        reference=Reference(project_key=project_key, payment_id=payment.id, transaction_id=transaction.id),
        code=RESOLVED,
        message="Ended by hand, on evidence.",
    )


def _no(code: str, message: str) -> NotResolved:
    return NotResolved(refusal=Refusal(code=code, message=message), actions=[])
