"""Custom fields: resolved and checked against the definitions of their type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.commercetools import checks
from sandbox.commercetools.checks import Check, Shape
from sandbox.commercetools.documents import Document, drop_none
from sandbox.commercetools.errors import invalid_field, invalid_operation, required
from sandbox.commercetools.kinds import Action
from sandbox.commercetools.state import Desk, Message

_DATE: Final = checks.text(pattern=r"\d{4}-\d{2}-\d{2}")
_TIME: Final = checks.text(pattern=r"\d{2}:\d{2}:\d{2}(\.\d{1,3})?")
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9_-]{2,36}")
#: Finds the custom fields within a resource: the object that has `custom`.
Owner = Callable[[Document, Document], Document]


def _enum(field_type: Document) -> Check:
    return checks.one_of(*(value["key"] for value in field_type["values"]))


def _set(field_type: Document) -> Check:
    of = checks.array(_check(field_type["elementType"]))

    def check(value: object, where: str) -> list[Any]:
        unique: list[Any] = []
        for element in of(value, where):
            if element not in unique:
                unique.append(element)
        return unique

    return check


def _reference(field_type: Document) -> Check:
    return Shape(required={"typeId": checks.one_of(field_type["referenceTypeId"]), "id": checks.NAME})


#: The check of a value, by the name of the field's type.
_VALUE: Final[Mapping[str, Callable[[Document], Check]]] = {
    "Boolean": lambda _: checks.boolean,
    "Date": lambda _: _DATE,
    "DateTime": lambda _: checks.moment,
    "Enum": _enum,
    "LocalizedEnum": _enum,
    "LocalizedString": lambda _: checks.localized,
    "Money": lambda _: checks.money,
    "Number": lambda _: checks.number,
    "Reference": _reference,
    "Set": _set,
    "String": lambda _: checks.ANY_TEXT,
    "Time": lambda _: _TIME,
}
TYPE_NAMES: Final = frozenset(_VALUE)


def _check(field_type: Document) -> Check:
    return _VALUE[field_type["name"]](field_type)


def resolve(draft: Document, resource_type_id: str, desk: Desk) -> Document:
    """Custom fields as they are stored. Raises where the type does not fit the resource or the fields not the type."""
    custom_type = desk.find(draft["type"])
    if resource_type_id not in custom_type["resourceTypeIds"]:
        raise invalid_operation(
            f"The type '{custom_type['key']}' is for {', '.join(custom_type['resourceTypeIds'])}, not for"
            f" '{resource_type_id}'."
        )
    given = drop_none(draft.get("fields", {}))
    values = {name: _value(custom_type, name, value) for name, value in given.items()}
    for definition in custom_type["fieldDefinitions"]:
        if definition["required"] and definition["name"] not in values:
            raise required(f"custom.fields.{definition['name']}")
    return {"type": {"typeId": "type", "id": custom_type["id"]}, "fields": values}


def _value(custom_type: Document, name: str, value: object) -> object:
    for definition in custom_type["fieldDefinitions"]:
        if definition["name"] == name:
            return _check(definition["type"])(value, f"custom.fields.{name}")
    raise invalid_field(name, value, f"the type '{custom_type['key']}' has no such field. Add it to the type first.")


def type_setter(resource_type_id: str, owner: Owner, *, also: Mapping[str, Check], told: str | None = None) -> Action:
    """An action that sets the custom type with its fields, or takes all away. `told`: the messages' common prefix."""

    def apply(document: Document, action: Document, desk: Desk) -> list[Message]:
        target = owner(document, action)
        old = target.get("custom")
        if "type" not in action:
            if "fields" in action:
                raise required("type")
            target.pop("custom", None)
            previous = {"oldTypeId": old["type"]["id"]} if old else {}
            return [Message(type=f"{told}TypeRemoved", fields=previous)] if told else []
        target["custom"] = new = resolve(action, resource_type_id, desk)
        previous = {"oldTypeId": old["type"]["id"]} if old else {}
        return [Message(type=f"{told}TypeSet", fields={"customFields": new, **previous})] if told else []

    shape = Shape(required=also, optional={"type": checks.identifier("type"), "fields": checks.mapping})
    return Action(shape=shape, apply=apply)


def field_setter(owner: Owner, *, also: Mapping[str, Check], told: str | None = None) -> Action:
    """An action that sets one custom field or takes it away. `told`: the messages' common prefix."""

    def apply(document: Document, action: Document, desk: Desk) -> list[Message]:
        target = owner(document, action)
        if "custom" not in target:
            raise invalid_operation("There is no custom type set. Set the type before its fields.")
        custom_type = desk.find(target["custom"]["type"])
        values, name, value = target["custom"]["fields"], action["name"], action.get("value")
        old = values.get(name)
        if value is None:
            if any(each["name"] == name and each["required"] for each in custom_type["fieldDefinitions"]):
                raise required(f"custom.fields.{name}")
            if all(each["name"] != name for each in custom_type["fieldDefinitions"]):
                raise invalid_field(name, value, f"the type '{custom_type['key']}' has no such field.")
            values.pop(name, None)
            return [Message(type=f"{told}FieldRemoved", fields={"name": name})] if told else []
        values[name] = new = _value(custom_type, name, value)
        if not told:
            return []
        if old is None:
            return [Message(type=f"{told}FieldAdded", fields={"name": name, "value": new})]
        return [Message(type=f"{told}FieldChanged", fields={"name": name, "value": new})]

    shape = Shape(required={"name": checks.NAME, **also}, optional={"value": checks.anything})
    return Action(shape=shape, apply=apply)


def itself(document: Document, _action: Document) -> Document:
    """The owner of custom fields that are on the resource."""
    return document


def valid_name(name: str) -> bool:
    """Whether it may be a field's name."""
    return _FIELD_NAME.fullmatch(name) is not None
