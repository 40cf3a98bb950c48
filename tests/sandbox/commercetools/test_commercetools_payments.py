"""Payments, on the stand-in and on the npm mock: one suite, each test a promise of the platform."""

from __future__ import annotations

import asyncio

import pytest
from support.commercetools_api import (
    Api,
    cart_draft,
    custom,
    eur,
    field,
    payment_draft,
    transaction,
    type_draft,
    unique,
)

PAYMENTS = "/payments"


async def test_a_payment_is_found_by_id_and_by_key_as_it_was_made(api: Api):
    key = unique()
    draft = payment_draft(key=key, transactions=[transaction(interactionId="ch_1")])
    made = await api.make(PAYMENTS, draft)
    assert made["version"] == 1
    assert made["amountPlanned"] == {**eur(4200), "type": "centPrecision", "fractionDigits": 2}
    assert made["transactions"][0]["state"] == "Initial"
    assert made["paymentMethodInfo"]["paymentInterface"] == "psp"
    assert (await api.get(f"{PAYMENTS}/{made['id']}")).body == made
    assert (await api.get(f"{PAYMENTS}/key={key}")).body == made


async def test_a_payment_keeps_the_interface_id_of_its_draft(api: Api):
    made = await api.make(PAYMENTS, payment_draft(interfaceId=unique("pi"), anonymousId="anon"))
    assert made["interfaceId"].startswith("pi-")
    assert made["anonymousId"] == "anon"


@pytest.mark.parametrize("path", ["/payments/unknown", "/payments/key=unknown", "/bogus"])
async def test_what_is_not_there_is_404(api: Api, path: str):
    assert (await api.get(path)).status == 404


@pytest.mark.parametrize(
    ("currency", "digits"), [("JPY", 0), ("EUR", 2), ("KWD", 3)], ids=["no decimals", "two", "three"]
)
async def test_fraction_digits_are_filled_in(api: Api, currency: str, digits: int):
    made = await api.make(PAYMENTS, {"amountPlanned": {"currencyCode": currency, "centAmount": 7}})
    assert made["amountPlanned"]["fractionDigits"] == digits


async def test_a_draft_without_an_amount_is_refused(api: Api):
    assert (await api.post(PAYMENTS, {})).status == 400


async def test_a_body_that_is_not_json_is_refused(api: Api):
    assert (await api.call("POST", PAYMENTS, raw=b"{")).status == 400


async def test_an_unknown_currency_is_refused(api: Api):
    assert (await api.post(PAYMENTS, {"amountPlanned": {"currencyCode": "ABC", "centAmount": 1}})).status == 400


async def test_a_field_that_the_platform_does_not_know_is_refused(api: Api):
    assert (await api.post(PAYMENTS, payment_draft(interfaceid="pi_1"))).status == 400


# Versions


