"""The types that only some merchants need are made once, extended, and never overwritten."""

from __future__ import annotations

import json as json_text

import pytest
from support.house import PASS, CoreClient, Fault
from support.house import Clock as HouseClock
from support.prose import reads_well
from support.scripted_server import json

from ct.client import Commercetools
from ct.errors import ConflictError, DuplicateError
from ct.extras import EXTRAS, set_up_extras
from ct.fields import CARD_TYPE, PURCHASE_ORDER_TYPE
from ct.readiness import types_missing
from ct.setup import Record, Result, SetupError
from sandbox.commercetools.core import Core


@pytest.fixture
def client():
    numbers = iter(range(1, 1000))
    return CoreClient(Core(project_key="demo", new_id=lambda: f"id-{next(numbers)}"), HouseClock())


def told(result, added=lambda _: ()):
    return tuple(Record(resource="type", key=one.key, result=result, added=added(one)) for one in EXTRAS)


async def test_a_project_gets_both_types_once(client):
    assert await set_up_extras(client) == told(Result.CREATED, lambda one: tuple(one.fields))
    missing = await types_missing(client, EXTRAS)
    assert not {one.key for one in EXTRAS} & set(missing)
    assert await set_up_extras(client) == told(Result.UNCHANGED)


async def test_what_is_made_has_our_names_and_demands_nothing_of_other_software(client):
    await set_up_extras(client)
    for wanted in EXTRAS:
        made = await client.get(f"/types/key={wanted.key}")
        assert (made["name"], made["resourceTypeIds"]) == ({"en": wanted.name}, [wanted.resource])
        fields = {one["name"]: (one["type"]["name"], one["label"], one["required"]) for one in made["fieldDefinitions"]}
        assert fields == {name: (kind, {"en": name}, False) for name, kind in wanted.fields.items()}


@pytest.mark.parametrize(
    "error",
    [DuplicateError("the key is taken", field="key"), ConflictError("it has changed")],
    ids=lambda one: type(one).__name__,
)
async def test_whoever_was_quicker_has_made_it_for_us(client, error):
    client.shared["faults"] += [PASS, Fault(error=error, before=False)]
    first, _ = await set_up_extras(client)
    assert first == told(Result.UNCHANGED)[0]


async def test_the_reference_connectors_own_purchase_order_type_is_taken_as_it_is(client):
    number, memo = PURCHASE_ORDER_TYPE.fields
    text = {"name": "String"}
    fields = [
        {"name": str(number), "label": {"en": "PO"}, "required": True, "type": text},
        {"name": str(memo), "label": {"en": "memo"}, "required": False, "type": text},
    ]
    draft = {"key": PURCHASE_ORDER_TYPE.key, "name": {"en": "theirs"}, "resourceTypeIds": ["payment"]}
    await client.post("/types", draft | {"fieldDefinitions": fields})
    _, taken = await set_up_extras(client)
    assert taken.result is Result.UNCHANGED
    assert (await client.get(f"/types/key={PURCHASE_ORDER_TYPE.key}"))["name"] == {"en": "theirs"}


async def test_a_missing_field_is_added(client):
    draft = {"key": CARD_TYPE.key, "name": {"en": "old"}, "resourceTypeIds": ["payment-method"]}
    await client.post("/types", draft)
    extended, _ = await set_up_extras(client)
    assert extended == told(Result.EXTENDED, lambda one: tuple(one.fields))[0]


@pytest.mark.parametrize("wrong", [{"resourceTypeIds": ["payment"]}, {"kind": "String"}], ids=["resource", "field"])
async def test_what_is_something_else_is_for_a_person(client, wrong):
    name = next(one for one in CARD_TYPE.fields if one.name == "EXPIRY_YEAR")
    field = {"name": str(name), "label": {"en": "x"}, "required": False, "type": {"name": wrong.get("kind", "Number")}}
    draft = {"key": CARD_TYPE.key, "name": {"en": "odd"}, "fieldDefinitions": [field]}
    await client.post("/types", draft | {"resourceTypeIds": wrong.get("resourceTypeIds", ["payment-method"])})
    with pytest.raises(SetupError, match=r"ctpay setup") as caught:
        await set_up_extras(client)
    assert reads_well(caught.value)


async def test_a_type_that_tells_of_no_fields_lacks_them_all(server, wire, tokens):
    project = Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")
    for one in EXTRAS:
        server.on(f"/demo/types/key={one.key}", json({"version": 3, "resourceTypeIds": [one.resource]}))
    assert await set_up_extras(project) == told(Result.EXTENDED, lambda one: tuple(one.fields))
    for one in EXTRAS:
        _, asked = server.of(f"/demo/types/key={one.key}")
        written = json_text.loads(asked.body)
        assert written["version"] == 3
        assert [(each["action"], each["fieldDefinition"]["name"]) for each in written["actions"]] == [
            ("addFieldDefinition", name) for name in one.fields
        ]
