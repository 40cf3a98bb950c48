"""What the ingress reads of stored payment methods: under the request's name, and never what cannot be paid with."""

from __future__ import annotations

import pytest
from support.ct_documents import cart_document, method_document
from support.scripted_server import error, json, text

from ct.client import Commercetools
from ct.errors import UnavailableError
from ct.ledger import Ledger
from ct.stored_reads import StoredMethods
from ct.turns import Turns

CART, METHODS = "/demo/carts/c1", "/demo/payment-methods"


@pytest.fixture
def reads(server, wire, tokens):
    client = Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")
    return StoredMethods(
        ledger=Ledger(client=client, interface="ctpay", turns=Turns(), draw=lambda: 0.0, conflicts_within_s=1.0)
    )


@pytest.mark.parametrize(
    ("answer", "customer"),
    [
        (json(cart_document(customerId="customer-1")), "customer-1"),
        (json(cart_document()), None),
        (error(404, "ResourceNotFound"), None),
    ],
    ids=["a customer's", "a guest's", "none"],
)
async def test_a_cart_tells_whose_it_is(server, reads, answer, customer):
    server.on(CART, answer)
    assert await reads.customer(cart_id="c1", correlation_id="shop-1") == customer
    assert [one.headers["x-correlation-id"] for one in server.of(CART)] == ["shop-1"]


async def test_an_outage_makes_nobody_a_guest(server, reads):
    server.on(CART, text("", status=503))
    with pytest.raises(UnavailableError):
        await reads.customer(cart_id="c1", correlation_id="shop-1")


async def test_a_customers_methods_come_newest_first_and_without_their_tokens(server, reads):
    server.on(METHODS, json({"results": [method_document(1), method_document(3), method_document(2)]}))
    found = await reads.of_customer("customer-1", correlation_id="shop-1")
    assert [one.id for one in found] == ["method-3", "method-2", "method-1"]
    assert "canary" not in repr(found)
    (asked,) = server.of(METHODS)
    assert 'customer(id = "customer-1")' in dict(asked.query)["where"]
    assert asked.headers["x-correlation-id"] == "shop-1"


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ([method_document()], "method-1"),
        ([method_document(paymentMethodStatus="Active")], "method-1"),
        ([method_document(paymentMethodStatus="Inactive")], None),
        ([method_document(token=None)], None),
        ([], None),
    ],
    ids=["one", "active", "deleted", "without a token", "none"],
)
async def test_a_method_is_found_while_it_can_be_paid_with(server, reads, results, found):
    server.on(METHODS, json({"results": results}))
    method = await reads.find("method-1", correlation_id="shop-1")
    assert (method and method.id) == found
    (asked,) = server.of(METHODS)
    assert 'id = "method-1"' in dict(asked.query)["where"]
    assert asked.headers["x-correlation-id"] == "shop-1"