async def test_a_stale_version_is_409_and_tells_the_version_there_is(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    now = await api.change(PAYMENTS, made, {"action": "setStatusInterfaceText", "interfaceText": "one"})
    answer = await api.update(PAYMENTS, made, {"action": "setStatusInterfaceText", "interfaceText": "two"})
    assert answer.status == 409
    assert answer.code == "ConcurrentModification"
    assert answer.error["currentVersion"] == now["version"]
    assert (await api.get(f"{PAYMENTS}/{made['id']}")).body == now


async def test_a_version_of_the_future_is_409(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    answer = await api.update(
        PAYMENTS, {**made, "version": 9}, {"action": "setStatusInterfaceText", "interfaceText": "x"}
    )
    assert (answer.status, answer.code) == (409, "ConcurrentModification")


async def test_of_many_updates_of_one_version_one_wins(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    answers = await asyncio.gather(
        *(api.update(PAYMENTS, made, {"action": "addTransaction", "transaction": transaction()}) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert len((await api.get(f"{PAYMENTS}/{made['id']}")).body["transactions"]) == 1


async def test_an_action_that_changes_nothing_leaves_the_version(api: Api):
    made = await api.make(PAYMENTS, payment_draft(paymentStatus={"interfaceCode": "ok"}))
    assert await api.change(PAYMENTS, made, {"action": "setStatusInterfaceCode", "interfaceCode": "ok"}) == made


async def test_an_action_that_changes_nothing_needs_the_right_version_too(api: Api):
    made = await api.make(PAYMENTS, payment_draft(paymentStatus={"interfaceCode": "ok"}))
    await api.change(PAYMENTS, made, {"action": "setStatusInterfaceText", "interfaceText": "x"})
    assert (await api.update(PAYMENTS, made, {"action": "setStatusInterfaceCode", "interfaceCode": "ok"})).status == 409


async def test_an_update_without_a_version_is_refused(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    assert (await api.post(f"{PAYMENTS}/{made['id']}", {"actions": []})).status == 400


async def test_an_update_is_all_or_nothing(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    good = {"action": "addTransaction", "transaction": transaction()}
    bad = {"action": "addInterfaceInteraction", "type": {"typeId": "type", "key": "no-such-type"}}
    assert (await api.update(PAYMENTS, made, good, bad)).status == 400
    assert (await api.get(f"{PAYMENTS}/{made['id']}")).body == made


async def test_a_deletion_gives_the_last_state(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    path = f"{PAYMENTS}/{made['id']}"
    answer = await api.call("DELETE", path, query={"version": "1"})
    assert (answer.status, answer.body) == (200, made)
    assert (await api.get(path)).status == 404


async def test_a_deletion_wants_the_version(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    path = f"{PAYMENTS}/{made['id']}"
    assert (await api.call("DELETE", path, query={"version": "7"})).status == 409
    assert (await api.get(path)).body == made


async def test_a_deletion_without_a_version_is_refused(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    assert (await api.call("DELETE", f"{PAYMENTS}/{made['id']}")).status == 400


# What is unique, and what is set once


async def test_a_key_is_unique(api: Api):
    key = unique()
    first = await api.make(PAYMENTS, payment_draft(key=key))
    answer = await api.post(PAYMENTS, payment_draft(key=key))
    assert (answer.status, answer.code) == (400, "DuplicateField")
    assert answer.error["field"] == "key"
    assert answer.error["duplicateValue"] == key
    assert answer.error["conflictingResource"] == {"typeId": "payment", "id": first["id"]}
    other = await api.make(PAYMENTS, payment_draft())
    assert (await api.update(PAYMENTS, other, {"action": "setKey", "key": key})).code == "DuplicateField"


async def test_a_key_is_free_again_when_its_payment_is_gone(api: Api):
    key = unique()
    first = await api.make(PAYMENTS, payment_draft(key=key))
    await api.call("DELETE", f"{PAYMENTS}/{first['id']}", query={"version": "1"})
    await api.make(PAYMENTS, payment_draft(key=key))


async def test_of_many_payments_with_one_key_one_is_made(api: Api):
    key = unique()
    answers = await asyncio.gather(*(api.post(PAYMENTS, payment_draft(key=key)) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 9


async def test_an_interface_id_is_unique_within_its_interface(api: Api):
    interface_id = unique("pi")
    await api.make(PAYMENTS, payment_draft(interfaceId=interface_id))
    assert (await api.post(PAYMENTS, payment_draft(interfaceId=interface_id))).code == "DuplicateField"
    await api.make(PAYMENTS, payment_draft(interfaceId=interface_id, paymentMethodInfo={"paymentInterface": "other"}))
    later = await api.make(PAYMENTS, payment_draft())
    answer = await api.update(PAYMENTS, later, {"action": "setInterfaceId", "interfaceId": interface_id})
    assert answer.code == "DuplicateField"


async def test_an_interface_id_is_set_once(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    first = unique("pi")
    made = await api.change(PAYMENTS, made, {"action": "setInterfaceId", "interfaceId": first})
    answer = await api.update(PAYMENTS, made, {"action": "setInterfaceId", "interfaceId": unique("pi")})
    assert (answer.status, answer.code) == (400, "InvalidOperation")
    assert await api.change(PAYMENTS, made, {"action": "setInterfaceId", "interfaceId": first}) == made


async def test_an_interface_is_set_once(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    answer = await api.update(PAYMENTS, made, {"action": "setMethodInfoInterface", "interface": "other"})
    assert (answer.status, answer.code) == (400, "InvalidOperation")
    answer = await api.update(PAYMENTS, made, {"action": "setMethodInfo", "paymentInterface": "other"})
    assert (answer.status, answer.code) == (400, "InvalidOperation")


async def test_an_interface_id_of_a_transaction_is_unique_everywhere(api: Api):
    interface_id = unique("ch")
    await api.make(PAYMENTS, payment_draft(transactions=[transaction(interfaceId=interface_id)]))
    other = await api.make(PAYMENTS, payment_draft(transactions=[transaction()]))
    again = {"action": "addTransaction", "transaction": transaction(interfaceId=interface_id)}
    assert (await api.update(PAYMENTS, other, again)).code == "DuplicateField"
    told = {"transactionId": other["transactions"][0]["id"], "interfaceId": interface_id}
    assert (await api.update(PAYMENTS, other, {"action": "setTransactionInterfaceId", **told})).code == "DuplicateField"


async def test_an_interaction_id_may_be_anywhere_any_number_of_times(api: Api):
    twice = [transaction(interactionId="ch"), transaction("Charge", interactionId="ch")]
    made = await api.make(PAYMENTS, payment_draft(transactions=twice))
    assert [each["interactionId"] for each in made["transactions"]] == ["ch", "ch"]


# Actions

SIMPLE_ACTIONS = {
    "changeAmountPlanned": ({"amount": eur(1)}, lambda payment: payment["amountPlanned"]["centAmount"] == 1),
    "setAnonymousId": ({"anonymousId": "a"}, lambda payment: payment["anonymousId"] == "a"),
    "setCustomer": (
        {"customer": {"typeId": "customer", "id": "c-1"}},
        lambda payment: payment["customer"] == {"typeId": "customer", "id": "c-1"},
    ),
    "setKey": ({"key": "some-key-of-its-own"}, lambda payment: payment["key"] == "some-key-of-its-own"),
    "setMethodInfo": (
        {"paymentInterface": "psp", "method": "card"},
        lambda payment: payment["paymentMethodInfo"] == {"paymentInterface": "psp", "method": "card"},
    ),
    "setMethodInfoInterface": (
        {"interface": "psp"},
        lambda payment: payment["paymentMethodInfo"]["paymentInterface"] == "psp",
    ),
    "setMethodInfoInterfaceAccount": (
        {"interfaceAccount": "acc"},
        lambda payment: payment["paymentMethodInfo"]["interfaceAccount"] == "acc",
    ),
    "setMethodInfoMethod": ({"method": "card"}, lambda payment: payment["paymentMethodInfo"]["method"] == "card"),
    "setMethodInfoName": (
        {"name": {"en": "Card", "de-DE": "Karte"}},
        lambda payment: payment["paymentMethodInfo"]["name"] == {"en": "Card", "de-DE": "Karte"},
    ),
    "setMethodInfoToken": (
        {"token": {"value": "tok"}},
        lambda payment: payment["paymentMethodInfo"]["token"] == {"value": "tok"},
    ),
    "setStatusInterfaceCode": (
        {"interfaceCode": "402"},
        lambda payment: payment["paymentStatus"]["interfaceCode"] == "402",
    ),
    "setStatusInterfaceText": (
        {"interfaceText": "no"},
        lambda payment: payment["paymentStatus"]["interfaceText"] == "no",
    ),
}


@pytest.mark.parametrize("action", SIMPLE_ACTIONS)
async def test_an_action_sets_its_field(api: Api, action: str):
    fields, holds = SIMPLE_ACTIONS[action]
    before = {} if action == "setMethodInfoInterface" else {"paymentInterface": "psp"}
    made = await api.make(PAYMENTS, {"amountPlanned": eur(4200), "paymentMethodInfo": before})
    changed = await api.change(PAYMENTS, made, {"action": action, **fields})
    assert changed["version"] > made["version"]
    assert holds(changed)
    assert (await api.get(f"{PAYMENTS}/{made['id']}")).body == changed


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        ("setAnonymousId", "anonymousId", "a"),
        ("setKey", "key", "a-key-to-be-dropped"),
        ("setStatusInterfaceCode", "interfaceCode", "402"),
        ("setMethodInfoMethod", "method", "card"),
        ("setMethodInfoName", "name", {"en": "Card"}),
        ("setMethodInfoToken", "token", {"value": "tok"}),
        ("setMethodInfoInterfaceAccount", "interfaceAccount", "acc"),
    ],
)
async def test_an_action_without_its_value_takes_the_field_away(api: Api, action: str, name: str, value: object):
    made = await api.make(PAYMENTS, payment_draft())
    changed = await api.change(PAYMENTS, made, {"action": action, name: value})
    bare = await api.change(PAYMENTS, changed, {"action": action})
    for part in (bare, bare["paymentMethodInfo"], bare["paymentStatus"]):
        assert name not in part


@pytest.mark.parametrize(
    ("action", "more", "field_name", "expected"),
    [
        ("changeTransactionState", {"state": "Success"}, "state", "Success"),
        ("changeTransactionInteractionId", {"interactionId": "ch_9"}, "interactionId", "ch_9"),
        (
            "changeTransactionTimestamp",
            {"timestamp": "2026-01-02T03:04:05.678Z"},
            "timestamp",
            "2026-01-02T03:04:05.678Z",
        ),
        ("setTransactionInterfaceId", {"interfaceId": "own-9"}, "interfaceId", "own-9"),
    ],
)
async def test_an_action_changes_one_transaction(api: Api, action: str, more: dict, field_name: str, expected: str):
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction(), transaction("Charge")]))
    told = {"action": action, "transactionId": made["transactions"][1]["id"], **more}
    changed = await api.change(PAYMENTS, made, told)
    assert changed["transactions"][1][field_name] == expected
    assert changed["transactions"][0] == made["transactions"][0]


async def test_a_time_with_another_offset_is_kept_in_utc(api: Api):
    draft = payment_draft(transactions=[transaction(timestamp="2026-01-02T03:04:05+02:00")])
    made = await api.make(PAYMENTS, draft)
    assert made["transactions"][0]["timestamp"] == "2026-01-02T01:04:05.000Z"


async def test_transactions_are_added_in_order_and_with_ids_of_their_own(api: Api):
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction()]))
    added = [{"action": "addTransaction", "transaction": transaction("Charge", cents)} for cents in (100, 100, 200)]
    changed = await api.change(PAYMENTS, made, *added)
    assert [each["amount"]["centAmount"] for each in changed["transactions"]] == [4200, 100, 100, 200]
    assert len({each["id"] for each in changed["transactions"]}) == 4


async def test_an_unknown_action_is_refused(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    assert (await api.update(PAYMENTS, made, {"action": "bogus"})).status == 400


@pytest.mark.parametrize("action", ["setAmountPaid", "setAmountRefunded", "setAuthorization", "setExternalId"])
async def test_a_deprecated_action_is_refused(api: Api, action: str):
    made = await api.make(PAYMENTS, payment_draft())
    assert (await api.update(PAYMENTS, made, {"action": action})).status == 400


async def test_a_misspelt_field_of_an_action_is_refused(api: Api):
    made = await api.make(PAYMENTS, payment_draft())
    assert (await api.update(PAYMENTS, made, {"action": "setKey", "kee": "x"})).status == 400


@pytest.mark.parametrize(
    "action", ["changeTransactionState", "changeTransactionInteractionId", "changeTransactionTimestamp"]
)
async def test_an_unknown_transaction_is_refused(api: Api, action: str):
    more = {"state": "Success", "interactionId": "x", "timestamp": "2026-01-01T00:00:00.000Z"}
    wanted = {
        "changeTransactionState": "state",
        "changeTransactionInteractionId": "interactionId",
        "changeTransactionTimestamp": "timestamp",
    }[action]
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction()]))
    told = {"action": action, "transactionId": "unknown", wanted: more[wanted]}
    assert (await api.update(PAYMENTS, made, told)).status == 400


@pytest.mark.parametrize("bogus", [{"type": "Bogus"}, {"state": "Bogus"}], ids=["type", "state"])
async def test_an_unknown_type_or_state_of_a_transaction_is_refused(api: Api, bogus: dict):
    made = await api.make(PAYMENTS, payment_draft())
    answer = await api.update(PAYMENTS, made, {"action": "addTransaction", "transaction": {**transaction(), **bogus}})
    assert answer.status == 400


# Custom fields


CUSTOM_PLACES = {
    "payment": (lambda fields: {"custom": fields}, lambda payment: payment["custom"]),
    "transaction": (
        lambda fields: {"transactions": [transaction(custom=fields)]},
        lambda payment: payment["transactions"][0]["custom"],
    ),
    "payment-method-info": (
        lambda fields: {"paymentMethodInfo": {"custom": fields}},
        lambda payment: payment["paymentMethodInfo"]["custom"],
    ),
    "payment-interface-interaction": (
        lambda fields: {"interfaceInteractions": [fields]},
        lambda payment: payment["interfaceInteractions"][0],
    ),
}


@pytest.mark.parametrize("place", CUSTOM_PLACES)
async def test_custom_fields_are_kept_wherever_a_payment_may_have_them(api: Api, place: str):
    put, found = CUSTOM_PLACES[place]
    name = unique("f")
    kind = await api.make("/types", type_draft(place, **{name: "String"}))
    made = await api.make(PAYMENTS, payment_draft(**put(custom(kind, **{name: "x"}))))
    assert found(made) == {"type": {"typeId": "type", "id": kind["id"]}, "fields": {name: "x"}}


async def test_custom_fields_are_set_changed_and_taken_away(api: Api):
    one, two = unique("f"), unique("f")
    kind = await api.make("/types", type_draft("transaction", **{one: "String", two: "Boolean"}))
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction()]))
    which = {"transactionId": made["transactions"][0]["id"]}
    made = await api.change(
        PAYMENTS, made, {"action": "setTransactionCustomType", **which, **custom(kind, **{one: "x", two: True})}
    )
    assert made["transactions"][0]["custom"]["fields"] == {one: "x", two: True}
    made = await api.change(
        PAYMENTS,
        made,
        {"action": "setTransactionCustomField", **which, "name": one, "value": "y"},
        {"action": "setTransactionCustomField", **which, "name": two},
    )
    assert made["transactions"][0]["custom"]["fields"] == {one: "y"}
    made = await api.change(PAYMENTS, made, {"action": "setTransactionCustomType", **which})
    assert "custom" not in made["transactions"][0]


async def test_the_payments_own_custom_fields_are_set_one_by_one(api: Api):
    name = unique("f")
    kind = await api.make("/types", type_draft("payment", **{name: "Number"}))
    made = await api.make(PAYMENTS, payment_draft())
    made = await api.change(PAYMENTS, made, {"action": "setCustomType", **custom(kind)})
    made = await api.change(PAYMENTS, made, {"action": "setCustomField", "name": name, "value": 7})
    assert made["custom"]["fields"] == {name: 7}


async def test_the_method_infos_own_custom_fields_are_set_one_by_one(api: Api):
    name = unique("f")
    kind = await api.make("/types", type_draft("payment-method-info", **{name: "String"}))
    made = await api.make(PAYMENTS, payment_draft())
    made = await api.change(PAYMENTS, made, {"action": "setMethodInfoCustomType", **custom(kind)})
    made = await api.change(PAYMENTS, made, {"action": "setMethodInfoCustomField", "name": name, "value": "x"})
    assert made["paymentMethodInfo"]["custom"]["fields"] == {name: "x"}


async def test_interactions_are_added_with_their_type_by_id_or_by_key(api: Api):
    name = unique("f")
    kind = await api.make("/types", type_draft("payment-interface-interaction", **{name: "String"}))
    made = await api.make(PAYMENTS, payment_draft())
    by_key = {"action": "addInterfaceInteraction", **custom(kind, **{name: "a"})}
    by_id = {**by_key, "type": {"typeId": "type", "id": kind["id"]}, "fields": {name: "b"}}
    changed = await api.change(PAYMENTS, made, by_key, by_id)
    assert [each["fields"] for each in changed["interfaceInteractions"]] == [{name: "a"}, {name: "b"}]
    assert {each["type"]["id"] for each in changed["interfaceInteractions"]} == {kind["id"]}


async def test_a_type_that_does_not_exist_is_refused(api: Api):
    answer = await api.post(PAYMENTS, payment_draft(custom=custom({"key": "no-such-type"})))
    assert (answer.status, answer.code) == (400, "ReferencedResourceNotFound")


async def test_a_type_for_something_else_is_refused(api: Api):
    kind = await api.make("/types", type_draft("order"))
    answer = await api.post(PAYMENTS, payment_draft(transactions=[transaction(custom=custom(kind))]))
    assert (answer.status, answer.code) == (400, "InvalidOperation")


async def test_a_field_that_the_type_does_not_have_is_refused(api: Api):
    kind = await api.make("/types", type_draft("transaction"))
    draft = payment_draft(transactions=[transaction(custom=custom(kind, bogus="x"))])
    assert (await api.post(PAYMENTS, draft)).status == 400


async def test_a_required_field_must_be_there(api: Api):
    draft = type_draft("transaction")
    draft["fieldDefinitions"] = [field(unique("f"), required=True)]
    kind = await api.make("/types", draft)
    assert (await api.post(PAYMENTS, payment_draft(transactions=[transaction(custom=custom(kind))]))).status == 400


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("String", "x", 1),
        ("Boolean", True, "true"),
        ("Number", 1.5, "1.5"),
        ("DateTime", "2026-01-01T00:00:00.000Z", "yesterday"),
        ("Date", "2026-01-01", "01.01.2026"),
        ("LocalizedString", {"en": "x"}, "x"),
        ("Money", {**eur(1), "type": "centPrecision", "fractionDigits": 2}, {"centAmount": 1}),
    ],
)
async def test_the_value_of_a_custom_field_is_of_the_fields_type(api: Api, kind: str, good: object, bad: object):
    name = unique("f")
    made = await api.make("/types", type_draft("payment", **{name: kind}))
    payment = await api.make(PAYMENTS, payment_draft(custom=custom(made, **{name: good})))
    assert payment["custom"]["fields"] == {name: good}
    assert (await api.post(PAYMENTS, payment_draft(custom=custom(made, **{name: bad})))).status == 400


