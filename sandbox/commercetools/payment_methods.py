"""Payment methods that customers have stored."""

from __future__ import annotations

from typing import Final

from sandbox.commercetools import checks, fields
from sandbox.commercetools.checks import Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.kinds import CUSTOM, REFERENCE, Action, Scalar, Tree, setter
from sandbox.commercetools.payments import TOKEN
from sandbox.commercetools.state import Desk, Message

_STATUS: Final = checks.one_of("Active", "Inactive")
_PLAIN: Final[dict[str, checks.Check]] = {
    "key": checks.KEY,
    "name": checks.localized,
    "method": checks.ANY_TEXT,
    "paymentInterface": checks.ANY_TEXT,
    "interfaceAccount": checks.ANY_TEXT,
    "token": TOKEN,
}
DRAFT: Final = Shape(
    optional={
        **_PLAIN,
        "customer": checks.identifier("customer"),
        "paymentMethodStatus": _STATUS,
        "default": checks.boolean,
        "custom": checks.CUSTOM,
    },
    beyond=("businessUnit",),
)
SEARCHABLE: Final[dict[str, Tree]] = {
    "name": Scalar.ANY,
    "customer": REFERENCE,
    "method": Scalar.TEXT,
    "paymentInterface": Scalar.TEXT,
    "interfaceAccount": Scalar.TEXT,
    "token": {"value": Scalar.TEXT},
    "paymentMethodStatus": Scalar.TEXT,
    "default": Scalar.BOOLEAN,
    "custom": CUSTOM,
}
INDEXED: Final = words("id key customer.id")


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    method: Document = {name: value for name, value in draft.items() if name in _PLAIN}
    if "customer" in draft:
        method["customer"] = desk.resolve(draft["customer"])
    method["paymentMethodStatus"] = draft.get("paymentMethodStatus", "Active")
    method["default"] = draft.get("default", False)
    if "custom" in draft:
        method["custom"] = fields.resolve(draft["custom"], "payment-method", desk)
    return method, []


ACTIONS: Final[dict[str, Action]] = {
    "setCustomField": fields.field_setter(fields.itself, also={}),
    "setCustomType": fields.type_setter("payment-method", fields.itself, also={}),
    "setDefault": Action(
        shape=Shape(required={"default": checks.boolean}), apply=setter("default", checks.boolean).apply
    ),
    "setInterfaceAccount": setter("interfaceAccount", checks.ANY_TEXT),
    "setKey": setter("key", checks.KEY),
    "setMethod": setter("method", checks.ANY_TEXT),
    "setName": setter("name", checks.localized),
    "setPaymentInterface": setter("paymentInterface", checks.ANY_TEXT),
    "setPaymentMethodStatus": Action(
        shape=Shape(required={"paymentMethodStatus": _STATUS}), apply=setter("paymentMethodStatus", _STATUS).apply
    ),
}
