"""Amounts as folds over transactions, never counters: what is held, captured, given back, and what a Payment covers.

"Used" counts what may still happen: Initial and Pending as well as Success. A merchant's Initial transaction uses
nothing until we take it on, so that two of them cannot block each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from psp.facts import Kind, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ct.payment import Payment, Transaction

_USING = frozenset({State.PENDING, State.SUCCESS})


def uses(transaction: Transaction) -> bool:
    """Whether the transaction's amount is taken up, for certain or perhaps."""
    return transaction.state in _USING or (transaction.state is State.INITIAL and transaction.taken)


def authorized(payment: Payment) -> int:
    """Minor units that the PSP has agreed to hold.

    One Payment is one attempt: beside our own Authorization, one of another amount that the PSP told of counts nothing.
    """
    ours = payment.authorization
    if ours is not None and ours.taken:
        return ours.amount.amount if ours.state is State.SUCCESS else 0
    return _sum(one for one in payment.of_kind(Kind.AUTHORIZATION) if one.state is State.SUCCESS)


def captures_used(payment: Payment) -> int:
    """Minor units captured or being captured."""
    return _sum(one for one in payment.of_kind(Kind.CHARGE) if uses(one))


def captured(payment: Payment, *, charge_id: str | None = None) -> int:
    """Minor units captured for certain, in all or by one Charge."""
    charges = payment.of_kind(Kind.CHARGE)
    return _sum(one for one in charges if one.state is State.SUCCESS and charge_id in (None, one.id))


def refunds_used(payment: Payment, *, charge_id: str | None = None) -> int:
    """Minor units given back or being given back, in all or out of one Charge."""
    refunds = payment.of_kind(Kind.REFUND)
    return _sum(one for one in refunds if uses(one) and (charge_id is None or one.charge_id == charge_id))


def charged_back(payment: Payment) -> int:
    """Minor units that banks took back, or hold while a dispute goes on."""
    return _sum(one for one in payment.of_kind(Kind.CHARGEBACK) if uses(one))


def cancelling(payment: Payment) -> bool:
    """Whether the rest of the authorization is released or being released."""
    return any(uses(one) for one in payment.of_kind(Kind.CANCEL_AUTHORIZATION))


def covers(payment: Payment) -> int:
    """Minor units of a cart's total that this Payment pays for, or may yet pay for.

    A superseded attempt stops counting unless money moved on it all the same. A Payment of other software counts with
    what is Pending or Success on it. Beside our own Authorization, one of another amount that the PSP told of counts
    where it succeeded: while it is Pending nobody asked for it, and it must not keep a shopper from paying for ever.
    """
    released = any(one.state is State.SUCCESS for one in payment.of_kind(Kind.CANCEL_AUTHORIZATION))
    held = _sum(one for one in payment.of_kind(Kind.AUTHORIZATION) if uses(one) and _may_hold(payment, one))
    taken = captures_used(payment)
    rest = 0 if released else max(held - taken, 0)
    given_back = _sum(one for one in payment.of_kind(Kind.REFUND) if one.state is State.SUCCESS)
    return max(taken + rest - given_back - charged_back(payment), 0)


def freed(payment: Payment) -> int:
    """Minor units that the Payment covers no more when its attempt is given up: not what was captured on it."""
    ours = payment.authorization
    given_up = tuple(replace(one, superseded=True) if one is ours else one for one in payment.transactions)
    return covers(payment) - covers(replace(payment, transactions=given_up))


def _may_hold(payment: Payment, authorization: Transaction) -> bool:
    """Whether the cart has to reckon with it: it succeeded, or it is an attempt that nobody has given up."""
    ours = payment.authorization
    asked_for = ours is None or not ours.taken or authorization is ours
    return authorization.state is State.SUCCESS or (asked_for and not authorization.superseded)


def _sum(transactions: Iterable[Transaction]) -> int:
    return sum(one.amount.amount for one in transactions)