async def test_an_enum_takes_its_keys_alone(api: Api):
    name = unique("f")
    draft = type_draft("payment")
    values = [{"key": "a", "label": "A"}, {"key": "b", "label": "B"}]
    draft["fieldDefinitions"] = [field(name, type={"name": "Enum", "values": values})]
    kind = await api.make("/types", draft)
    await api.make(PAYMENTS, payment_draft(custom=custom(kind, **{name: "b"})))
    assert (await api.post(PAYMENTS, payment_draft(custom=custom(kind, **{name: "c"})))).status == 400


# Queries


async def test_payments_are_found_by_what_connectors_know_of_them(api: Api):
    pi, ch, key = unique("pi"), unique("ch"), unique()
    draft = payment_draft(key=key, transactions=[transaction(interactionId=ch, state="Pending")])
    made = await api.make(PAYMENTS, draft)
    made = await api.change(PAYMENTS, made, {"action": "setInterfaceId", "interfaceId": pi})
    for where in (
        f'interfaceId = "{pi}"',
        f'interfaceId = "{pi}" and paymentMethodInfo(paymentInterface = "psp")',
        f'transactions(interactionId = "{ch}")',
        f'transactions(interactionId = "{ch}" and state = "Pending")',
        f'transactions(interactionId in ("{ch}", "other"))',
        f'id = "{made["id"]}"',
        f'key = "{key}"',
        f'key in ("nobody", "{key}")',
        f'interfaceId = "{pi}" and (key = "nobody" or key = "{key}")',
        f'key = "{key}" and amountPlanned(centAmount = 4200 and currencyCode = "EUR")',
        f'key = "{key}" and custom is not defined and interfaceId is defined',
    ):
        assert await api.query(PAYMENTS, where) == [made["id"]], where
    for where in (
        f'interfaceId = "{pi}" and paymentMethodInfo(paymentInterface = "other")',
        f'transactions(interactionId = "{ch}" and state = "Success")',
        f'key = "{key}" and custom is defined',
        f'key = "{key}" and not(version = {made["version"]})',
        f'key = "{key}" and key != "{key}"',
    ):
        assert await api.query(PAYMENTS, where) == [], where


