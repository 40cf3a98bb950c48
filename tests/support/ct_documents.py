"""commercetools documents for pure tests, and a tiny interpreter of the update actions that we send."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from ct.fields import TransactionField
from ct.payment import Payment, parse_payment

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def money(amount: int, currency: str = "EUR") -> dict[str, Any]:
    return {"type": "centPrecision", "centAmount": amount, "currencyCode": currency, "fractionDigits": 2}


def transaction(
    identity: str,
    kind: str = "Authorization",
    state: str = "Initial",
    amount: int = 4200,
    *,
    command: str | None = None,
    interaction_id: str | None = None,
    fields: dict[str, Any] | None = None,
    custom: bool = False,
    at: str = "2026-03-01T12:00:00.000Z",
    currency: str = "EUR",
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": identity,
        "type": kind,
        "state": state,
        "amount": money(amount, currency),
        "timestamp": at,
    }
    values = dict(fields or {})
    if command:
        values[TransactionField.COMMAND_ID.value] = command
    if values or custom:
        found["custom"] = {"type": {"typeId": "type", "id": "t"}, "fields": values}
    if interaction_id:
        found["interactionId"] = interaction_id
    return found


def payment_document(
    *transactions: dict[str, Any], identity: str = "pay-1", interface: str = "ctpay-test", **more: Any
) -> dict[str, Any]:
    return {
        "id": identity,
        "version": 1,
        "amountPlanned": money(4200),
        "paymentMethodInfo": {"paymentInterface": interface, "method": "card"},
        "paymentStatus": {},
        "transactions": list(transactions),
        "interfaceInteractions": [],
        **more,
    }


def payment(*transactions: dict[str, Any], **more: Any) -> Payment:
    return parse_payment(payment_document(*transactions, **more))


def cart_document(*payments: dict[str, Any], total: int = 4200, **more: Any) -> dict[str, Any]:
    references = [{"typeId": "payment", "id": one["id"], "obj": one} for one in payments]
    return {
        "id": "cart-1",
        "version": 7,
        "cartState": "Active",
        "totalPrice": money(total),
        "paymentInfo": {"payments": references},
        **more,
    }


def method_document(number: int = 1, **more: Any) -> dict[str, Any]:
    """A stored payment method, made on the day of its number."""
    return {
        "id": f"method-{number}",
        "version": 3,
        "createdAt": f"2026-03-0{number}T12:00:00.000Z",
        "customer": {"typeId": "customer", "id": "customer-1"},
        "method": "card",
        "token": {"value": f"pm_canary_{number}"},
        **more,
    }


def applied(document: dict[str, Any], actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The document after the actions, as commercetools would have it. Unknown actions are an error."""
    result = copy.deepcopy(document)
    for action in actions:
        _apply(result, action)
    if actions:
        result["version"] += 1
    return result


def _apply(document: dict[str, Any], action: dict[str, Any]) -> None:
    by_id = {one["id"]: one for one in document["transactions"]}
    match action["action"]:
        case "addTransaction":
            draft = copy.deepcopy(action["transaction"])
            document["transactions"].append({"id": f"added-{len(document['transactions'])}", **draft})
        case "changeTransactionState":
            by_id[action["transactionId"]]["state"] = action["state"]
        case "changeTransactionTimestamp":
            by_id[action["transactionId"]]["timestamp"] = action["timestamp"]
        case "changeTransactionInteractionId":
            by_id[action["transactionId"]]["interactionId"] = action["interactionId"]
        case "setTransactionCustomType":
            by_id[action["transactionId"]]["custom"] = {"type": action["type"], "fields": dict(action["fields"])}
        case "setTransactionCustomField":
            fields = by_id[action["transactionId"]]["custom"]["fields"]
            if "value" in action:
                fields[action["name"]] = action["value"]
            else:
                fields.pop(action["name"], None)
        case "addInterfaceInteraction":
            document["interfaceInteractions"].append({"type": action["type"], "fields": action["fields"]})
        case "setInterfaceId":
            assert "interfaceId" not in document, "set once"
            document["interfaceId"] = action["interfaceId"]
        case "setStatusInterfaceCode":
            document["paymentStatus"]["interfaceCode"] = action["interfaceCode"]
        case "setStatusInterfaceText":
            document["paymentStatus"]["interfaceText"] = action["interfaceText"]
        case "setMethodInfoName":
            document["paymentMethodInfo"]["name"] = action["name"]
        case other:
            raise AssertionError(f"unknown action {other}")
