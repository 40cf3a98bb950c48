"""Stored payment methods as commercetools has them: what is read of one, and what is written."""

from __future__ import annotations

import json as json_text
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pydantic import SecretStr
from support.ct_documents import method_document
from support.scripted_server import json

from ct import stored
from ct.client import Commercetools
from ct.ledger import Ledger
from ct.stored import Kept, StoredMethod
from ct.turns import Turns
from psp.facts import Instrument

METHODS = "/demo/payment-methods"
CARD = {"ctpayBrand": "Visa", "ctpayLastFour": "4242", "ctpayExpiryMonth": 12, "ctpayExpiryYear": 2029}


@pytest.fixture
def ledger(server, wire, tokens):
    client = Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")
    return Ledger(client=client, interface="ctpay", turns=Turns(), draw=lambda: 0.0, conflicts_within_s=1.0)


@pytest.fixture
def load(server, ledger):
    """Reads this one document."""

    async def one(document):
        server.on(METHODS, json({"results": [document]}))
        return await stored.load(ledger, document["id"])

    return one


async def test_a_method_is_read_with_what_its_customer_recognises_it_by(load):
    kept = await load(method_document(custom={"fields": CARD}, default=True, paymentMethodStatus="Active"))
    assert kept == Kept(
        shown=StoredMethod(
            id="method-1",
            customer_id="customer-1",
            method="card",
            is_default=True,
            created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
            brand="Visa",
            last_four="4242",
            expiry_month=12,
            expiry_year=2029,
        ),
        version=3,
        token=SecretStr("pm_canary_1"),
        active=True,
    )
    assert "canary" not in repr(kept)


@pytest.mark.parametrize("custom", [None, {}, {"fields": None}, {"fields": dict.fromkeys(CARD)}])
async def test_a_method_without_our_fields_can_be_paid_with_all_the_same(load, custom):
    kept = await load(method_document(custom=custom))
    assert (kept.active, kept.token) == (True, SecretStr("pm_canary_1"))
    shown = kept.shown
    assert (shown.is_default, shown.brand, shown.last_four, shown.expiry_month, shown.expiry_year) == (
        False,
        *[None] * 4,
    )


@pytest.mark.parametrize(("default", "told"), [(True, True), (False, False), ("true", False), (None, False)])
async def test_only_what_is_marked_so_is_a_default(load, default, told):
    assert (await load(method_document(default=default))).shown.is_default is told


async def test_fields_of_another_kind_than_ours_are_not_shown(load):
    odd = {"ctpayBrand": 7, "ctpayLastFour": 4242, "ctpayExpiryMonth": "12", "ctpayExpiryYear": 2029.0}
    shown = (await load(method_document(custom={"fields": odd}))).shown
    assert (shown.brand, shown.last_four, shown.expiry_month, shown.expiry_year) == (None, None, None, 2029)


@pytest.mark.parametrize("name", ["customer", "method", "token"])
@pytest.mark.parametrize("value", [None, 7, {}, {"id": 7, "value": 7}])
async def test_what_nobody_can_pay_with_is_not_there(load, name, value):
    assert await load(method_document(**{name: value})) is None


@pytest.mark.parametrize(("method", "there"), [("", False), ("m", True), ("m" * 128, True), ("m" * 129, False)])
async def test_a_method_whose_name_no_command_could_bear_is_not_there(load, method, there):
    assert (await load(method_document(method=method)) is not None) is there


@pytest.fixture
def list_of(server, ledger, monkeypatch):
    """All of a customer, two to a page."""
    monkeypatch.setattr(stored, "PAGE_SIZE", 2)

    async def all_of(*pages):
        server.on(METHODS, *(json({"results": page}) for page in pages))
        found = await stored.of_customer(ledger, "customer-1")
        return [one.id for one in found], [dict(one.query)["where"] for one in server.of(METHODS)]

    return all_of


async def test_a_list_goes_on_after_the_last_of_a_full_page_and_comes_newest_first(list_of):
    found, asked = await list_of([method_document(2), method_document(4)], [method_document(1), method_document(3)], [])
    assert found == ["method-4", "method-3", "method-2", "method-1"]
    first, *later = asked
    assert later == [f'{first} and id > "method-4"', f'{first} and id > "method-3"']


async def test_a_page_that_is_not_full_is_the_last(list_of):
    found, asked = await list_of([method_document(1), method_document(2)], [method_document(3)])
    assert (len(found), len(asked)) == (3, 2)


async def test_whoever_stores_without_end_is_listed_for_four_pages(list_of):
    found, asked = await list_of(*([method_document(1), method_document(2)] for _ in range(9)))
    assert (len(found), len(asked)) == (8, 4)


async def test_one_that_nobody_can_pay_with_takes_its_place_on_a_page_and_hides_no_other(list_of):
    found, asked = await list_of([method_document(1), method_document(2, token=None)], [method_document(3)])
    assert found == ["method-3", "method-1"]
    assert len(asked) == 2


async def test_a_method_is_made_under_a_key_of_its_own_that_says_nothing(server, ledger):
    server.on(METHODS, json({}))
    instrument = Instrument(method="card", brand="Visa", last_four="4242", expiry_month=12, expiry_year=2029)
    await stored.create(ledger, customer_id="customer-1", token=SecretStr("pm_1"), instrument=instrument)
    (asked,) = server.of(METHODS)
    assert (asked.method, json_text.loads(asked.body)) == (
        "POST",
        {
            "key": stored.key_of("customer-1", SecretStr("pm_1")),
            "customer": {"typeId": "customer", "id": "customer-1"},
            "method": "card",
            "paymentInterface": "ctpay",
            "token": {"value": "pm_1"},
            "paymentMethodStatus": "Active",
            "custom": {"type": {"typeId": "type", "key": "ctpay-payment-method"}, "fields": CARD},
        },
    )


def test_a_key_is_the_same_for_the_same_and_another_for_any_other():
    pairs = [("customer-1", "pm_1"), ("customer-1", "pm_2"), ("customer-2", "pm_1"), ("customer-1p", "m_1")]
    keys = sorted(stored.key_of(customer, SecretStr(token)) for customer, token in pairs)
    assert all(one != other for one, other in pairwise(keys))
    assert stored.key_of("customer-1", SecretStr("pm_1")) in keys
    assert {len(one) for one in keys} == {64}


async def test_a_method_is_taken_off_the_list_and_deleted_under_the_version_that_was_read(server, ledger, load):
    kept = await load(method_document())
    gone = method_document(version=4, paymentMethodStatus="Inactive")
    server.on(f"{METHODS}/method-1", json(gone))
    inactive = await stored.deactivate(ledger, kept)
    assert (inactive.version, inactive.active, inactive.token) == (4, False, kept.token)
    await stored.delete(ledger, inactive)
    changed, deleted = server.of(f"{METHODS}/method-1")
    assert (changed.method, json_text.loads(changed.body)) == (
        "POST",
        {"version": 3, "actions": [{"action": "setPaymentMethodStatus", "paymentMethodStatus": "Inactive"}]},
    )
    assert (deleted.method, deleted.query) == ("DELETE", [("version", "4")])