async def test_unequal_may_be_written_in_two_ways(api: Api):
    key = unique()
    made = await api.make(PAYMENTS, payment_draft(key=key))
    assert await api.query(PAYMENTS, f'key = "{key}" and version <> 2') == [made["id"]]
    assert await api.query(PAYMENTS, f'key = "{key}" and version <> 1') == []


async def test_numbers_and_times_have_an_order(api: Api):
    key = unique()
    made = await api.make(PAYMENTS, payment_draft(key=key))
    for where in ("centAmount > 4199", "centAmount >= 4200", "centAmount < 4201", "centAmount <= 4200"):
        assert await api.query(PAYMENTS, f'key = "{key}" and amountPlanned({where})') == [made["id"]], where
    for where in ("centAmount > 4200", "centAmount >= 4201", "centAmount < 4200", "centAmount <= 4199"):
        assert await api.query(PAYMENTS, f'key = "{key}" and amountPlanned({where})') == [], where
    assert await api.query(PAYMENTS, f'key = "{key}" and createdAt > "2020-01-01T00:00:00.000Z"') == [made["id"]]
    assert await api.query(PAYMENTS, f'key = "{key}" and createdAt < "2020-01-01T00:00:00.000Z"') == []


async def test_conditions_on_transactions_must_hold_for_one_of_them(api: Api):
    ch = unique("ch")
    both = [transaction(interactionId=ch, state="Success"), transaction("Charge", state="Pending")]
    await api.make(PAYMENTS, payment_draft(transactions=both))
    assert await api.query(PAYMENTS, f'transactions(interactionId = "{ch}" and state = "Pending")') == []
    assert (
        len(await api.query(PAYMENTS, f'transactions(interactionId = "{ch}") and transactions(state = "Pending")')) == 1
    )


