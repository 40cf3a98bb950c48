"""`plan(payment, facts)`: the update actions that make a Payment say what the PSP says. Pure.

Replies, webhooks and lookups all come through here. States only rise; a repeated fact plans nothing; a fact about
another amount than its transaction's never settles it but is added beside it and flagged. A cancel alone is ended by
that, as a failure to release what we had reckoned: the PSP releases what it holds, and has nothing more to tell.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ct.actions import (
    UpdateAction,
    add_interaction,
    add_transaction,
    change_transaction_interaction_id,
    change_transaction_state,
    change_transaction_timestamp,
    set_interface_id,
    set_method_info_name,
    set_status_interface_code,
    set_status_interface_text,
    set_transaction_custom_field,
    stored_action,
    timestamp,
    transaction_draft,
)
from ct.fields import InteractionKind, TransactionField
from ct.states import OPEN, RANK, RELEASED_OTHERWISE, STORED, rises
from psp.facts import Action, Fact, Instrument, Kind, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ct.payment import Payment, Transaction

#: Entries that we add to one Payment's log for facts. They cannot be removed, so a noisy PSP must not fill it.
FACT_INTERACTIONS_MAX: Final = 100


class Weighing(enum.Enum):
    """Whether what else pays for the cart was weighed with this Payment among it."""

    #: It is on its cart, against which every other attempt is weighed.
    DONE = "done"
    #: It is on no cart. An authorization that succeeds bears a mark then, by which it is weighed until that is done.
    DUE = "due"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """What brought the facts, for the Payment's log."""

    #: The command's or event's id.
    id: str
    #: When we learned of it.
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """One transaction that facts are about: an existing one, or one to be added."""

    kind: Kind
    transaction: Transaction | None
    #: What tells an added transaction from others: the PSP's reference and the amount.
    identity: tuple[str | None, int, str] | None
    #: The existing transaction has another amount than the fact.
    mismatch_of: Transaction | None = None


def plan(
    payment: Payment,
    facts: Sequence[Fact],
    cause: Cause,
    *,
    action: Action | None = None,
    instrument: Instrument | None = None,
    weighing: Weighing = Weighing.DONE,
) -> list[UpdateAction]:
    """The actions that bring `payment` up to `facts`; none where it says so already.

    Facts that name another Payment are left out: whoever sends them has mixed something up.
    `action` is what the PSP asks of the shopper: stored with the Authorization while that is undecided.
    """
    facts = [fact for fact in facts if fact.reference is None or fact.reference.payment_id == payment.id]
    actions: list[UpdateAction] = []
    targets = list(_by_target(payment, facts))
    decided = {one.transaction.id for one, best in targets if one.transaction and best.state not in OPEN}
    for target, best in targets:
        if target.transaction is None:
            actions += _added(target, best, cause)
        else:
            actions += _settled(target.transaction, best, cause, action, weighing)
        if target.mismatch_of is not None and target.mismatch_of.id not in decided:
            actions += _released_otherwise(target.mismatch_of, best, cause)
        if target.kind is Kind.AUTHORIZATION and target.mismatch_of is None:
            actions += _status(payment, target.transaction, best)
    identity = _identity(payment, facts, cause)
    if not actions and not identity:
        return []
    return [*identity, *_instrument(payment, instrument), *_bounded(payment, actions)]


def brings_success(payment: Payment, facts: Sequence[Fact]) -> bool:
    """Whether by these facts the attempt succeeds that had not."""
    attempt = payment.authorization
    return any(
        target.transaction is not None
        and target.transaction == attempt
        and best.state is State.SUCCESS
        and rises(target.transaction.state, best.state)
        for target, best in _by_target(payment, facts)
    )


def target_of(payment: Payment, fact: Fact) -> Transaction | None:
    """The transaction that a fact is about, whatever its amount; None: the Payment has none yet.

    In this order: our reference, the PSP's reference, and for an authorization the only one there is.
    """
    same_kind = payment.of_kind(fact.kind)
    ours = fact.reference.transaction_id if fact.reference else None
    if ours is not None and (found := next((one for one in same_kind if one.id == ours), None)):
        return found
    name = _name_of(fact)
    attempt = payment.authorization
    if fact.kind is Kind.AUTHORIZATION and attempt and not ours and attempt.interaction_id in (None, name):
        return attempt
    if name is not None:
        known = [one for one in same_kind if name in one.names]
        # Where the PSP has no name for the operation itself, several may bear the payment's: then the amount tells.
        if found := next((one for one in known if one.amount == fact.amount), known[0] if known else None):
            return found
    # A PSP that has no name for the authorization either means the only one there is.
    return attempt if fact.kind is Kind.AUTHORIZATION and name is None and not ours else None


