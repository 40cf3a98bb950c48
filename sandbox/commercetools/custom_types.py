"""Types: which custom fields a kind of resource may have."""

from __future__ import annotations

from typing import Any, Final

from sandbox.commercetools import checks, fields
from sandbox.commercetools.checks import Check, Shape
from sandbox.commercetools.documents import Document, words
from sandbox.commercetools.errors import bad, invalid_field, invalid_operation
from sandbox.commercetools.kinds import Action, Scalar, Tree, setter
from sandbox.commercetools.state import Desk, Message

#: What may bear custom fields.
RESOURCE_TYPE_IDS: Final = words(
    "address asset approval-flow approval-rule associate-role business-unit cart-discount category channel customer"
    " customer-group custom-line-item discount-code inventory-entry line-item order order-edit order-delivery"
    " order-parcel order-return-item payment payment-interface-interaction payment-method payment-method-info"
    " product-price product-selection product-tailoring quote reservation review recurring-order shipping"
    " shipping-method shopping-list shopping-list-text-line-item standalone-price store transaction"
)

_ENUM_VALUE: Final = Shape(required={"key": checks.NAME, "label": checks.ANY_TEXT})
_LOCALIZED_ENUM_VALUE: Final = Shape(required={"key": checks.NAME, "label": checks.localized})


def _field_type(value: object, where: str) -> Document:
    """A field's type; what it has beside its name depends on the name."""
    name = checks.mapping(value, where).get("name")
    more: dict[str, Check] = {}
    if isinstance(name, str):
        more = dict(_PARTS.get(name, {}))
    return Shape(required={"name": checks.one_of(*sorted(fields.TYPE_NAMES)), **more})(value, where)


_PARTS: Final[dict[str, dict[str, Check]]] = {
    "Enum": {"values": checks.array(_ENUM_VALUE)},
    "LocalizedEnum": {"values": checks.array(_LOCALIZED_ENUM_VALUE)},
    "Reference": {"referenceTypeId": checks.NAME},
    "Set": {"elementType": _field_type},
}


def _field_name(value: object, where: str) -> str:
    if not isinstance(value, str) or not fields.valid_name(value):
        raise invalid_field(where, value, "2 to 36 letters, digits, `_` or `-`.")
    return value


_DEFINITION: Final = Shape(
    required={
        "type": _field_type,
        "name": _field_name,
        "label": checks.localized,
        "required": checks.boolean,
    },
    optional={"inputHint": checks.one_of("SingleLine", "MultiLine")},
)
DRAFT: Final = Shape(
    required={
        "key": checks.KEY,
        "name": checks.localized,
        "resourceTypeIds": checks.array(checks.one_of(*RESOURCE_TYPE_IDS), low=1),
    },
    optional={"description": checks.localized, "fieldDefinitions": checks.array(_DEFINITION)},
)
SEARCHABLE: Final[dict[str, Tree]] = {
    "name": Scalar.ANY,
    "resourceTypeIds": Scalar.TEXT,
    "fieldDefinitions": {"name": Scalar.TEXT, "required": Scalar.BOOLEAN, "type": {"name": Scalar.TEXT}},
}
INDEXED: Final = words("id key")


def create(draft: Document, desk: Desk) -> tuple[Document, list[Message]]:
    made = {**draft, "fieldDefinitions": []}
    for definition in draft.get("fieldDefinitions", []):
        _add(made, definition, desk)
    return made, []


def _add(custom_type: Document, definition: Document, desk: Desk) -> None:
    """A field's name is unique in its type, and has one type of value in all the types of a project."""
    name = definition["name"]
    for other in (custom_type, *desk.shelf("type")):
        for known in other["fieldDefinitions"]:
            if known["name"] != name:
                continue
            if other is custom_type:
                raise bad(
                    "DuplicateField",
                    f"The type has a field '{name}' already.",
                    field="fieldDefinitions.name",
                    duplicateValue=name,
                )
            if known["type"]["name"] != definition["type"]["name"]:
                raise invalid_operation(
                    f"The field '{name}' is of type {known['type']['name']} in the type '{other['key']}': fields of one"
                    " name must have one type."
                )
    custom_type["fieldDefinitions"].append(definition)


def _definition(custom_type: Document, name: str) -> Document:
    for found in custom_type["fieldDefinitions"]:
        if found["name"] == name:
            return found  # type: ignore[no-any-return]  # a document's lists hold documents
    raise invalid_field("fieldName", name, "the type has no such field.")


def _add_definition(custom_type: Document, action: Document, desk: Desk) -> list[Message]:
    _add(custom_type, action["fieldDefinition"], desk)
    return []


def _remove_definition(custom_type: Document, action: Document, _: Desk) -> list[Message]:
    custom_type["fieldDefinitions"].remove(_definition(custom_type, action["fieldName"]))
    return []


def _change_label(custom_type: Document, action: Document, _: Desk) -> list[Message]:
    _definition(custom_type, action["fieldName"])["label"] = action["label"]
    return []


def _add_enum_value(custom_type: Document, action: Document, _: Desk) -> list[Message]:
    field_type = _definition(custom_type, action["fieldName"])["type"]
    if field_type["name"] != "Enum":
        raise invalid_operation(f"The field '{action['fieldName']}' is not an Enum.")
    if any(each["key"] == action["value"]["key"] for each in field_type["values"]):
        raise bad(
            "EnumKeyAlreadyExists",
            f"The key '{action['value']['key']}' exists already.",
            conflictingEnumKey=action["value"]["key"],
            conflictingAttributeName=action["fieldName"],
        )
    field_type["values"].append(action["value"])
    return []


def _required(name: str, check: Check) -> Action:
    return Action(shape=Shape(required={name: check}), apply=setter(name, check).apply)


_FIELD: Final = {"fieldName": checks.NAME}

ACTIONS: Final[dict[str, Action]] = {
    "addEnumValue": Action(shape=Shape(required={**_FIELD, "value": _ENUM_VALUE}), apply=_add_enum_value),
    "addFieldDefinition": Action(shape=Shape(required={"fieldDefinition": _DEFINITION}), apply=_add_definition),
    "changeKey": _required("key", checks.KEY),
    "changeLabel": Action(shape=Shape(required={**_FIELD, "label": checks.localized}), apply=_change_label),
    "changeName": _required("name", checks.localized),
    "removeFieldDefinition": Action(shape=Shape(required=_FIELD), apply=_remove_definition),
    "setDescription": setter("description", checks.localized),
}


def before_delete(custom_type: Document, desk: Desk) -> None:
    """A type in use stays."""
    for type_id in ("payment", "cart", "order", "payment-method"):
        if any(_uses(document, custom_type["id"]) for document in desk.shelf(type_id)):
            raise bad(
                "ReferenceExists",
                f"The type '{custom_type['key']}' is in use by a resource of type '{type_id}'.",
                referencedBy=type_id,
            )


def _uses(value: Any, custom_type_id: str) -> bool:
    if isinstance(value, dict):
        if value.get("typeId") == "type" and value.get("id") == custom_type_id:
            return True
        return any(_uses(inner, custom_type_id) for inner in value.values())
    return isinstance(value, list) and any(_uses(inner, custom_type_id) for inner in value)