async def test_variables_stand_for_values(api: Api):
    key = unique()
    made = await api.make(PAYMENTS, payment_draft(key=key))
    assert await api.query(PAYMENTS, "key = :wanted", **{"var.wanted": key}) == [made["id"]]


async def test_a_variable_may_hold_anything_without_becoming_syntax(api: Api):
    ch = 'a "quoted" \\ or state = "Success'
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction(interactionId=ch)]))
    found = await api.query(PAYMENTS, "transactions(interactionId = :ch)", **{"var.ch": ch})
    assert made["id"] in found


async def test_a_text_may_hold_escaped_quotes(api: Api):
    ch = unique('a"b')
    made = await api.make(PAYMENTS, payment_draft(transactions=[transaction(interactionId=ch)]))
    escaped = ch.replace('"', '\\"')
    assert await api.query(PAYMENTS, f'transactions(interactionId = "{escaped}")') == [made["id"]]


async def test_several_predicates_must_all_hold(api: Api):
    key = unique()
    made = await api.make(PAYMENTS, payment_draft(key=key))
    assert await api.query(PAYMENTS, [f'key = "{key}"', "version = 1"]) == [made["id"]]
    assert await api.query(PAYMENTS, [f'key = "{key}"', "version = 2"]) == []


async def test_custom_fields_can_be_asked_for(api: Api):
    name, value = unique("f").replace("-", ""), unique()
    kind = await api.make("/types", type_draft("transaction", **{name: "String"}))
    draft = payment_draft(transactions=[transaction(custom=custom(kind, **{name: value}))])
    made = await api.make(PAYMENTS, draft)
    where = f'transactions(custom(fields({name} = "{value}")))'
    assert await api.query(PAYMENTS, where) == [made["id"]]


