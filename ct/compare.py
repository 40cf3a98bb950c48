"""What commercetools says of a payment, held against what its PSP says of it. Pure.

Law: only what cannot be explained by time is a difference. What changed a moment ago may still be on its way, by
webhook or in a worker's hand, and is left for the next comparison. Nothing is decided here: what the PSP's facts would
change is `ct.plan`'s affair.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ct.messages import COMMANDED
from ct.plan import target_of
from ct.resolution import is_marked
from ct.states import RANK
from psp.facts import Fact, Kind, State
from psp.money import Money

if TYPE_CHECKING:
    from datetime import datetime

    from ct.payment import Payment, Transaction

#: In these states a transaction says that the PSP knows of it.
_CLAIMING: Final = frozenset({State.PENDING, State.SUCCESS, State.REVERSED})


class Difference(enum.StrEnum):
    """How the two disagree."""

    #: The PSP has it, commercetools does not.
    MISSING = "missing"
    #: commercetools has it, the PSP does not.
    EXTRA = "extra"
    #: Both have it, with different amounts.
    AMOUNT = "other-amount"
    #: Both have it, in different states.
    STATE = "other-state"
    #: Reserved or asked for long ago, and nothing came of it at the PSP; or nobody can tell what came of it.
    STUCK = "stuck"


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What one of the two says."""

    state: State
    amount: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """One difference, about one operation."""

    difference: Difference
    kind: Kind
    #: The commercetools Payment; None where the PSP names none.
    payment_id: str | None
    #: The transaction; None where commercetools has none.
    transaction_id: str | None
    #: The PSP's id of the operation, or of the payment.
    psp_reference: str | None
    #: What commercetools says, and what the PSP says; None: nothing.
    here: Side | None
    there: Side | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadlines:
    """Up to when things must have come to rest."""

    #: What happened after this may still be on its way.
    settled: datetime
    #: What is open since before this is stuck.
    stuck: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What came of holding facts against a Payment."""

    disagreements: tuple[Disagreement, ...]
    #: Ids of the transactions that the facts are about.
    known: frozenset[str]


def without_payment(facts: Sequence[Fact]) -> tuple[Disagreement, ...]:
    """What the PSP has of a Payment that is not in commercetools."""
    return tuple(_missing(fact, fact.reference.payment_id if fact.reference else None) for fact in _newest(facts))


def hold_facts(payment: Payment, facts: Sequence[Fact], deadlines: Deadlines) -> Findings:
    """What the facts, which need not be all there are, say otherwise than the Payment."""
    return _hold(payment, facts, deadlines, names=None)


def _hold(payment: Payment, facts: Sequence[Fact], deadlines: Deadlines, *, names: AbstractSet[str] | None) -> Findings:
    """`names` are all the PSP's names for operations on the Payment; None: there may be more."""
    found: list[Disagreement] = []
    known: set[str] = set()
    for fact in _newest([one for one in facts if one.reference is None or one.reference.payment_id == payment.id]):
        exact = _exact(payment, fact)
        named = _named(payment, fact) or _renamed(payment, fact, names, known)
        transaction = exact or named
        if transaction is None:
            if fact.at < deadlines.settled:
                found.append(_missing(fact, payment.id))
            continue
        known.add(transaction.id)
        if named is not None and named.amount != fact.amount and named.state is not State.FAILURE:
            # Also where the PSP's amount was noted beside it: the one that was asked for is still not explained.
            known.add(named.id)
            found.append(_both(Difference.AMOUNT, payment, named, fact))
        elif transaction.state is not fact.state and _has_rested(transaction, fact, deadlines):
            found.append(_both(Difference.STATE, payment, transaction, fact))
    return Findings(disagreements=tuple(found), known=frozenset(known))


def hold(payment: Payment, facts: Sequence[Fact], deadlines: Deadlines) -> tuple[Disagreement, ...]:
    """All differences, where the facts are everything that the PSP knows of the Payment."""
    names = {one.psp_reference for one in facts if one.psp_reference is not None}
    findings = _hold(payment, facts, deadlines, names=names)
    return (*findings.disagreements, *_unknown_to_psp(payment, findings.known, deadlines))


def needs_asking(
    payment: Payment, known: AbstractSet[str], deadlines: Deadlines, *, since: datetime, until: datetime
) -> bool:
    """Whether something on the Payment, within the span, is not among what the PSP listed for it and should be there.

    The PSP may have made it a moment before or after the span, so it has to be asked about the Payment by name.
    """
    found = (one.transaction_id for one in _unknown_to_psp(payment, known, deadlines))
    moments = [one.timestamp for name in found if name and (one := payment.transaction(name))]
    return any(moment is None or since <= moment < until for moment in moments)