def _by_target(payment: Payment, facts: Sequence[Fact]) -> Iterator[tuple[_Target, Fact]]:
    """Each target once, with the fact that ranks highest: facts of one batch must not fight each other."""
    best: dict[tuple[object, ...], tuple[_Target, Fact]] = {}
    for fact in facts:
        target = _target(payment, fact)
        key = (target.kind, target.transaction.id if target.transaction else None, target.identity)
        if key not in best or RANK[fact.state] > RANK[best[key][1].state]:
            best[key] = (target, fact)
    yield from best.values()


def _target(payment: Payment, fact: Fact) -> _Target:
    found = target_of(payment, fact)
    if found is None or found.amount == fact.amount:
        return _Target(kind=fact.kind, transaction=found, identity=None if found else _identity_of(fact))
    beside = next(
        (
            one
            for one in payment.of_kind(fact.kind)
            if one.id != found.id and one.amount == fact.amount and _name_of(fact) in one.names
        ),
        None,
    )
    identity = None if beside else _identity_of(fact)
    return _Target(kind=fact.kind, transaction=beside, identity=identity, mismatch_of=found)


def _name_of(fact: Fact) -> str | None:
    return fact.psp_reference or fact.payment_reference


def _identity_of(fact: Fact) -> tuple[str | None, int, str]:
    return (_name_of(fact), fact.amount.amount, fact.amount.currency)


def _added(target: _Target, fact: Fact, cause: Cause) -> list[UpdateAction]:
    """A transaction that the PSP knows and the Payment does not: made at the PSP's dashboard, or by a bank."""
    fields: dict[TransactionField, str | int | bool] = {}
    if fact.state is State.REVERSED:
        fields[TransactionField.REVERSED] = True
    if name := _name_of(fact):
        fields[TransactionField.PSP_REFERENCE] = name
    draft = transaction_draft(
        kind=fact.kind,
        amount=fact.amount,
        state=fact.state,
        at=fact.at,
        interaction_id=_name_of(fact),
        fields=fields,
    )
    if target.mismatch_of is None:
        note = _note(InteractionKind.FACT, fact, cause, transaction_id=None)
    else:
        note = add_interaction(
            kind=InteractionKind.MISMATCH,
            cause=cause.id,
            at=cause.at,
            transaction_id=target.mismatch_of.id,
            code="amount-mismatch",
            message=f"The PSP reports {fact.kind} {fact.state} of {fact.amount}, another amount than here.",
        )
    return [add_transaction(draft), note]


def _released_otherwise(cancel: Transaction, fact: Fact, cause: Cause) -> list[UpdateAction]:
    """What a release of another amount means for the cancel that asked for it; nothing for any other kind."""
    if cancel.kind is not Kind.CANCEL_AUTHORIZATION or fact.state is not State.SUCCESS or not cancel.open:
        return []
    text = f"The PSP released {fact.amount}, which is all that it held; {cancel.amount} was reckoned."
    ended = replace(fact, state=State.FAILURE, code=RELEASED_OTHERWISE, message=text)
    return _raised(cancel, ended, cause, Weighing.DONE)


def _settled(
    transaction: Transaction, fact: Fact, cause: Cause, action: Action | None, weighing: Weighing
) -> list[UpdateAction]:
    actions: list[UpdateAction] = []
    if transaction.nameless and (name := _name_of(fact)) and name != transaction.interaction_id:
        actions.append(change_transaction_interaction_id(transaction.id, name))
    if rises(transaction.state, fact.state):
        actions += _raised(transaction, fact, cause, weighing)
    undecided = transaction.open and fact.state in OPEN
    if undecided and action is not None and transaction.writable and transaction.action != action:
        actions += [
            set_transaction_custom_field(transaction.id, TransactionField.ACTION, value=stored_action(action)),
            set_transaction_custom_field(transaction.id, TransactionField.ACTION_AT, value=timestamp(cause.at)),
        ]
    return actions


