"""What a commercetools Subscription delivers, read without trusting it.

Platform or CloudEvents form, any type, repeated, out of order, with gaps.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ct.fields import TransactionField
from psp.facts import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a merchant may ask for by putting it on a Payment in state Initial. An Authorization needs a shopper's token and
#: a Chargeback is the bank's, so neither is anybody's to ask for.
COMMANDED: Final = frozenset({Kind.CHARGE, Kind.REFUND, Kind.CANCEL_AUTHORIZATION})

#: Bytes. What is said of a Payment that was just created, or of one transaction, has some thousand.
NOTIFICATION_BYTES_MAX: Final = 1_000_000
#: commercetools' are UUIDs.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class UnreadableMessageError(ValueError):
    """The bytes are no notification of commercetools'. Dead-letter them; check who else publishes to the topic."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A merchant's transaction that wants doing."""

    payment_id: str
    transaction_id: str
    kind: Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """What one notification asks of us."""

    #: The notification's own id, for the correlation of what follows.
    id: str
    asked: tuple[Asked, ...] = ()
    #: commercetools left the body out: this Payment must be read to know.
    read_payment: str | None = None
    #: Why nothing is asked.
    reason: str = ""


def read_notification(data: bytes, *, project_key: str, interface: str) -> Asking:
    """What the notification asks of us. Raises UnreadableMessageError."""
    if len(data) > NOTIFICATION_BYTES_MAX:
        raise UnreadableMessageError(f"The message has {len(data)} bytes; {NOTIFICATION_BYTES_MAX} are the most.")
    try:
        # Not from the bytes: json would guess at other encodings, and let halves of pairs of surrogates pass.
        document = json.loads(data.decode())
        if b"\\u" in data:
            # Half of a pair of surrogates is no text: it could be neither sent on nor logged.
            json.dumps(document, ensure_ascii=False).encode()
        # CloudEvents wrap the same object; told by the body, since the transport may strip attributes.
        document = document["data"] if "specversion" in document else document
        kind = document["notificationType"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableMessageError(
            "The message is no commercetools notification. See who else may publish to this topic."
        ) from error
    try:
        # Only commercetools' own words about its subscriptions have none.
        name = _id(document) if "id" in document else ""
        if kind != "Message":
            return Asking(id=name, reason=f"notification {str(kind)[:40]} asks nothing")
        if document.get("projectKey") != project_key:
            return Asking(id=name, reason="another project's message")
        return _read_message(name, document, interface)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableMessageError("A payment message lacks what commercetools documents. Look at it.") from error


def _read_message(name: str, document: Mapping[str, Any], interface: str) -> Asking:
    if document["resource"]["typeId"] != "payment":
        return Asking(id=name, reason="not about a payment")
    payment_id = _id(document["resource"])
    if "payloadNotIncluded" in document:
        return Asking(id=name, read_payment=payment_id)
    match document["type"]:
        case "PaymentTransactionAdded":
            transactions = [document["transaction"]]
        case "PaymentCreated":
            payment = document["payment"]
            if payment.get("paymentMethodInfo", {}).get("paymentInterface") != interface:
                return Asking(id=name, reason="not our payment interface")
            transactions = payment.get("transactions", [])
        case other:
            return Asking(id=name, reason=f"message {str(other)[:60]} asks nothing")
    asked = tuple(
        Asked(payment_id=payment_id, transaction_id=_id(one), kind=Kind(one["type"]))
        for one in transactions
        if _is_asked(one)
    )
    return Asking(id=name, asked=asked, reason="" if asked else "no Initial transaction of a merchant's in it")


def _id(document: Mapping[str, Any]) -> str:
    """Of a message, a resource or a transaction. It becomes part of a header, an address, or our command's id."""
    found = document["id"]
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise ValueError("not an id")
    return found


def _is_asked(transaction: Mapping[str, Any]) -> bool:
    ours = TransactionField.COMMAND_ID in transaction.get("custom", {}).get("fields", {})
    return transaction.get("state", "Initial") == "Initial" and Kind(transaction["type"]) in COMMANDED and not ours