def _unknown_to_psp(payment: Payment, known: AbstractSet[str], deadlines: Deadlines) -> tuple[Disagreement, ...]:
    found = []
    for one in payment.transactions:
        if one.id in known:
            continue
        if _is_stuck(payment, one, deadlines):
            found.append(_alone(Difference.STUCK, payment, one))
        elif one.state in _CLAIMING and not is_marked(payment, one) and _is_before(one.timestamp, deadlines.settled):
            found.append(_alone(Difference.EXTRA, payment, one))
    return tuple(found)


def _is_stuck(payment: Payment, transaction: Transaction, deadlines: Deadlines) -> bool:
    if is_marked(payment, transaction) and transaction.open:
        return True
    wanted = transaction.taken or transaction.kind in COMMANDED
    begun = transaction.timestamp or payment.modified_at
    return transaction.state is State.INITIAL and wanted and _is_before(begun, deadlines.stuck)


def _is_before(moment: datetime | None, limit: datetime) -> bool:
    return moment is None or moment < limit


def _has_rested(transaction: Transaction, fact: Fact, deadlines: Deadlines) -> bool:
    """Whether the one that is ahead of the other has been so for long enough."""
    ahead = fact.at if RANK[fact.state] > RANK[transaction.state] else transaction.timestamp
    return _is_before(ahead, deadlines.settled)


def _newest(facts: Sequence[Fact]) -> list[Fact]:
    """Each operation once, by the fact that ranks highest."""
    best: dict[tuple[object, ...], Fact] = {}
    for fact in facts:
        ours = fact.reference.transaction_id if fact.reference else None
        # Where the PSP has no name for the operation itself, ours tells it from others, and else the amount.
        identity = fact.psp_reference or (fact.payment_reference, ours, fact.amount)
        key = (fact.kind, identity)
        if key not in best or RANK[fact.state] > RANK[best[key].state]:
            best[key] = fact
    return list(best.values())


def _exact(payment: Payment, fact: Fact) -> Transaction | None:
    """The transaction that bears the PSP's own name of the operation and its amount."""
    name = fact.psp_reference
    return next(
        (
            one
            for one in payment.of_kind(fact.kind)
            if name is not None and one.amount == fact.amount and name in one.names
        ),
        None,
    )


def _named(payment: Payment, fact: Fact) -> Transaction | None:
    """The transaction that the fact means, unless that one bears the name of another operation at the PSP."""
    found = target_of(payment, fact)
    if found is None or fact.psp_reference is None or found.interaction_id is None:
        return found
    return found if fact.psp_reference in found.names else None


def _renamed(
    payment: Payment, fact: Fact, names: AbstractSet[str] | None, known: AbstractSet[str]
) -> Transaction | None:
    """The transaction that bears our name in the fact, where a merchant has made up another name for it.

    Only for the first such fact: a second one is an operation that was done twice.
    """
    ours = fact.reference.transaction_id if fact.reference else None
    found = next((one for one in payment.of_kind(fact.kind) if one.id == ours), None)
    if found is None or names is None or found.interaction_id in names or found.id in known:
        return None
    return found


def _missing(fact: Fact, payment_id: str | None) -> Disagreement:
    return Disagreement(
        difference=Difference.MISSING,
        kind=fact.kind,
        payment_id=payment_id,
        transaction_id=None,
        psp_reference=fact.psp_reference or fact.payment_reference,
        here=None,
        there=Side(state=fact.state, amount=fact.amount),
    )


def _both(difference: Difference, payment: Payment, transaction: Transaction, fact: Fact) -> Disagreement:
    return Disagreement(
        difference=difference,
        kind=fact.kind,
        payment_id=payment.id,
        transaction_id=transaction.id,
        psp_reference=fact.psp_reference or fact.payment_reference,
        here=Side(state=transaction.state, amount=transaction.amount),
        there=Side(state=fact.state, amount=fact.amount),
    )


def _alone(difference: Difference, payment: Payment, transaction: Transaction) -> Disagreement:
    return Disagreement(
        difference=difference,
        kind=transaction.kind,
        payment_id=payment.id,
        transaction_id=transaction.id,
        psp_reference=transaction.interaction_id,
        here=Side(state=transaction.state, amount=transaction.amount),
        there=None,
    )
