"""Payments: how they are made, what is unique about them, what can be asked. Their actions: `payment_actions`."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks, fields
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.errors import duplicate
from sandbox.commercetools.kinds import CUSTOM, MONEY, REFERENCE, Scalar, Tree
from sandbox.commercetools.state import Desk, Message

TRANSACTION_TYPES: Final = ("Authorization", "CancelAuthorization", "Charge", "Refund", "Chargeback")
TRANSACTION_STATES: Final = ("Initial", "Pending", "Success", "Failure")

TRANSACTION: Final = Shape(
    required={"type": checks.one_of(*TRANSACTION_TYPES), "amount": checks.money},
    optional={
        "timestamp": checks.moment,
        "interactionId": checks.ANY_TEXT,
        "interfaceId": checks.ANY_TEXT,
        "state": checks.one_of(*TRANSACTION_STATES),
        "custom": checks.CUSTOM,
    },
)
TOKEN: Final = Shape(required={"value": checks.NAME})
METHOD_INFO: Final = Shape(
    optional={
        "paymentInterface": checks.ANY_TEXT,
        "method": checks.ANY_TEXT,
        "name": checks.localized,
        "token": TOKEN,
        "interfaceAccount": checks.ANY_TEXT,
        "custom": checks.CUSTOM,
    }
)
#: The deprecated fields are left out on purpose: nobody should begin to use them.
DRAFT: Final = Shape(
    required={"amountPlanned": checks.money},
    optional={
        "key": checks.KEY,
        "customer": checks.identifier("customer"),
        "anonymousId": checks.ANY_TEXT,
        "interfaceId": checks.ANY_TEXT,
        "paymentMethodInfo": METHOD_INFO,
        "paymentStatus": Shape(
            optional={
                "interfaceCode": checks.ANY_TEXT,
                "interfaceText": checks.ANY_TEXT,
                "state": checks.identifier("state"),
            }
        ),
        "transactions": checks.array(TRANSACTION),
        "interfaceInteractions": checks.array(checks.CUSTOM),
        "custom": checks.CUSTOM,
    },
    beyond=("externalId", "amountAuthorized", "authorizedUntil", "amountPaid", "amountRefunded"),
)

SEARCHABLE: Final[dict[str, Tree]] = {
    "customer": REFERENCE,
    "anonymousId": Scalar.TEXT,
    "interfaceId": Scalar.TEXT,
    "amountPlanned": MONEY,
    "paymentMethodInfo": {
        "paymentInterface": Scalar.TEXT,
        "method": Scalar.TEXT,
        "name": Scalar.ANY,
        "token": {"value": Scalar.TEXT},
        "interfaceAccount": Scalar.TEXT,
        "custom": CUSTOM,
    },
    "paymentStatus": {"interfaceCode": Scalar.TEXT, "interfaceText": Scalar.TEXT, "state": REFERENCE},
    "transactions": {
        "id": Scalar.TEXT,
        "timestamp": Scalar.TIME,
        "type": Scalar.TEXT,
        "amount": MONEY,
        "interactionId": Scalar.TEXT,
        "interfaceId": Scalar.TEXT,
        "state": Scalar.TEXT,
        "custom": CUSTOM,
    },
    "interfaceInteractions": CUSTOM,
    "custom": CUSTOM,
}
INDEXED: Final = words("id key interfaceId transactions.id transactions.interactionId transactions.interfaceId")


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    payment = {name: value for name, value in draft.items() if name in {"key", "anonymousId", "interfaceId"}}
    payment["amountPlanned"] = draft["amountPlanned"]
    if "customer" in draft:
        payment["customer"] = desk.resolve(draft["customer"])
    payment["paymentMethodInfo"] = method_info(draft.get("paymentMethodInfo", {}), desk)
    status = dict(draft.get("paymentStatus", {}))
    if "state" in status:
        status["state"] = desk.resolve(status["state"])
    payment["paymentStatus"] = status
    payment["transactions"] = []
    for each in draft.get("transactions", []):
        payment["transactions"].append(transaction(each, payment, desk))
    interactions = draft.get("interfaceInteractions", [])
    payment["interfaceInteractions"] = [
        fields.resolve(each, "payment-interface-interaction", desk) for each in interactions
    ]
    if "custom" in draft:
        payment["custom"] = fields.resolve(draft["custom"], "payment", desk)
    check_interface_id(payment, desk)
    # The core adds the payment itself to this message, since it is whole only there.
    return payment, [Message(type="PaymentCreated", fields={})]


def method_info(draft: Document, desk: Desk) -> Document:
    info = {name: value for name, value in draft.items() if name != "custom"}
    if "custom" in draft:
        info["custom"] = fields.resolve(draft["custom"], "payment-method-info", desk)
    return info


def transaction(draft: Document, payment: Document, desk: Desk) -> Document:
    """A transaction as it is stored. Raises DuplicateField where its interfaceId is known already."""
    made: Document = {"id": desk.new_id(), "type": draft["type"], "amount": draft["amount"]}
    made["state"] = draft.get("state", "Initial")
    made.update((name, draft[name]) for name in ("timestamp", "interactionId", "interfaceId") if name in draft)
    if "custom" in draft:
        made["custom"] = fields.resolve(draft["custom"], "transaction", desk)
    if "interfaceId" in draft:
        check_transaction_interface_id(draft["interfaceId"], payment, desk)
    return made


def check_interface_id(payment: Document, desk: Desk) -> None:
    """An interfaceId is unique within its paymentInterface; an absent paymentInterface counts as one of its own."""
    interface_id = payment.get("interfaceId")
    shelf = desk.shelf("payment")
    for holder in shelf.ids("interfaceId", interface_id) if interface_id is not None else ():
        other = shelf.peek(holder)
        if other is None or holder == payment.get("id"):
            continue
        if other["paymentMethodInfo"].get("paymentInterface") == payment["paymentMethodInfo"].get("paymentInterface"):
            raise duplicate("interfaceId", interface_id, type_id="payment", holder=holder)


def check_transaction_interface_id(interface_id: str, payment: Document, desk: Desk) -> None:
    """A transaction's interfaceId is unique across all transactions of all payments."""
    own = any(each.get("interfaceId") == interface_id for each in payment["transactions"])
    holder = payment.get("id") if own else desk.shelf("payment").holder("transactions.interfaceId", interface_id)
    if own or holder is not None:
        raise duplicate("transactions.interfaceId", interface_id, type_id="payment", holder=holder or "")