@pytest.mark.parametrize(
    "where",
    ["key = ", 'key = "open', "(key is defined", 'bogus ~ "x"', 'key "x"', "key = x"],
)
async def test_a_malformed_predicate_is_refused(api: Api, where: str):
    answer = await api.get(PAYMENTS, where=where)
    assert (answer.status, answer.code) == (400, "InvalidInput")


async def test_an_unknown_field_in_a_predicate_is_refused(api: Api):
    await api.make(PAYMENTS, payment_draft())
    answer = await api.get(PAYMENTS, where='interfaceID = "x"')
    assert (answer.status, answer.code) == (400, "InvalidInput")


async def test_a_variable_without_a_value_is_refused(api: Api):
    await api.make(PAYMENTS, payment_draft())
    assert (await api.get(PAYMENTS, where="key = :missing")).status == 400


async def test_results_come_in_pages(api: Api):
    anonymous = unique("anon")
    made = []
    for _ in range(5):
        payment = await api.make(PAYMENTS, payment_draft())
        made.append((await api.change(PAYMENTS, payment, {"action": "setAnonymousId", "anonymousId": anonymous}))["id"])
    where = f'anonymousId = "{anonymous}"'
    pages = [(await api.get(PAYMENTS, where=where, limit="2", offset=str(start))).body for start in (0, 2, 4)]
    assert [(page["limit"], page["count"], page["total"]) for page in pages] == [(2, 2, 5), (2, 2, 5), (2, 1, 5)]
    assert sorted(each["id"] for page in pages for each in page["results"]) == sorted(made)


