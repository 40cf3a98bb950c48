"""Is the project set up? Apart from `ct.setup`, so that no worker loads the SDK's client to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ct.client import Commercetools, segment
from ct.errors import NotFoundError
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ct.fields import CustomType
    from ct.wire import JsonObject

_TYPES: Final = (TRANSACTION_TYPE, INTERACTION_TYPE)


async def types_missing(client: Commercetools, also: Sequence[CustomType] = ()) -> tuple[str, ...]:
    """What `ctpay setup` has still to make: keys of types, and `key.field` where a type lacks a field.

    `also`: types that are needed for what this merchant offers. Raises the errors of `ct.errors`, save NotFoundError.
    """
    return tuple([name for wanted in (*_TYPES, *also) for name in await _missing(client, wanted)])


async def _missing(client: Commercetools, wanted: CustomType) -> list[str]:
    try:
        found = await client.get(f"/types/key={segment(wanted.key)}")
    except NotFoundError:
        return [wanted.key]
    there = _field_names(found)
    return [f"{wanted.key}.{name}" for name in wanted.fields if name not in there]


def _field_names(found: JsonObject) -> set[str]:
    definitions = found.get("fieldDefinitions")
    named = definitions if isinstance(definitions, list) else []
    return {str(definition["name"]) for definition in named if isinstance(definition, dict)}
