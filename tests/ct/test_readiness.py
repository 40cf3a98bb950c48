"""What `ctpay setup` has still to make, read off the types that are there."""

from __future__ import annotations

import pytest
from support.scripted_server import error, json

from ct.client import Commercetools
from ct.fields import CARD_TYPE, INTERACTION_TYPE, TRANSACTION_TYPE
from ct.readiness import types_missing


def path(wanted):
    return f"/demo/types/key={wanted.key}"


def document(wanted, *without):
    return {"fieldDefinitions": [{"name": str(name)} for name in wanted.fields if name not in without]}


@pytest.fixture
def client(server, wire, tokens):
    """Of a project that lacks nothing that everybody needs."""
    for wanted in (TRANSACTION_TYPE, INTERACTION_TYPE):
        server.on(path(wanted), json(document(wanted)))
    return Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")


async def test_a_project_that_is_set_up_lacks_nothing(client):
    assert await types_missing(client) == ()


async def test_types_and_fields_that_are_not_there_are_named(server, client):
    server.on(path(TRANSACTION_TYPE), error(404, "ResourceNotFound"))
    server.on(path(INTERACTION_TYPE), json(document(INTERACTION_TYPE, "ctpayOwner", "ctpayKind")))
    assert await types_missing(client) == (
        "ctpay-transaction",
        "ctpay-interaction.ctpayKind",
        "ctpay-interaction.ctpayOwner",
    )


async def test_what_a_merchant_offers_besides_is_asked_for_as_well(server, client):
    assert await types_missing(client, [CARD_TYPE]) == ("ctpay-payment-method",)
    server.on(path(CARD_TYPE), json(document(CARD_TYPE)))
    assert await types_missing(client, [CARD_TYPE]) == ()


@pytest.mark.parametrize("definitions", [None, {}, "ctpayKind", [], [None, "ctpayKind"]])
async def test_a_type_whose_fields_cannot_be_read_lacks_them_all(server, client, definitions):
    server.on(path(INTERACTION_TYPE), json({"fieldDefinitions": definitions}))
    assert await types_missing(client) == tuple(f"ctpay-interaction.{name}" for name in INTERACTION_TYPE.fields)
