"""The update actions of a Payment: all that are not deprecated, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sandbox.commercetools import checks, fields, payments
from sandbox.commercetools.checks import Check, Shape
from sandbox.commercetools.documents import Document, drop_none
from sandbox.commercetools.errors import invalid_field, invalid_operation
from sandbox.commercetools.kinds import Action, set_or_drop, setter
from sandbox.commercetools.state import Desk, Message

_TRANSACTION_ID: Final = {"transactionId": checks.NAME}


def _transaction(payment: Document, action: Document) -> Document:
    for found in payment["transactions"]:
        if found["id"] == action["transactionId"]:
            return found  # type: ignore[no-any-return]  # a document's lists hold documents
    raise invalid_field("transactionId", action["transactionId"], "the payment has no such transaction.")


def _method_info(payment: Document, _: Document) -> Document:
    return payment["paymentMethodInfo"]  # type: ignore[no-any-return]  # a field of a document


def _set_customer(payment: Document, action: Document, desk: Desk) -> list[Message]:
    set_or_drop(payment, "customer", desk.resolve(action["customer"]) if "customer" in action else None)
    return []


def _set_interface_id(payment: Document, action: Document, desk: Desk) -> list[Message]:
    new, old = action["interfaceId"], payment.get("interfaceId")
    if old not in {None, new}:
        raise invalid_operation(f"The interfaceId is '{old}' already and cannot be changed.")
    payment["interfaceId"] = new
    payments.check_interface_id(payment, desk)
    return [Message(type="PaymentInterfaceIdSet", fields={"interfaceId": new})]


def _set_interface(payment: Document, action: Document, desk: Desk) -> list[Message]:
    info, new = payment["paymentMethodInfo"], action["interface"]
    _once_only(info.get("paymentInterface"), new)
    info["paymentInterface"] = new
    payments.check_interface_id(payment, desk)
    return [Message(type="PaymentMethodInfoInterfaceSet", fields={"interface": new})]


def _once_only(old: str | None, new: str | None) -> None:
    if old not in {None, new}:
        raise invalid_operation(f"The paymentInterface is '{old}' already and cannot be changed.")


#: The parts of paymentMethodInfo that may change at any time: action, field, message, check.
_PARTS: Final[tuple[tuple[str, str, str, Check], ...]] = (
    ("setMethodInfoMethod", "method", "PaymentMethodInfoMethodSet", checks.ANY_TEXT),
    ("setMethodInfoName", "name", "PaymentMethodInfoNameSet", checks.localized),
    ("setMethodInfoToken", "token", "PaymentMethodInfoTokenSet", payments.TOKEN),
    (
        "setMethodInfoInterfaceAccount",
        "interfaceAccount",
        "PaymentMethodInfoInterfaceAccountSet",
        checks.ANY_TEXT,
    ),
)


def _part(name: str, told: str, check: Check) -> Action:
    def apply(payment: Document, action: Document, _: Desk) -> list[Message]:
        info = payment["paymentMethodInfo"]
        message = _changed(told, name, info.get(name), action.get(name))
        set_or_drop(info, name, action.get(name))
        return [message]

    return Action(shape=Shape(optional={name: check}), apply=apply)


def _changed(told: str, name: str, old: object, new: object) -> Message:
    """A message that bears the new value, and the old one under `old…`."""
    return Message(type=told, fields=drop_none({name: new, f"old{name[0].upper()}{name[1:]}": old}))


def _set_method_info(payment: Document, action: Document, desk: Desk) -> list[Message]:
    """Replace the whole, but never the interface; there is one message for each part that changes."""
    old = payment["paymentMethodInfo"]
    new = payments.method_info({name: value for name, value in action.items() if name != "action"}, desk)
    _once_only(old.get("paymentInterface"), new.get("paymentInterface"))
    payment["paymentMethodInfo"] = new
    payments.check_interface_id(payment, desk)
    parts = [(name, name, told) for _, name, told, _ in _PARTS]
    parts.append(("interface", "paymentInterface", "PaymentMethodInfoInterfaceSet"))
    told = [
        _changed(message, name, old.get(field), new.get(field))
        for name, field, message in parts
        if old.get(field) != new.get(field)
    ]
    if old.get("custom") != new.get("custom"):
        previous = {"oldTypeId": old["custom"]["type"]["id"]} if "custom" in old else {}
        if "custom" in new:
            content = {"customFields": new["custom"], **previous}
            told.append(Message(type="PaymentMethodInfoCustomTypeSet", fields=content))
        else:
            told.append(Message(type="PaymentMethodInfoCustomTypeRemoved", fields=previous))
    return told


def _set_status_code(payment: Document, action: Document, _: Desk) -> list[Message]:
    set_or_drop(payment["paymentStatus"], "interfaceCode", action.get("interfaceCode"))
    told = drop_none({"paymentId": payment["id"], "interfaceCode": action.get("interfaceCode")})
    return [Message(type="PaymentStatusInterfaceCodeSet", fields=told)]


def _set_status_text(payment: Document, action: Document, _: Desk) -> list[Message]:
    payment["paymentStatus"]["interfaceText"] = action["interfaceText"]
    return []


def _transition_state(payment: Document, action: Document, desk: Desk) -> list[Message]:
    new, force = desk.find(action["state"]), action.get("force", False)
    old = payment["paymentStatus"].get("state")
    if new["type"] != "PaymentState":
        raise invalid_operation(f"The state '{new['key']}' is not a PaymentState.")
    allowed = desk.find(old).get("transitions") if old is not None else None
    if not force and allowed is not None and new["id"] not in {each["id"] for each in allowed}:
        raise invalid_operation(f"There is no transition from the present state to '{new['key']}'.")
    payment["paymentStatus"]["state"] = state = {"typeId": "state", "id": new["id"]}
    return [Message(type="PaymentStatusStateTransition", fields={"state": state, "force": force})]


def _add_transaction(payment: Document, action: Document, desk: Desk) -> list[Message]:
    made = payments.transaction(action["transaction"], payment, desk)
    payment["transactions"].append(made)
    return [Message(type="PaymentTransactionAdded", fields={"transaction": made})]


def _change_state(payment: Document, action: Document, _: Desk) -> list[Message]:
    _transaction(payment, action)["state"] = action["state"]
    told = {"transactionId": action["transactionId"], "state": action["state"]}
    return [Message(type="PaymentTransactionStateChanged", fields=told)]


def _on_transaction(name: str, check: Check) -> Action:
    def apply(payment: Document, action: Document, _: Desk) -> list[Message]:
        _transaction(payment, action)[name] = action[name]
        return []

    return Action(shape=Shape(required={**_TRANSACTION_ID, name: check}), apply=apply)


def _set_transaction_interface_id(payment: Document, action: Document, desk: Desk) -> list[Message]:
    transaction, new = _transaction(payment, action), action.get("interfaceId")
    old = transaction.get("interfaceId")
    if new is not None and new != old:
        payments.check_transaction_interface_id(new, payment, desk)
    set_or_drop(transaction, "interfaceId", new)
    told = drop_none({"transactionId": transaction["id"], "newInterfaceId": new, "oldInterfaceId": old})
    return [Message(type="PaymentTransactionInterfaceIdSet", fields=told)]


def _add_interaction(payment: Document, action: Document, desk: Desk) -> list[Message]:
    made = fields.resolve(action, "payment-interface-interaction", desk)
    payment["interfaceInteractions"].append(made)
    return [Message(type="PaymentInteractionAdded", fields={"interaction": made})]


def _action(
    apply: Callable[[Document, Document, Desk], list[Message]],
    *,
    required: dict[str, Check] | None = None,
    optional: dict[str, Check] | None = None,
) -> Action:
    return Action(shape=Shape(required=required or {}, optional=optional or {}), apply=apply)


_INFO_TOLD: Final = "PaymentMethodInfoCustom"

ACTIONS: Final[dict[str, Action]] = {
    "addInterfaceInteraction": _action(
        _add_interaction, required={"type": checks.identifier("type")}, optional={"fields": checks.mapping}
    ),
    "addTransaction": _action(_add_transaction, required={"transaction": payments.TRANSACTION}),
    "changeAmountPlanned": Action(
        shape=Shape(required={"amount": checks.money}),
        apply=setter("amount", checks.money, to="amountPlanned").apply,
    ),
    "changeTransactionInteractionId": _on_transaction("interactionId", checks.ANY_TEXT),
    "changeTransactionState": _action(
        _change_state, required={**_TRANSACTION_ID, "state": checks.one_of(*payments.TRANSACTION_STATES)}
    ),
    "changeTransactionTimestamp": _on_transaction("timestamp", checks.moment),
    "setAnonymousId": setter("anonymousId", checks.ANY_TEXT),
    "setCustomField": fields.field_setter(fields.itself, also={}),
    "setCustomType": fields.type_setter("payment", fields.itself, also={}),
    "setCustomer": _action(_set_customer, optional={"customer": checks.identifier("customer")}),
    "setInterfaceId": _action(_set_interface_id, required={"interfaceId": checks.NAME}),
    "setKey": setter("key", checks.KEY),
    "setMethodInfo": Action(shape=payments.METHOD_INFO, apply=_set_method_info),
    "setMethodInfoCustomField": fields.field_setter(_method_info, also={}, told=_INFO_TOLD),
    "setMethodInfoCustomType": fields.type_setter("payment-method-info", _method_info, also={}, told=_INFO_TOLD),
    "setMethodInfoInterface": _action(_set_interface, required={"interface": checks.NAME}),
    **{action: _part(name, told, check) for action, name, told, check in _PARTS},
    "setStatusInterfaceCode": _action(_set_status_code, optional={"interfaceCode": checks.ANY_TEXT}),
    "setStatusInterfaceText": _action(_set_status_text, required={"interfaceText": checks.ANY_TEXT}),
    "setTransactionCustomField": fields.field_setter(_transaction, also=_TRANSACTION_ID),
    "setTransactionCustomType": fields.type_setter("transaction", _transaction, also=_TRANSACTION_ID),
    "setTransactionInterfaceId": _action(
        _set_transaction_interface_id, required=_TRANSACTION_ID, optional={"interfaceId": checks.NAME}
    ),
    "transitionState": _action(
        _transition_state, required={"state": checks.identifier("state")}, optional={"force": checks.boolean}
    ),
}