async def test_the_total_is_left_out_where_nobody_wants_it(api: Api):
    assert "total" in (await api.get(PAYMENTS)).body
    assert "total" not in (await api.get(PAYMENTS, withTotal="false")).body


async def test_results_are_sorted_as_asked(api: Api):
    anonymous = unique("anon")
    for cents in (2, 3, 1):
        payment = await api.make(PAYMENTS, {"amountPlanned": eur(cents)})
        await api.change(PAYMENTS, payment, {"action": "setAnonymousId", "anonymousId": anonymous})
    for direction, expected in (("asc", [1, 2, 3]), ("desc", [3, 2, 1])):
        query = {"where": f'anonymousId = "{anonymous}"', "sort": f"amountPlanned.centAmount {direction}"}
        results = (await api.get(PAYMENTS, **query)).body["results"]
        assert [each["amountPlanned"]["centAmount"] for each in results] == expected
    assert (await api.get(PAYMENTS, sort="bogus")).status == 400


@pytest.mark.parametrize("query", [{"limit": "501"}, {"limit": "-1"}, {"offset": "10001"}])
async def test_a_page_has_its_limits(api: Api, query: dict):
    assert (await api.get(PAYMENTS, **query)).status == 400


# Carts and orders


async def test_a_cart_is_read_with_its_payments(api: Api):
    cart = await api.make("/carts", cart_draft())
    payment = await api.make(PAYMENTS, payment_draft())
    reference = {"typeId": "payment", "id": payment["id"]}
    cart = await api.change("/carts", cart, {"action": "addPayment", "payment": reference})
    assert cart["paymentInfo"] == {"payments": [reference]}
    read = await api.get(f"/carts/{cart['id']}", expand="paymentInfo.payments[*]")
    assert read.body["paymentInfo"]["payments"][0]["obj"] == payment
    assert await api.query("/carts", f'paymentInfo(payments(id = "{payment["id"]}"))') == [cart["id"]]


