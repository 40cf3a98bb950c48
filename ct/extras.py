"""The custom types that only some merchants need: for stored payment methods, and for purchase orders.

Made by `ctpay setup` like the others, and by the same law: what exists is never overwritten. They are apart because the
SDK cannot read a type for payment methods: it knows no such resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ct.client import segment
from ct.errors import ConflictError, DuplicateError, NotFoundError
from ct.fields import CARD_TYPE, PURCHASE_ORDER_TYPE
from ct.setup import Record, Result, SetupError

if TYPE_CHECKING:
    from ct.actions import UpdateAction
    from ct.client import Commercetools
    from ct.fields import CustomType, FieldType
    from ct.wire import JsonObject

EXTRAS: Final = (CARD_TYPE, PURCHASE_ORDER_TYPE)


async def set_up_extras(client: Commercetools) -> tuple[Record, ...]:
    """Makes what is missing and tells about everything. Raises SetupError and the errors of `ct.errors`."""
    return tuple([await _decided(client, wanted) for wanted in EXTRAS])


async def _decided(client: Commercetools, wanted: CustomType) -> Record:
    """Read and decided again where another setup was quicker, or our own first try whose reply was lost."""
    try:
        return await _set_up(client, wanted)
    except (ConflictError, DuplicateError):
        return await _set_up(client, wanted)


async def _set_up(client: Commercetools, wanted: CustomType) -> Record:
    path = f"/types/key={segment(wanted.key)}"
    try:
        found = await client.get(path)
    except NotFoundError:
        await client.post("/types", _draft(wanted))
        return Record(resource="type", key=wanted.key, result=Result.CREATED, added=tuple(wanted.fields))
    missing = _missing(found, wanted)
    if not missing:
        return Record(resource="type", key=wanted.key, result=Result.UNCHANGED, added=())
    actions = [
        {"action": "addFieldDefinition", "fieldDefinition": _definition(name, wanted.fields[name])} for name in missing
    ]
    await client.post(path, {"version": found["version"], "actions": actions})
    return Record(resource="type", key=wanted.key, result=Result.EXTENDED, added=missing)


def _missing(found: JsonObject, wanted: CustomType) -> tuple[str, ...]:
    """Names of the fields that the type lacks. Raises SetupError where it is something else than we want.

    That a field is required does no harm here: we write all of a type's required fields or none of them.
    """
    resources = found.get("resourceTypeIds")
    if not isinstance(resources, list) or wanted.resource not in resources:
        raise SetupError(
            f"The type {wanted.key} is not for {wanted.resource}. That cannot be changed: remove it, then run "
            "`ctpay setup` again."
        )
    kinds: dict[str, object] = {}
    definitions = found.get("fieldDefinitions")
    for definition in definitions if isinstance(definitions, list) else ():
        if isinstance(definition, dict) and isinstance(kind := definition.get("type"), dict):
            kinds[str(definition["name"])] = kind.get("name")
    for name in wanted.fields.keys() & kinds.keys():
        if kinds[name] != wanted.fields[name]:
            raise SetupError(
                f"The field {name} of the type {wanted.key} is a {kinds[name]}; ctpay needs a {wanted.fields[name]}. "
                "Remove the field from the type, then run `ctpay setup` again."
            )
    return tuple(name for name in wanted.fields if name not in kinds)


def _draft(wanted: CustomType) -> UpdateAction:
    return {
        "key": wanted.key,
        "name": {"en": wanted.name},
        "resourceTypeIds": [wanted.resource],
        "fieldDefinitions": [_definition(name, kind) for name, kind in wanted.fields.items()],
    }


def _definition(name: str, kind: FieldType) -> UpdateAction:
    return {"type": {"name": kind.value}, "name": str(name), "label": {"en": str(name)}, "required": False}
