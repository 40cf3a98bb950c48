"""Which command carries a transaction out: the one that reserved it, under its id, or the one for a merchant's own.

So a lost message is made again, and the worker of the operation does with it what the law says: resume, or close.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from psp.facts import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from ct.payment import Payment, Transaction

    Modification: TypeAlias = CapturePayment | CancelPayment | RefundPayment | ReversePayment

#: Every kind in `ct.messages.COMMANDED` has its command.
_COMMANDS: Final[Mapping[Kind, type[CapturePayment | RefundPayment | CancelPayment]]] = {
    Kind.CHARGE: CapturePayment,
    Kind.REFUND: RefundPayment,
    Kind.CANCEL_AUTHORIZATION: CancelPayment,
}


def command_for(
    payment: Payment, transaction: Transaction, *, correlation_id: str, accepted_at: datetime
) -> Modification | None:
    """The command; None for what nobody commands: an Authorization needs a shopper, a Chargeback is the bank's.

    `accepted_at` counts where the transaction does not say when its command was accepted.
    """
    make = _COMMANDS.get(transaction.kind)
    if make is None:
        return None
    if transaction.claimed or not transaction.taken:
        return make(
            correlation_id=correlation_id,
            command_id=f"merchant-{transaction.id}",
            accepted_at=transaction.accepted_at or accepted_at,
            payment_id=payment.id,
            transaction_id=transaction.id,
        )
    assert transaction.command_id is not None, "what we took on and did not claim, a command of ours reserved"
    parent = _parent(transaction.command_id)
    if parent is not None:
        return ReversePayment(
            correlation_id=correlation_id,
            command_id=parent,
            accepted_at=transaction.accepted_at or accepted_at,
            payment_id=payment.id,
            merchant_reference=transaction.merchant_reference,
            request_hash=transaction.request_hash,
        )
    amount: dict[str, object] = {} if make is CancelPayment else {"amount": transaction.amount}
    charge: dict[str, object] = {"charge_id": transaction.charge_id} if make is RefundPayment else {}
    return make.model_validate(
        {
            "correlation_id": correlation_id,
            "command_id": transaction.command_id,
            "accepted_at": transaction.accepted_at or accepted_at,
            "payment_id": payment.id,
            "merchant_reference": transaction.merchant_reference,
            "request_hash": transaction.request_hash,
            **amount,
            **charge,
        }
    )


def _parent(command_id: str) -> str | None:
    """The reversal that a child's command id belongs to; see `ct.admission`."""
    parent, _, child = command_id.rpartition(":")
    is_child = child == "cancel" or child.startswith("refund-")
    return parent if parent and is_child else None
