"""The shop over HTTP, with commercetools and the connector scripted."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs

import aiohttp
import pytest
from support.scripted_server import error, hanging_up, scripted
from support.scripted_server import json as says

from sandbox.shop.server import serve

PAYMENT = {
    "id": "p-1",
    "version": 1,
    "lastModifiedAt": "2026-11-23T10:00:00.000Z",
    "amountPlanned": {"centAmount": 4230, "currencyCode": "EUR"},
    "transactions": [],
    "interfaceInteractions": [],
}
ALL_OF_IT = {"quantities": {"mug": 2, "notebook": 1, "blanket": 0}}
EURO = {"centAmount": 100, "currencyCode": "EUR"}


@asynccontextmanager
async def open_shop():
    async with scripted() as outside:
        outside.on("/oauth/token", says({"access_token": "token-1", "expires_in": 3600}))
        running = await serve(
            host="127.0.0.1",
            port=0,
            commercetools_url=outside.url,
            project_key="project",
            client_id="merchant",
            client_secret="hidden",
            processor_url=outside.url,
            psp_url="http://psp.test:8082/",
            clock=lambda: datetime(2026, 11, 23, 10, tzinfo=UTC),
            new_id=lambda: "anonymous-1",
        )
        try:
            async with aiohttp.ClientSession(running.url) as client:
                yield outside, client, running
        finally:
            await running.close()


async def ask(client, method: str, path: str, body=None, **headers: str):
    async with client.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json() if reply.status != 204 else None


async def test_a_checkout_makes_a_cart_and_a_session_that_names_the_connector():
    async with open_shop() as (outside, client, running):
        outside.on("/project/carts", says({"id": "cart-1", "totalPrice": EURO}, status=201))
        outside.on("/project/sessions", says({"id": "session-1"}, status=201))
        status, body = await ask(client, "POST", "/api/checkouts", ALL_OF_IT)
        assert (status, body) == (201, {"cartId": "cart-1", "sessionId": "session-1", "total": EURO})
        (cart,) = outside.of("/project/carts")
        lines = json.loads(cart.body)["customLineItems"]
        assert [(line["slug"], line["quantity"], line["money"]["centAmount"]) for line in lines] == [
            ("mug", 2, 1490),
            ("notebook", 1, 1250),
        ]
        (session,) = outside.of("/project/sessions")
        assert json.loads(session.body) == {
            "cart": {"cartRef": {"id": "cart-1"}},
            "metadata": {
                "allowedPaymentMethods": ["card", "invoice", "purchaseorder"],
                "processorUrl": outside.url,
                "merchantReturnUrl": f"{running.url}/thanks",
            },
        }
        (token,) = outside.of("/oauth/token")
        assert parse_qs(token.body)["grant_type"] == ["client_credentials"]


@pytest.mark.parametrize(
    ("customer", "owner", "wanted"), [(None, "anonymousId", "anonymous-1"), ("ada", "customerId", "ada")]
)
async def test_a_cart_is_a_customers_or_a_guests(*, customer, owner, wanted):
    async with open_shop() as (outside, client, _):
        outside.on("/project/carts", says({"id": "cart-1", "totalPrice": EURO}, status=201))
        outside.on("/project/sessions", says({"id": "session-1"}, status=201))
        status, _ = await ask(client, "POST", "/api/checkouts", ALL_OF_IT | {"customer": customer})
        (cart,) = outside.of("/project/carts")
        found = json.loads(cart.body)
        assert (status, found[owner]) == (201, wanted)
        assert len({"anonymousId", "customerId"} & found.keys()) == 1


async def test_nobody_shops_as_somebody_unknown():
    async with open_shop() as (outside, client, _):
        status, body = await ask(client, "POST", "/api/checkouts", ALL_OF_IT | {"customer": "eve"})
        assert (status, outside.of("/project/carts")) == (400, [])
        assert "ada" in body["message"]


@pytest.mark.parametrize(
    "quantities", [{}, {"mug": 0}, {"mug": -1}, {"mug": 21}, {"anvil": 1}, {"mug": "2"}, {"mug": True}, None]
)
async def test_what_nobody_can_buy_is_refused_with_a_reason(quantities):
    async with open_shop() as (outside, client, _):
        status, body = await ask(client, "POST", "/api/checkouts", {"quantities": quantities})
        assert status == 400
        assert body["message"].endswith(".")
        assert outside.asked == []


async def test_the_payment_is_told_when_there_is_something_new_and_only_then():
    async with open_shop() as (outside, client, _):
        newer = PAYMENT | {"version": 2, "interfaceId": "pay_1"}
        outside.on("/project/payments/p-1", says(PAYMENT), says(PAYMENT), says(newer))
        first = await ask(client, "GET", "/api/payments/p-1?after=0")
        second = await ask(client, "GET", "/api/payments/p-1?after=1")
        third = await ask(client, "GET", "/api/payments/p-1?after=1")
        assert (first[0], first[1]["seen"], second[0]) == (200, 1, 204)
        assert [(row["number"], row["version"]) for row in third[1]["rows"]] == [(2, 2)]


async def test_versions_between_two_looks_are_told_where_commercetools_still_has_them():
    async with open_shop() as (outside, client, _):
        versions = [PAYMENT | {"version": number} for number in (1, 3, 4)]
        outside.on("/project/payments/p-1", says(versions[0]), says(versions[2]))
        history = "/__control/payments/p-1/history"
        outside.on(history, says({"versions": versions[:1]}), says({"versions": versions}))
        await ask(client, "GET", "/api/payments/p-1?after=0")
        _, told = await ask(client, "GET", "/api/payments/p-1?after=1")
        assert [row["version"] for row in told["rows"]] == [3, 4]
        await ask(client, "GET", "/api/payments/p-1?after=3")
        assert len(outside.of(history)) == 2


async def test_the_payments_of_a_cart_are_told_whole():
    async with open_shop() as (outside, client, _):
        references = [{"typeId": "payment", "id": "p-1", "obj": PAYMENT}]
        outside.on("/project/carts/c", says({"id": "c"}), says({"id": "c", "paymentInfo": {"payments": references}}))
        assert await ask(client, "GET", "/api/checkouts/c") == (200, {"payments": []})
        _, body = await ask(client, "GET", "/api/checkouts/c")
        assert [one["payment"]["id"] for one in body["payments"]] == ["p-1"]
        assert ("expand", "paymentInfo.payments[*]") in outside.of("/project/carts/c")[0].query


async def test_the_order_desk_calls_the_connector_and_its_answer_stands_in_the_history():
    async with open_shop() as (outside, client, _):
        outside.on("/project/payments/p-1", says(PAYMENT))
        route = "/operations/payment-intents/p-1"
        reason = {"code": "amount", "message": "Too much."}
        outside.on(route, says({"outcome": "rejected", "reason": reason}))
        action = {"action": "capturePayment", "amount": EURO}
        status, body = await ask(client, "POST", "/api/payments/p-1/intents", {"action": action})
        assert (status, body["outcome"]) == (200, "rejected")
        (asked,) = outside.of(route)
        assert json.loads(asked.body) == {"actions": [action]}
        assert asked.headers["authorization"] == "Bearer token-1"
        _, told = await ask(client, "GET", "/api/payments/p-1")
        assert told["rows"][-1]["changes"][0]["text"] == "capturePayment 1.00 EUR → rejected (Too much.)"


async def test_a_transaction_that_a_merchant_adds_goes_to_commercetools_alone_and_survives_a_conflict():
    async with open_shop() as (outside, client, _):
        conflict = error(409, "ConcurrentModification")
        newer = PAYMENT | {"version": 5}
        # Read, refused; read again, taken.
        outside.on("/project/payments/p-1", says(PAYMENT), conflict, says(newer), says(newer | {"version": 6}))
        status, body = await ask(client, "POST", "/api/payments/p-1/transactions", {"type": "Charge", "amount": EURO})
        assert (status, body) == (200, {"version": 6})
        written = [json.loads(one.body) for one in outside.asked if one.method == "POST" and "payments" in one.raw_path]
        assert [one["version"] for one in written] == [1, 5]
        assert written[1]["actions"] == [
            {"action": "addTransaction", "transaction": {"type": "Charge", "amount": EURO, "state": "Initial"}}
        ]


async def test_a_forgotten_token_is_asked_for_anew():
    async with open_shop() as (outside, client, _):
        outside.on("/project/payments/p-1", error(401, "invalid_token"), says(PAYMENT))
        assert (await ask(client, "GET", "/api/payments/p-1"))[0] == 200
        assert len(outside.of("/oauth/token")) == 2


@pytest.mark.parametrize(
    ("answer", "status", "says_what"),
    [
        (error(404, "ResourceNotFound", message="No such payment."), 404, "No such payment."),
        (hanging_up(), 502, "running"),
    ],
)
async def test_whoever_says_no_is_passed_on_as_a_sentence(answer, status, says_what):
    async with open_shop() as (outside, client, _):
        outside.on("/project/payments/p-1", answer)
        got, body = await ask(client, "GET", "/api/payments/p-1")
        assert got == status
        assert says_what in body["message"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_origin_cannot_refund(site):
    async with open_shop() as (outside, client, _):
        body = {"action": {"action": "reversePayment"}}
        async with client.post("/api/payments/p-1/intents", json=body, headers={"Sec-Fetch-Site": site}) as reply:
            assert reply.status == 403
        async with client.post("/api/payments/p-1/intents", data=json.dumps(body)) as reply:
            assert reply.status == 403
        assert outside.asked == []


@pytest.mark.parametrize("path", ["/", "/payments", "/payments/p-1", "/thanks"])
async def test_every_page_has_a_policy_without_unsafe_inline(path):
    async with open_shop() as (outside, client, _), client.get(path) as reply:
        policy = reply.headers["Content-Security-Policy"]
        assert reply.status == 200
        assert "unsafe" not in policy
        assert f"script-src 'self' {outside.url};" in policy
        assert "frame-src http://psp.test:8082;" in policy
        page = await reply.text()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page


async def test_after_a_redirect_the_shopper_comes_to_the_payment():
    async with open_shop() as (_, client, _running):
        url = "/thanks?paymentReference=p%2F1&outcome=approved"
        async with client.get(url, allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (303, "/payments/p%2F1?outcome=approved")
