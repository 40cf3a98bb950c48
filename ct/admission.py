"""Admitting a capture, a cancel or a refund: the guarded write that judges the amounts and reserves, or refuses. Pure.

Decided anew on every conflict from the Payment as it then is; a command that finds its own reservation resumes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ct.actions import (
    UpdateAction,
    add_interaction,
    add_transaction,
    change_transaction_state,
    set_transaction_custom_type,
    timestamp,
    transaction_draft,
)
from ct.fields import InteractionKind, TransactionField
from ct.folds import uses
from ct.judge import Refusal, charge_to_refund, judge_cancel, judge_capture, judge_refund, refund_parts
from ct.standing import refused_standing
from psp.facts import Kind, State
from psp.money import Money

if TYPE_CHECKING:
    from datetime import datetime

    from ct.payment import Payment, Transaction
    from psp.capabilities import Capabilities
    from psp.outcome import Standing


#: Refused commands that one Payment's log keeps. Entries cannot be removed, so a caller that never tires must not fill
#: it; a merchant's own transaction that is refused is always told why.
REFUSALS_MAX: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a command wants of one Payment."""

    command_id: str
    #: None: everything (cancel what is left, refund what was captured).
    kind: Kind | None
    accepted_at: datetime
    #: When this run decides, and until when the PSP may be asked for the first time.
    now: datetime
    send_by: datetime
    #: For a capture or a refund; None where a merchant's transaction has it.
    amount: Money | None = None
    #: A merchant's transaction to carry out.
    claiming: str | None = None
    #: For a refund: the Charge to take it from.
    charge_id: str | None = None
    merchant_reference: str | None = None
    request_hash: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """The transactions named by `commands` (or the claimed one) exist once `actions` are written; none: they do."""

    commands: tuple[str, ...]
    claimed: str | None
    actions: list[UpdateAction]

    def transactions(self, payment: Payment) -> tuple[Transaction, ...]:
        """What was reserved, or claimed, on the Payment as written."""
        if self.claimed is not None:
            found = payment.transaction(self.claimed)
            return (found,) if found else ()
        return tuple(one for command in self.commands if (one := payment.by_command(command)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The law forbids it. `actions` record the refusal where a person looks; none: they have been."""

    refusal: Refusal
    actions: list[UpdateAction]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """An earlier run of this command has been answered already."""

    standing: Standing
    actions: list[UpdateAction]


@dataclass(frozen=True, kw_only=True, slots=True)
class NothingToDo:
    """There is nothing to carry out, for a reason."""

    reason: str
    actions: list[UpdateAction]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyReused:
    """The idempotency key was used for something else on this Payment."""

    actions: list[UpdateAction]


Admission: TypeAlias = Admitted | Refused | Answered | NothingToDo | KeyReused


def admit(payment: Payment, request: Request, capabilities: Capabilities) -> Admission:
    """Reserve, claim, resume or refuse."""
    standing = refused_standing(payment, request.command_id)
    if standing is not None and not _is_asked_again(payment, request):
        if _is_another_request(payment, request):
            return KeyReused(actions=[])
        return Answered(standing=standing, actions=[])
    if request.claiming is not None:
        return _claim(payment, request, request.claiming, capabilities)
    return _resumed(payment, request) or _reserve(payment, request, capabilities)


def _is_asked_again(payment: Payment, request: Request) -> bool:
    """Whether a merchant has set a refused transaction of theirs back to Initial: that is a new wish.

    It stays one when a run has taken it on and come no further: the refusal and the Failure were one write.
    """
    transaction = payment.transaction(request.claiming) if request.claiming else None
    return transaction is not None and transaction.state is State.INITIAL


def _is_another_request(payment: Payment, request: Request) -> bool:
    """Whether the refusal under this command's id was of something else. Older refusals do not say of what."""
    refusal = payment.interaction(InteractionKind.REFUSAL, cause=request.command_id)
    return refusal is not None and refusal.request_hash not in (None, request.request_hash)


def _resumed(payment: Payment, request: Request) -> Admission | None:
    """What an earlier run of this command has reserved, if it has: it never reserves twice."""
    if reserved := _own(payment, request.command_id):
        if any(one.request_hash != request.request_hash for one in reserved):
            return KeyReused(actions=[])
        return Admitted(commands=tuple(one.command_id or "" for one in reserved), claimed=None, actions=[])
    if payment.interaction(InteractionKind.RESERVED, cause=request.command_id):
        return NothingToDo(reason="it was reserved before, and other software has hidden where", actions=[])
    return None


def _own(payment: Payment, command_id: str) -> tuple[Transaction, ...]:
    """What this command has reserved: under its own id, or for a reversal under its children's."""
    return tuple(
        one
        for one in payment.transactions
        if one.command_id is not None and (one.command_id == command_id or one.command_id.startswith(f"{command_id}:"))
    )


def _reserve(payment: Payment, request: Request, capabilities: Capabilities) -> Admission:
    match request.kind:
        case None:
            return _reserve_reversal(payment, request, capabilities)
        case Kind.CANCEL_AUTHORIZATION:
            left = judge_cancel(payment)
            if isinstance(left, Refusal):
                return _refused(payment, request, left)
            return _reserved(request, [(request.command_id, Kind.CANCEL_AUTHORIZATION, left, None)])
        case Kind.CHARGE | Kind.REFUND as kind:
            assert request.amount is not None, "a capture or refund that claims nothing names its amount"
            if refusal := _judge(payment, kind, request.amount, request, capabilities):
                return _refused(payment, request, refusal)
            charge_id = request.charge_id
            if kind is Kind.REFUND and charge_id is None:
                charge_id = charge_to_refund(payment, request.amount, capabilities)
            return _reserved(request, [(request.command_id, kind, request.amount, charge_id)])
        case _:
            raise AssertionError(f"nobody commands a {request.kind}")


def _reserve_reversal(payment: Payment, request: Request, capabilities: Capabilities) -> Admission:
    """Cancel what is left and refund what was captured, all reserved in one write."""
    children: list[tuple[str, Kind, Money, str | None]] = []
    if any(one.open and uses(one) for one in payment.of_kind(Kind.CHARGE)):
        wait = Refusal(code="capture-under-way", message="A capture is under way. Reverse when it is decided.")
        return _refused(payment, request, wait)
    left = judge_cancel(payment)
    if isinstance(left, Money):
        children.append((f"{request.command_id}:cancel", Kind.CANCEL_AUTHORIZATION, left, None))
    for number, part in enumerate(refund_parts(payment, capabilities)):
        children.append((f"{request.command_id}:refund-{number}", Kind.REFUND, part.amount, part.charge_id))
    if children:
        return _reserved(request, children)
    return _refused(
        payment, request, Refusal(code="nothing-to-reverse", message="Nothing is held and nothing is captured.")
    )


def _reserved(request: Request, children: list[tuple[str, Kind, Money, str | None]]) -> Admitted:
    actions: list[UpdateAction] = []
    for command_id, kind, amount, charge_id in children:
        draft = transaction_draft(
            kind=kind,
            amount=amount,
            state=State.INITIAL,
            at=request.now,
            fields=_fields(request, command_id, charge_id),
        )
        told = add_interaction(
            kind=InteractionKind.RESERVED,
            cause=request.command_id,
            at=request.now,
            code=kind.value,
            message=command_id,
            request_hash=request.request_hash,
        )
        actions += [add_transaction(draft), told]
    return Admitted(commands=tuple(child[0] for child in children), claimed=None, actions=actions)


def _claim(payment: Payment, request: Request, transaction_id: str, capabilities: Capabilities) -> Admission:
    """Take on a merchant's Initial transaction, judged with those taken on before it."""
    transaction = payment.transaction(transaction_id)
    if transaction is None:
        return NothingToDo(reason="the transaction is not there any more", actions=[])
    if transaction.taken:
        return Admitted(commands=(), claimed=transaction.id, actions=[])
    if transaction.state is not State.INITIAL:
        return NothingToDo(reason=f"a merchant has set the transaction to {transaction.state}", actions=[])
    refusal = _judge(payment, transaction.kind, transaction.amount, request, capabilities)
    if refusal:
        return _refused(payment, request, refusal, transaction)
    charge_id = None
    if transaction.kind is Kind.REFUND:
        charge_id = charge_to_refund(payment, transaction.amount, capabilities)
    actions = [
        add_interaction(
            kind=InteractionKind.CLAIM,
            cause=request.command_id,
            at=request.now,
            transaction_id=transaction.id,
            message=charge_id,
        )
    ]
    if not transaction.typed:
        actions.append(set_transaction_custom_type(transaction.id, _fields(request, request.command_id, charge_id)))
    return Admitted(commands=(), claimed=transaction.id, actions=actions)


def _judge(payment: Payment, kind: Kind, amount: Money, request: Request, capabilities: Capabilities) -> Refusal | None:
    match kind:
        case Kind.CHARGE:
            return judge_capture(payment, amount, capabilities)
        case Kind.REFUND:
            return judge_refund(payment, amount, capabilities, charge_id=request.charge_id)
        case _:
            left = judge_cancel(payment)
            if isinstance(left, Refusal):
                return left
            if left != amount:
                return Refusal(
                    code="not-what-is-left", message=f"A cancel releases what is left, {left}, not {amount}."
                )
            return None


def _refused(payment: Payment, request: Request, refusal: Refusal, transaction: Transaction | None = None) -> Refused:
    refusals = sum(one.kind is InteractionKind.REFUSAL for one in payment.interactions)
    if transaction is None and refusals >= REFUSALS_MAX:
        return Refused(refusal=refusal, actions=[])
    actions = [
        add_interaction(
            kind=InteractionKind.REFUSAL,
            cause=request.command_id,
            at=request.now,
            transaction_id=transaction.id if transaction else None,
            code=refusal.code,
            message=refusal.message,
            request_hash=request.request_hash,
        )
    ]
    if transaction is not None:
        actions.append(change_transaction_state(transaction.id, State.FAILURE))
    return Refused(refusal=refusal, actions=actions)


def _fields(request: Request, command_id: str, charge_id: str | None) -> dict[TransactionField, str | int | bool]:
    values = {
        TransactionField.COMMAND_ID: command_id,
        TransactionField.ACCEPTED_AT: timestamp(request.accepted_at),
        TransactionField.SEND_BY: timestamp(request.send_by),
        TransactionField.REQUEST_HASH: request.request_hash,
        TransactionField.CHARGE_ID: charge_id,
        TransactionField.MERCHANT_REFERENCE: request.merchant_reference,
    }
    return {name: value for name, value in values.items() if value is not None}
