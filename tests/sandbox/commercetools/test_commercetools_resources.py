"""Tokens, types, custom objects, payment methods, subscriptions, sessions: on the stand-in and on the npm mock."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from support import openapi
from support.commercetools_api import (
    Answer,
    Api,
    cart_draft,
    custom,
    eur,
    fetch_token,
    field,
    payment_draft,
    transaction,
    type_draft,
    unique,
)

from sandbox.commercetools.tokens import SCOPES


def with_token(api: Api, token: str | None) -> Api:
    return dataclasses.replace(api, token=token)


async def as_client(api: Api, client_id: str, scope: str | None = None) -> Api:
    answer = await fetch_token(api.session, api.url, client_id=client_id, scope=scope)
    return with_token(api, answer.body["access_token"])


async def introspect(api: Api, token: str, *, client: str = "demo-client:demo-secret") -> Answer:
    headers = {"Authorization": f"Basic {base64.b64encode(client.encode()).decode()}"}
    async with api.session.post(f"{api.url}/oauth/introspect", data={"token": token}, headers=headers) as response:
        return Answer(status=response.status, body=await response.json())


# Tokens and scopes


@pytest.mark.parametrize("token", [None, "made-up"])
async def test_a_call_without_a_good_token_is_401(api: Api, token: str | None):
    answer = await with_token(api, token).get("/payments")
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_a_token_says_how_long_it_lasts_and_what_for(api: Api):
    scopes = "manage_payments:demo view_types:demo"
    answer = await fetch_token(api.session, api.url, scope=scopes)
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == 172_800
    assert answer.body["scope"] == scopes


async def test_a_wrong_secret_is_refused(api: Api):
    answer = await fetch_token(api.session, api.url, secret="wrong")
    assert (answer.status, answer.code, answer.body["error"]) == (401, "invalid_client", "invalid_client")


async def test_a_client_gets_no_scope_that_it_does_not_have(api: Api):
    answer = await fetch_token(api.session, api.url, scope="manage_project:demo")
    assert (answer.status, answer.code) == (400, "invalid_scope")


async def test_a_scope_that_is_not_enough_is_403(api: Api):
    looking = await as_client(api, "limited")
    assert (await looking.get("/payments")).status == 200
    answer = await looking.post("/payments", payment_draft())
    assert (answer.status, answer.code) == (403, "insufficient_scope")
    assert "manage_payments:demo" in answer.body["message"]
    assert (await looking.get("/carts")).status == 403


async def test_a_scope_of_another_project_is_not_enough(api: Api):
    stranger = await as_client(api, "foreign")
    assert (await stranger.get("/payments")).status == 403


async def test_introspection_tells_whose_a_token_is(api: Api):
    told = (await introspect(api, api.token or "")).body
    assert told["active"] is True
    assert "manage_payments:demo" in told["scope"].split()
    assert told["client_id"] == "demo-client"
    assert isinstance(told["exp"], int)
    stranger = await as_client(api, "foreign")
    assert (await introspect(api, stranger.token or "")).body["scope"] == "manage_project:other"
    assert (await introspect(api, "made-up")).body == {"active": False}


async def test_introspection_is_for_those_who_may(api: Api):
    assert (await introspect(api, api.token or "", client="merchant:demo-secret")).status == 403
    assert (await introspect(api, api.token or "", client="demo-client:wrong")).status == 401


def test_the_scopes_of_the_stand_in_are_those_of_the_official_file():
    """Managing contains viewing, so what may read is a superset."""
    for path, operations in openapi.spec()["paths"].items():
        for method, operation in operations.items():
            if "security" not in operation:
                continue
            official = {scope.partition(":")[0] for scope in operation["security"][0]["oauth_2_0"]}
            read, write = SCOPES[path.split("/")[2]]
            assert official <= set(read if method in {"get", "head"} else write), (path, method)


# Types


async def test_a_type_is_found_by_id_and_by_key(api: Api):
    made = await api.make("/types", type_draft("payment", **{unique("f"): "String"}))
    assert (await api.get(f"/types/{made['id']}")).body == made
    assert (await api.get(f"/types/key={made['key']}")).body == made
    assert (await api.get("/types/key=no-such-type")).status == 404


async def test_a_field_is_added_to_a_type_that_exists(api: Api):
    one, two = unique("f"), unique("f")
    made = await api.make("/types", type_draft("payment", **{one: "String"}))
    changed = await api.change(
        "/types", made, {"action": "addFieldDefinition", "fieldDefinition": field(two, "Boolean")}
    )
    assert [each["name"] for each in changed["fieldDefinitions"]] == [one, two]
    assert changed["version"] > made["version"]


async def test_a_field_is_not_added_twice(api: Api):
    name = unique("f")
    made = await api.make("/types", type_draft("payment", **{name: "String"}))
    answer = await api.update("/types", made, {"action": "addFieldDefinition", "fieldDefinition": field(name)})
    assert (answer.status, answer.code) == (400, "DuplicateField")


async def test_a_type_key_is_unique(api: Api):
    made = await api.make("/types", type_draft("payment"))
    answer = await api.post("/types", type_draft("payment", key=made["key"]))
    assert (answer.status, answer.code) == (400, "DuplicateField")


async def test_fields_of_one_name_have_one_type_in_all_types(api: Api):
    name = unique("f")
    await api.make("/types", type_draft("payment", **{name: "String"}))
    assert (await api.post("/types", type_draft("transaction", **{name: "Number"}))).status == 400
    await api.make("/types", type_draft("transaction", **{name: "String"}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"resourceTypeIds": ["bogus"]},
        {"resourceTypeIds": []},
        {"fieldDefinitions": [field("x", "Bogus")]},
        {"fieldDefinitions": [field("a name")]},
    ],
    ids=["unknown resource", "no resource", "unknown field type", "impossible field name"],
)
async def test_a_type_that_cannot_be_is_refused(api: Api, wrong: dict):
    assert (await api.post("/types", {**type_draft("payment"), **wrong})).status == 400


async def test_a_type_in_use_is_not_deleted(api: Api):
    kind = await api.make("/types", type_draft("transaction"))
    payment = await api.make("/payments", payment_draft(transactions=[transaction(custom=custom(kind))]))
    answer = await api.call("DELETE", f"/types/{kind['id']}", query={"version": "1"})
    assert (answer.status, answer.code) == (400, "ReferenceExists")
    await api.call("DELETE", f"/payments/{payment['id']}", query={"version": "1"})
    assert (await api.call("DELETE", f"/types/{kind['id']}", query={"version": "1"})).status == 200


async def test_a_type_is_changed_bit_by_bit(api: Api):
    name = unique("f")
    draft = type_draft("payment")
    draft["fieldDefinitions"] = [field(name, type={"name": "Enum", "values": [{"key": "a", "label": "A"}]})]
    made = await api.make("/types", draft)
    key = unique("type")
    changed = await api.change(
        "/types",
        made,
        {"action": "changeKey", "key": key},
        {"action": "changeName", "name": {"en": "Other"}},
        {"action": "setDescription", "description": {"en": "Why"}},
        {"action": "changeLabel", "fieldName": name, "label": {"en": "Label"}},
        {"action": "addEnumValue", "fieldName": name, "value": {"key": "b", "label": "B"}},
    )
    assert (changed["key"], changed["name"], changed["description"]) == (key, {"en": "Other"}, {"en": "Why"})
    assert changed["fieldDefinitions"][0]["label"] == {"en": "Label"}
    assert [value["key"] for value in changed["fieldDefinitions"][0]["type"]["values"]] == ["a", "b"]
    changed = await api.change("/types", changed, {"action": "removeFieldDefinition", "fieldName": name})
    assert changed["fieldDefinitions"] == []


# Custom objects (with the merchant's token: the connector has no scope for them)


async def test_a_custom_object_is_put_and_put_again(api: Api):
    api = await as_client(api, "merchant")
    container, key = unique("c"), unique()
    first = await api.make("/custom-objects", {"container": container, "key": key, "value": {"a": 1}})
    again = await api.make("/custom-objects", {"container": container, "key": key, "value": [2]})
    assert (first["version"], again["version"], again["id"]) == (1, 2, first["id"])
    assert (await api.get(f"/custom-objects/{container}/{key}")).body["value"] == [2]
    assert [each["key"] for each in (await api.get(f"/custom-objects/{container}")).body["results"]] == [key]


async def test_a_custom_object_with_a_stale_version_is_409(api: Api):
    api = await as_client(api, "merchant")
    draft = {"container": unique("c"), "key": unique(), "value": 1}
    await api.make("/custom-objects", draft)
    await api.make("/custom-objects", {**draft, "version": 1})
    assert (await api.post("/custom-objects", {**draft, "version": 1})).status == 409


async def test_version_0_makes_a_custom_object_and_never_replaces_one(api: Api):
    api = await as_client(api, "merchant")
    draft = {"container": unique("c"), "key": unique(), "value": 1, "version": 0}
    await api.make("/custom-objects", draft)
    assert (await api.post("/custom-objects", draft)).status == 409


async def test_a_custom_object_goes(api: Api):
    api = await as_client(api, "merchant")
    draft = {"container": unique("c"), "key": unique(), "value": {"kept": 1, "dropped": None}}
    made = await api.make("/custom-objects", draft)
    path = f"/custom-objects/{draft['container']}/{draft['key']}"
    assert (await api.call("DELETE", path, query={"version": str(made["version"])})).status == 200
    assert (await api.get(path)).status == 404


# Payment methods


async def test_a_payment_method_is_kept_for_its_customer(api: Api):
    customer = unique("customer")
    key = unique()
    draft = {
        "key": key,
        "customer": {"typeId": "customer", "id": customer},
        "method": "card",
        "paymentInterface": "psp",
        "token": {"value": "tok_1"},
        "name": {"en": "Card"},
    }
    made = await api.make("/payment-methods", draft)
    assert (made["paymentMethodStatus"], made["default"]) == ("Active", False)
    assert (await api.get(f"/payment-methods/key={key}")).body == made
    where = f'customer(id = "{customer}") and paymentInterface = "psp" and token(value = "tok_1")'
    assert await api.query("/payment-methods", where) == [made["id"]]
    changed = await api.change(
        "/payment-methods",
        made,
        {"action": "setDefault", "default": True},
        {"action": "setPaymentMethodStatus", "paymentMethodStatus": "Inactive"},
    )
    assert (changed["paymentMethodStatus"], changed["default"]) == ("Inactive", True)
    path = f"/payment-methods/{made['id']}"
    assert (await api.call("DELETE", path, query={"version": str(changed["version"])})).status == 200
    assert (await api.get(path)).status == 404


# Subscriptions


def subscription_draft(**more: object) -> dict:
    return {
        "key": unique("sub"),
        "destination": {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "commercetools"},
        "messages": [{"resourceTypeId": "payment", "types": ["PaymentTransactionAdded"]}],
        **more,
    }


async def test_a_subscription_is_found_by_id_and_by_key(api: Api):
    made = await api.make("/subscriptions", subscription_draft())
    assert made["destination"]["topic"] == "commercetools"
    assert (await api.get(f"/subscriptions/{made['id']}")).body == made
    assert (await api.get(f"/subscriptions/key={made['key']}")).body == made
    changed = await api.change("/subscriptions", made, {"action": "setKey", "key": unique("sub")})
    version = {"version": str(changed["version"])}
    assert (await api.call("DELETE", f"/subscriptions/{made['id']}", query=version)).status == 200
    assert (await api.get(f"/subscriptions/{made['id']}")).status == 404


async def test_a_subscription_is_platform_and_healthy_unless_told_otherwise(api: Api):
    made = await api.make("/subscriptions", subscription_draft())
    assert (made["format"], made["status"]) == ({"type": "Platform"}, "Healthy")
    health = await with_token(api, None).get(f"/subscriptions/{made['id']}/health")
    assert health.status == 200


async def test_a_subscription_key_is_unique(api: Api):
    draft = subscription_draft()
    await api.make("/subscriptions", draft)
    answer = await api.post("/subscriptions", draft)
    assert (answer.status, answer.code) == (400, "DuplicateField")


async def test_a_subscription_hears_of_other_things_and_goes_elsewhere(api: Api):
    made = await api.make("/subscriptions", subscription_draft())
    new = {**made["destination"], "topic": "other-topic"}
    changed = await api.change(
        "/subscriptions",
        made,
        {"action": "setMessages", "messages": [{"resourceTypeId": "order"}]},
        {"action": "setChanges", "changes": [{"resourceTypeId": "payment"}]},
        {"action": "setEvents", "events": []},
        {"action": "changeDestination", "destination": new},
    )
    assert changed["messages"] == [{"resourceTypeId": "order"}]
    assert changed["destination"] == new
    assert (await api.update("/subscriptions", made, {"action": "setMessages"})).status == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"resourceTypeId": "bogus"}]},
        {"destination": {"type": "GoogleCloudPubSub", "projectId": "local"}},
        {"destination": {"type": "Bogus"}},
        {"format": {"type": "CloudEvents", "cloudEventsVersion": "0.1"}},
        {"format": {}},
    ],
    ids=["about nothing", "unknown resource", "no topic", "unknown destination", "old CloudEvents", "no format"],
)
async def test_a_subscription_that_cannot_be_is_refused(api: Api, wrong: dict):
    assert (await api.post("/subscriptions", subscription_draft(**wrong))).status == 400


# States


async def test_a_payment_goes_from_state_to_state(api: Api):
    merchant = await as_client(api, "merchant")
    first = await merchant.make("/states", {"key": unique("st"), "type": "PaymentState"})
    last = await merchant.make("/states", {"key": unique("st"), "type": "PaymentState", "transitions": []})
    made = await api.make("/payments", payment_draft())
    for state in (first, last):
        told = {"action": "transitionState", "state": {"typeId": "state", "key": state["key"]}}
        made = await api.change("/payments", made, told)
        assert made["paymentStatus"]["state"]["id"] == state["id"]
    back = {"action": "transitionState", "state": {"typeId": "state", "id": first["id"]}}
    assert (await api.update("/payments", made, back)).status == 400
    made = await api.change("/payments", made, {**back, "force": True})
    assert made["paymentStatus"]["state"]["id"] == first["id"]


# Sessions


async def test_a_session_is_for_one_cart(api: Api):
    merchant = await as_client(api, "merchant")
    cart = await api.make("/carts", cart_draft())
    draft = {"cart": {"cartRef": {"id": cart["id"]}}, "metadata": {"processorUrl": "https://example.com"}}
    made = await merchant.make("/sessions", draft)
    assert made["state"] == "ACTIVE"
    assert made["activeCart"] == {"cartRef": {"id": cart["id"]}}
    assert made["metadata"] == draft["metadata"]
    assert (await api.get(f"/sessions/{made['id']}")).body == made
    assert (await api.get("/sessions/unknown")).status == 404
    assert (await api.post("/sessions", draft)).status == 403
    assert (await merchant.post("/sessions", {"cart": {"cartRef": {"id": "unknown"}}})).status == 400


# Carts, beyond payments


async def test_a_frozen_cart_keeps_its_prices_and_takes_payments(api: Api):
    cart = await api.make("/carts", cart_draft())
    line = cart["customLineItems"][0]["id"]
    cart = await api.change("/carts", cart, {"action": "freezeCart"})
    assert cart["cartState"] == "Frozen"
    dearer = {"action": "changeCustomLineItemMoney", "customLineItemId": line, "money": eur(1)}
    assert (await api.update("/carts", cart, dearer)).status == 400
    payment = await api.make("/payments", payment_draft())
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
    cart = await api.change("/carts", cart, told, {"action": "unfreezeCart"})
    assert (await api.change("/carts", cart, dearer))["totalPrice"]["centAmount"] == 1


async def test_a_cart_changes_owner_address_and_email(api: Api):
    cart = await api.make("/carts", cart_draft())
    cart = await api.change(
        "/carts",
        cart,
        {"action": "setCustomerEmail", "email": "a@example.com"},
        {"action": "setShippingAddress", "address": {"country": "DE", "city": "Berlin"}},
        {"action": "setCountry", "country": "DE"},
    )
    assert (cart["customerEmail"], cart["shippingAddress"]["city"], cart["country"]) == (
        "a@example.com",
        "Berlin",
        "DE",
    )


async def test_a_cart_of_products_is_beyond_the_stand_in(standin: Api):
    answer = await standin.post("/carts", {"currency": "EUR", "lineItems": [{"sku": "1"}]})
    assert (answer.status, answer.code, answer.error["field"]) == (400, "InvalidField", "lineItems")


async def test_a_misspelt_parameter_or_expansion_is_found(standin: Api):
    assert (await standin.get("/payments", limt="1")).status == 400
    assert (await standin.get("/carts", expand="paymentInfo.payment[*]")).status == 400
