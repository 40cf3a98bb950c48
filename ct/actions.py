"""The update actions and drafts that we send, as plain JSON: one builder each.

The SDK's models describe the same actions but cost 70 to 160 times as much to serialize, so these stand in on the hot
path; a test holds each one equal to what the SDK makes of it. What the SDK lacks is here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from ct.fields import (
    CARD_TYPE,
    INTERACTION_TYPE,
    PURCHASE_ORDER_TYPE,
    TRANSACTION_TYPE,
    CardField,
    CustomType,
    InteractionField,
    InteractionKind,
    PurchaseOrderField,
    TransactionField,
)
from ct.states import STORED
from psp.facts import Action, Instrument, Kind, State
from psp.money import Money

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"
#: One update action, or one draft.
UpdateAction: TypeAlias = dict[str, Json]
#: Values of our own fields, as commercetools takes them.
Fields: TypeAlias = Mapping[TransactionField, "str | int | bool"]

#: Characters of a PSP's text that we keep.
TEXT_LENGTH_MAX: Final = 512


def timestamp(moment: datetime) -> str:
    """A moment as commercetools writes it: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(amount: Money) -> UpdateAction:
    return {"centAmount": amount.amount, "currencyCode": amount.currency}


def stored_action(action: Action) -> str:
    """The shopper's open action, as our field holds it."""
    return json.dumps({"type": action.type.value, "url": action.url}, separators=(",", ":"))


def transaction_draft(
    *,
    kind: Kind,
    amount: Money,
    state: State,
    at: datetime | None = None,
    interaction_id: str | None = None,
    interface_id: str | None = None,
    fields: Fields | None = None,
) -> UpdateAction:
    draft: UpdateAction = {"type": kind.value, "amount": money(amount), "state": STORED[state]}
    if at is not None:
        draft["timestamp"] = timestamp(at)
    if interaction_id is not None:
        draft["interactionId"] = interaction_id
    if interface_id is not None:
        draft["interfaceId"] = interface_id
    if fields:
        draft["custom"] = {"type": _type(TRANSACTION_TYPE), "fields": _values(fields)}
    return draft


def add_transaction(draft: UpdateAction) -> UpdateAction:
    return {"action": "addTransaction", "transaction": draft}


def change_transaction_state(transaction_id: str, state: State) -> UpdateAction:
    return {"action": "changeTransactionState", "transactionId": transaction_id, "state": STORED[state]}


def change_transaction_timestamp(transaction_id: str, at: datetime) -> UpdateAction:
    return {"action": "changeTransactionTimestamp", "transactionId": transaction_id, "timestamp": timestamp(at)}


def change_transaction_interaction_id(transaction_id: str, interaction_id: str) -> UpdateAction:
    return {
        "action": "changeTransactionInteractionId",
        "transactionId": transaction_id,
        "interactionId": interaction_id,
    }


def set_transaction_custom_type(transaction_id: str, fields: Fields) -> UpdateAction:
    return {
        "action": "setTransactionCustomType",
        "transactionId": transaction_id,
        "type": _type(TRANSACTION_TYPE),
        "fields": _values(fields),
    }


def set_transaction_custom_field(
    transaction_id: str, name: TransactionField, *, value: str | int | bool | None
) -> UpdateAction:
    """Set one of our fields; None removes it."""
    action: UpdateAction = {
        "action": "setTransactionCustomField",
        "transactionId": transaction_id,
        "name": name.value,
    }
    return action if value is None else {**action, "value": value}


def set_interface_id(interface_id: str) -> UpdateAction:
    return {"action": "setInterfaceId", "interfaceId": interface_id}


def set_status_interface_code(code: str) -> UpdateAction:
    return {"action": "setStatusInterfaceCode", "interfaceCode": code}


def set_status_interface_text(text: str) -> UpdateAction:
    return {"action": "setStatusInterfaceText", "interfaceText": text[:TEXT_LENGTH_MAX]}


def set_method_info_name(name: str) -> UpdateAction:
    """The name is for people and the same in every language, so it is stored once, as English."""
    return {"action": "setMethodInfoName", "name": {"en": name}}