async def test_a_payment_leaves_a_cart(api: Api):
    cart = await api.make("/carts", cart_draft())
    payment = await api.make(PAYMENTS, payment_draft())
    reference = {"typeId": "payment", "id": payment["id"]}
    cart = await api.change("/carts", cart, {"action": "addPayment", "payment": reference})
    cart = await api.change("/carts", cart, {"action": "removePayment", "payment": reference})
    assert not cart.get("paymentInfo", {}).get("payments")


async def test_adding_a_payment_wants_the_carts_version(api: Api):
    cart = await api.make("/carts", cart_draft())
    payment = await api.make(PAYMENTS, payment_draft())
    await api.change("/carts", cart, {"action": "setCustomerEmail", "email": "a@example.com"})
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
    assert (await api.update("/carts", cart, told)).status == 409


async def test_a_payment_that_does_not_exist_cannot_be_added(api: Api):
    cart = await api.make("/carts", cart_draft())
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": "unknown"}}
    assert (await api.update("/carts", cart, told)).status == 400


async def test_a_payment_is_on_one_active_cart_at_most(api: Api):
    one, two = [await api.make("/carts", cart_draft()) for _ in range(2)]
    payment = await api.make(PAYMENTS, payment_draft())
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
    await api.change("/carts", one, told)
    answer = await api.update("/carts", two, told)
    assert (answer.status, answer.code) == (400, "InvalidOperation")


async def test_the_total_follows_the_items(api: Api):
    cart = await api.make("/carts", cart_draft(1000))
    line = cart["customLineItems"][0]["id"]
    assert cart["totalPrice"]["centAmount"] == 1000
    more = {
        "action": "addCustomLineItem",
        "name": {"en": "More"},
        "slug": unique("more"),
        "money": eur(50),
        "quantity": 2,
    }
    cart = await api.change("/carts", cart, more)
    assert cart["totalPrice"]["centAmount"] == 1100
    cart = await api.change(
        "/carts", cart, {"action": "changeCustomLineItemQuantity", "customLineItemId": line, "quantity": 3}
    )
    assert cart["totalPrice"]["centAmount"] == 3100
    cart = await api.change("/carts", cart, {"action": "removeCustomLineItem", "customLineItemId": line})
    assert cart["totalPrice"]["centAmount"] == 100


async def test_an_order_takes_the_payments_of_its_cart(api: Api):
    cart = await api.make("/carts", cart_draft(shippingAddress={"country": "DE"}))
    payment = await api.make(PAYMENTS, payment_draft())
    reference = {"typeId": "payment", "id": payment["id"]}
    cart = await api.change("/carts", cart, {"action": "addPayment", "payment": reference})
    order = await api.make("/orders", {"cart": {"typeId": "cart", "id": cart["id"]}, "version": cart["version"]})
    assert order["orderState"] == "Open"
    assert order["paymentInfo"]["payments"] == [reference]
    assert await api.query("/orders", f'paymentInfo(payments(id = "{payment["id"]}"))') == [order["id"]]
    other = await api.make(PAYMENTS, payment_draft())
    order = await api.change(
        "/orders",
        order,
        {"action": "addPayment", "payment": {"typeId": "payment", "id": other["id"]}},
        {"action": "changePaymentState", "paymentState": "Paid"},
    )
    assert order["paymentState"] == "Paid"
    assert len(order["paymentInfo"]["payments"]) == 2


async def test_an_ordered_cart_changes_no_more(api: Api):
    cart = await api.make("/carts", cart_draft(shippingAddress={"country": "DE"}))
    draft = {"cart": {"typeId": "cart", "id": cart["id"]}, "version": cart["version"]}
    await api.make("/orders", draft)
    cart = (await api.get(f"/carts/{cart['id']}")).body
    assert cart["cartState"] == "Ordered"
    payment = await api.make(PAYMENTS, payment_draft())
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
    assert (await api.update("/carts", cart, told)).status == 400
    assert (await api.post("/orders", {**draft, "version": cart["version"]})).status == 400


async def test_an_order_wants_the_carts_version(api: Api):
    cart = await api.make("/carts", cart_draft(shippingAddress={"country": "DE"}))
    answer = await api.post("/orders", {"cart": {"typeId": "cart", "id": cart["id"]}, "version": 9})
    assert (answer.status, answer.code) == (409, "ConcurrentModification")
