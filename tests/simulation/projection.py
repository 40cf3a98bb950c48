"""What a PSP's payment and a commercetools Payment say about money, in the same words, so that they can be compared.

Written from the two published formats and nothing of ours: the checker must not repeat a mistake of `ct/` or `psp/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Document: TypeAlias = Mapping[str, Any]

#: The design's order of states; commercetools knows no "Reversed", which is stored as Failure with a mark.
RANK: Final[Mapping[str, int]] = {"Initial": 0, "Pending": 1, "Failure": 2, "Success": 3, "Reversed": 4}

#: All that the PSP publishes (`GET /v1/event_types`).
EVENT_TYPES: Final = frozenset(
    f"{thing}.{happened}"
    for thing, words in {
        "payment": "action_required pending authorized failed canceled expired",
        "capture": "pending succeeded failed",
        "refund": "pending succeeded failed",
        "dispute": "opened won lost",
    }.items()
    for happened in words.split()
)

_WAITING: Final = ("requires_action", "approved_not_completed", "pending")
_KINDS: Final = {
    "capture": "Charge",
    "cancel": "CancelAuthorization",
    "refund": "Refund",
    "dispute": "Chargeback",
}
_LISTS: Final = ("captures", "cancels", "refunds", "disputes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One movement of money, as one side has it."""

    #: commercetools' transaction type.
    kind: str
    #: One of `RANK`.
    state: str
    amount: int
    currency: str
    #: The PSP's id of the operation; of the payment, for an authorization.
    reference: str | None
    #: Our transaction, where the PSP was told it.
    transaction: str | None
    #: Our Payment.
    payment: str | None

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.state} of {self.amount} {self.currency} ({self.reference or 'no reference'})"


def rows_of_psp_payment(payment: Document) -> Iterator[Row]:
    """All rows of a payment as the PSP shows it."""
    yield authorization_row(payment)
    for name in _LISTS:
        for operation in payment[name]:
            yield from operation_rows(operation)


def authorization_row(payment: Document) -> Row:
    """What a payment says about its authorization. Once it has been authorized, nothing undoes that."""
    undecided = "Pending" if payment["status"] in _WAITING else "Failure"
    state = "Success" if payment["amount_authorized"] > 0 else undecided
    return _row(payment, "Authorization", state, payment["id"], payment["metadata"])


def operation_rows(operation: Document) -> Iterator[Row]:
    """What a capture, cancel, refund or dispute says; the end of a payment before anything was held ends that too."""
    asked_by_us = "transaction_id" in operation["metadata"]
    names = operation["metadata"] if asked_by_us else {"payment_id": operation["payment_metadata"].get("payment_id")}
    kind = _KINDS[operation["object"]]
    nothing_held = operation["object"] == "cancel" and operation["payment_amount_authorized"] == 0
    if asked_by_us or not nothing_held:
        yield _row(operation, kind, _operation_state(operation), operation["id"], names)
    if nothing_held:
        yield _row(operation, "Authorization", "Failure", operation["payment"], operation["payment_metadata"])


def _operation_state(operation: Document) -> str:
    status = operation["status"]
    if status in ("pending", "open"):
        return "Pending"
    if status in ("succeeded", "lost"):
        return "Success"
    if status == "won" or operation["succeeded_at"] is not None:
        return "Reversed"
    return "Failure"


def _row(thing: Document, kind: str, state: str, reference: str, names: Document) -> Row:
    return Row(
        kind=kind,
        state=state,
        amount=thing["amount"],
        currency=thing["currency"],
        reference=reference,
        transaction=names.get("transaction_id"),
        payment=names.get("payment_id"),
    )


def rows_of_event(event: Document) -> tuple[Row, ...]:
    """What a webhook's body says. Empty where it has no object that we know."""
    thing = event.get("data", {})
    try:
        if thing.get("object") == "payment":
            return (authorization_row(thing),)
        return tuple(operation_rows(thing)) if thing.get("object") in _KINDS else ()
    except (KeyError, TypeError):
        return ()


def rows_of_reply(body: object) -> tuple[Row, ...]:
    """What a PSP's answer says: a payment, an operation, a list of payments, or the payment inside a decline."""
    if not isinstance(body, Mapping):
        return ()
    if isinstance(body.get("error"), Mapping):
        inner = body["error"].get("payment")
        return rows_of_reply(inner) if inner else ()
    if body.get("object") == "payment":
        return tuple(rows_of_psp_payment(body))
    if body.get("object") in _KINDS:
        return tuple(operation_rows(body))
    if isinstance(body.get("data"), list):
        return tuple(row for one in body["data"] for row in rows_of_reply(one))
    return ()


def state_of(transaction: Document, log: list[Document]) -> str:
    """A transaction's state in the design's words: a Failure that bears our mark, or that our log names, is Reversed."""
    state: str = transaction.get("state", "Initial")
    if state != "Failure":
        return state
    marked = fields_of(transaction).get("ctpayReversed") is True
    told = any(one.get("ctpayKind") == "reversed" and one.get("ctpayTransactionId") == transaction["id"] for one in log)
    return "Reversed" if marked or told else state


def fields_of(transaction: Document) -> Document:
    """The custom fields of a transaction."""
    fields: Document = (transaction.get("custom") or {}).get("fields") or {}
    return fields


def log_of(document: Document) -> list[Document]:
    """What was written into a Payment's log, by us or by others: the fields of its interface interactions."""
    return [one.get("fields", {}) for one in document.get("interfaceInteractions", ())]