def _raised(transaction: Transaction, fact: Fact, cause: Cause, weighing: Weighing) -> list[UpdateAction]:
    actions: list[UpdateAction] = []
    if STORED[transaction.state] != STORED[fact.state]:
        actions.append(change_transaction_state(transaction.id, fact.state))
    actions.append(change_transaction_timestamp(transaction.id, fact.at))
    if fact.state not in OPEN and transaction.action is not None:
        actions.append(set_transaction_custom_field(transaction.id, TransactionField.ACTION, value=None))
    kind = InteractionKind.FACT
    is_attempt = transaction.kind is Kind.AUTHORIZATION
    is_late = transaction.state is State.FAILURE or (is_attempt and weighing is Weighing.DUE)
    if fact.state is State.SUCCESS and is_late:
        kind = InteractionKind.LATE
        if is_attempt and transaction.writable:
            actions.append(set_transaction_custom_field(transaction.id, TransactionField.LATE, value=True))
    if fact.state is State.REVERSED:
        # In the log too: a merchant's type is left where it is, or may take the place of ours.
        kind = InteractionKind.REVERSED
        if transaction.writable:
            actions.append(set_transaction_custom_field(transaction.id, TransactionField.REVERSED, value=True))
    return [*actions, _note(kind, fact, cause, transaction_id=transaction.id)]


def _note(kind: InteractionKind, fact: Fact, cause: Cause, *, transaction_id: str | None) -> UpdateAction:
    text = f"{fact.kind} {fact.state}" + (f": {fact.message}" if fact.message else "")
    return add_interaction(
        kind=kind,
        cause=cause.id,
        at=cause.at,
        transaction_id=transaction_id,
        state=fact.state,
        code=fact.code,
        message=text,
    )


def _status(payment: Payment, authorization: Transaction | None, fact: Fact) -> list[UpdateAction]:
    """The PSP's code and message of what decided the authorization.

    Always both, and of nothing else: what a lower state left behind must not show through in one order only.
    """
    if fact.state in OPEN or (authorization is not None and not rises(authorization.state, fact.state)):
        return []
    code, text = fact.code or fact.state.lower(), fact.message or fact.state
    actions: list[UpdateAction] = []
    if code != payment.status_code:
        actions.append(set_status_interface_code(code))
    if text != payment.status_text:
        actions.append(set_status_interface_text(text))
    return actions


def _identity(payment: Payment, facts: Sequence[Fact], cause: Cause) -> list[UpdateAction]:
    """What the PSP calls the payment, noted once: in our log where somebody else has set the `interfaceId` before."""
    if payment.interface_id is None:
        name = next((fact.payment_reference for fact in facts if fact.payment_reference), None)
        return [set_interface_id(name)] if name else []
    attempt = payment.authorization
    if attempt is None or not attempt.nameless or payment.known_as not in (None, payment.interface_id):
        return []
    about = (fact.payment_reference for fact in facts if target_of(payment, fact) is attempt)
    name = next(filter(None, about), payment.interface_id)
    if name == payment.interface_id:
        return []
    return [add_interaction(kind=InteractionKind.NAMED, cause=cause.id, at=cause.at, message=name)]


def _instrument(payment: Payment, instrument: Instrument | None) -> list[UpdateAction]:
    if instrument is None or payment.method_name is not None:
        return []
    words = [instrument.brand or instrument.method, *([f"•••• {instrument.last_four}"] if instrument.last_four else [])]
    return [set_method_info_name(" ".join(words))]


def _bounded(payment: Payment, actions: list[UpdateAction]) -> list[UpdateAction]:
    """The actions, without further log entries about facts once the log is full. Marks the law needs always pass."""
    if sum(entry.kind is InteractionKind.FACT for entry in payment.interactions) < FACT_INTERACTIONS_MAX:
        return actions
    return [one for one in actions if not _is_fact_note(one)]


def _is_fact_note(action: UpdateAction) -> bool:
    """Not what a cancel's answer lives by: how it ended stands nowhere else."""
    fields = action.get("fields")
    if not isinstance(fields, dict) or fields.get("ctpayCode") == RELEASED_OTHERWISE:
        return False
    return fields.get("ctpayKind") == InteractionKind.FACT.value