def add_interaction(
    *,
    kind: InteractionKind,
    cause: str,
    at: datetime,
    transaction_id: str | None = None,
    state: State | None = None,
    code: str | None = None,
    message: str | None = None,
    request_hash: str | None = None,
) -> UpdateAction:
    return {
        "action": "addInterfaceInteraction",
        **interaction_draft(
            kind=kind,
            cause=cause,
            at=at,
            transaction_id=transaction_id,
            state=state,
            code=code,
            message=message,
            request_hash=request_hash,
        ),
    }


def interaction_draft(
    *,
    kind: InteractionKind,
    cause: str,
    at: datetime,
    transaction_id: str | None = None,
    state: State | None = None,
    code: str | None = None,
    message: str | None = None,
    request_hash: str | None = None,
    owner: str | None = None,
) -> UpdateAction:
    """An entry of the Payment's log, cut in size: entries cannot be removed."""
    fields: dict[str, Json] = {
        InteractionField.KIND.value: kind.value,
        InteractionField.CAUSE.value: cause,
        InteractionField.AT.value: timestamp(at),
    }
    if transaction_id is not None:
        fields[InteractionField.TRANSACTION_ID.value] = transaction_id
    if state is not None:
        fields[InteractionField.STATE.value] = state.value
    if code:
        fields[InteractionField.CODE.value] = code[:TEXT_LENGTH_MAX]
    if message:
        fields[InteractionField.MESSAGE.value] = message[:TEXT_LENGTH_MAX]
    if request_hash is not None:
        fields[InteractionField.REQUEST_HASH.value] = request_hash
    if owner is not None:
        fields[InteractionField.OWNER.value] = owner
    return {"type": _type(INTERACTION_TYPE), "fields": fields}


def add_payment(payment_id: str) -> UpdateAction:
    """For a Cart."""
    return {"action": "addPayment", "payment": {"typeId": "payment", "id": payment_id}}


def payment_draft(
    *,
    key: str,
    planned: Money,
    interface: str,
    method: str,
    customer_id: str | None,
    anonymous_id: str | None,
    transaction: UpdateAction,
    interactions: tuple[UpdateAction, ...] = (),
    purchase_order: Mapping[PurchaseOrderField, str] | None = None,
) -> UpdateAction:
    draft: UpdateAction = {
        "key": key,
        "amountPlanned": money(planned),
        "paymentMethodInfo": {"paymentInterface": interface, "method": method},
        "transactions": [transaction],
    }
    if customer_id is not None:
        draft["customer"] = {"typeId": "customer", "id": customer_id}
    elif anonymous_id is not None:
        draft["anonymousId"] = anonymous_id
    if interactions:
        draft["interfaceInteractions"] = list(interactions)
    if purchase_order:
        values: dict[str, Json] = {name.value: value for name, value in purchase_order.items()}
        draft["custom"] = {"type": _type(PURCHASE_ORDER_TYPE), "fields": values}
    return draft


def payment_method_draft(
    *, key: str, customer_id: str, interface: str, token: str, instrument: Instrument
) -> UpdateAction:
    """For a customer's list of stored methods, with what they recognise it by."""
    parts: Mapping[CardField, str | int | None] = {
        CardField.BRAND: instrument.brand,
        CardField.LAST_FOUR: instrument.last_four,
        CardField.EXPIRY_MONTH: instrument.expiry_month,
        CardField.EXPIRY_YEAR: instrument.expiry_year,
    }
    fields: dict[str, Json] = {name.value: value for name, value in parts.items() if value is not None}
    return {
        "key": key,
        "customer": {"typeId": "customer", "id": customer_id},
        "method": instrument.method,
        "paymentInterface": interface,
        "token": {"value": token},
        "paymentMethodStatus": "Active",
        "custom": {"type": _type(CARD_TYPE), "fields": fields},
    }


def _type(custom: CustomType) -> UpdateAction:
    return {"typeId": "type", "key": custom.key}


def _values(fields: Fields) -> dict[str, Json]:
    return {name.value: value for name, value in fields.items()}
