"""Sandbox Pay over real HTTP: the API, its faults on the wire, and its webhooks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from support.polling import eventually
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, ids, running_psp, wall_clock

from sandbox.psp.events import EVENT_TYPES
from sandbox.psp.model import Terms
from sandbox.psp.server import Running, serve

CARD = {"number": "4242 4242 4242 4242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}


class Merchant:
    """A merchant's server."""

    def __init__(self, session: aiohttp.ClientSession, psp: Running) -> None:
        self.session = session
        self.psp = psp

    async def call(self, method: str, path: str, body: object = None, **headers: str):
        async with self.session.request(
            method,
            self.psp.url + path,
            json=body,
            headers={"Authorization": f"Bearer {SECRET_KEY}", **headers},
            timeout=aiohttp.ClientTimeout(total=10),
        ) as response:
            return response.status, await response.json()

    async def pay(self, token: str = "tok_approved", amount: int = 1000, *, key: str = "key", reference: str = "ref"):
        body = {
            "amount": amount,
            "currency": "EUR",
            "token": token,
            "merchant_reference": reference,
            "metadata": {"payment_id": "p1"},
            "return_url": "https://shop.test/back?a=1",
        }
        return await self.call("POST", "/v1/payments", body, **{"Idempotency-Key": key})

    async def control(self, method: str, path: str, body: object = None):
        status, reply = await self.call(method, f"/__control/{path}", body)
        assert status < 300, reply
        return reply


@asynccontextmanager
async def merchant(**options) -> AsyncIterator[Merchant]:
    async with running_psp(**options) as psp, aiohttp.ClientSession() as session:
        yield Merchant(session, psp)


@asynccontextmanager
async def shop(answer: Callable[[int], int] = lambda _: 200) -> AsyncIterator[tuple[str, asyncio.Queue]]:
    """A webhook endpoint; `answer` gives the status of the n-th call."""
    received: asyncio.Queue = asyncio.Queue()
    count = 0

    async def receive(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        received.put_nowait((request.headers.copy(), await request.read()))
        return web.Response(status=answer(count))

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/hook", received
    finally:
        await runner.cleanup()


async def next_event(received: asyncio.Queue):
    async with asyncio.timeout(10):
        headers, body = await received.get()
    return headers, body, json.loads(body)


async def test_a_payment_is_authorized_captured_in_parts_refunded_and_read_back():
    async with merchant() as it:
        status, payment = await it.pay()
        assert (status, payment["status"]) == (201, "authorized")
        path = f"/v1/payments/{payment['id']}"
        _, first = await it.call(
            "POST", f"{path}/captures", {"amount": 300, "merchant_reference": "c1", "currency": "EUR"}
        )
        await it.call("POST", f"{path}/captures", {"amount": 300, "merchant_reference": "c2"})
        refund = {
            "amount": 100,
            "merchant_reference": "r1",
            "capture": first["id"],
            "metadata": {"transaction_id": "t"},
        }
        status, refunded = await it.call("POST", f"{path}/refunds", refund)
        assert (status, refunded["metadata"], refunded["capture"]) == (201, {"transaction_id": "t"}, first["id"])
        assert refunded["payment_metadata"] == {"payment_id": "p1"}
        status, cancelled = await it.call("POST", f"{path}/cancel", {"merchant_reference": "x1"})
        assert (status, cancelled["amount"]) == (201, 400)
        _, read = await it.call("GET", path)
        assert [each["merchant_reference"] for each in read["captures"]] == ["c1", "c2"]
        assert (read["amount_captured"], read["amount_refunded"], read["amount_capturable"]) == (600, 100, 0)
        _, found = await it.call("GET", "/v1/payments?merchant_reference=ref")
        assert found["data"] == [read]
        assert (await it.call("GET", "/v1/payments?merchant_reference=other"))[1]["data"] == []


async def test_a_payment_is_cancelled_by_the_merchants_reference():
    async with merchant() as it:
        await it.pay(reference="order-7")
        body = {"payment_merchant_reference": "order-7", "merchant_reference": "x"}
        status, cancelled = await it.call("POST", "/v1/cancels", body)
        assert (status, cancelled["amount"]) == (201, 1000)
        body["payment_merchant_reference"] = "order-8"
        assert (await it.call("POST", "/v1/cancels", body))[0] == 404


@pytest.mark.parametrize("key", ["", "Bearer nothing", f"Bearer {PUBLISHABLE_KEY}", f"Basic {SECRET_KEY}"])
async def test_nobody_moves_money_without_the_secret_key(key):
    async with merchant() as it:
        status, body = await it.call("POST", "/v1/payments", {}, Authorization=key)
        assert (status, body["error"]["code"]) == (401, "unauthorized")


async def test_errors_have_one_shape_whoever_makes_them():
    async with merchant() as it:
        for method, path, status in [
            ("GET", "/v1/payments/pay_none", 404),
            ("GET", "/nowhere", 404),
            ("DELETE", "/v1/payments", 405),
            ("GET", "/v1/ledger?from=yesterday", 400),
            ("GET", "/v1/ledger?limit=-1", 400),
            ("POST", "/__control/payments/pay_none/settle", 404),
        ]:
            got, body = await it.call(method, path)
            assert (got, set(body["error"]) >= {"code", "message"}) == (status, True), path
        status, body = await it.call("PUT", "/__control/faults", [{"kind": "gremlins"}])
        assert (status, body["error"]["code"]) == (400, "invalid_request")


async def test_tokens_need_the_publishable_key_and_our_own_page():
    async with merchant() as it:
        status, token = await it.call("POST", "/v1/tokens", CARD, Authorization=f"Bearer {PUBLISHABLE_KEY}")
        assert status == 201
        assert token["card"] == {"brand": "Visa", "last4": "4242", "exp_month": 12, "exp_year": 2099}
        assert (await it.pay(token["id"]))[0] == 201
        assert (await it.pay(token["id"]))[0] == 201  # the same key: the same payment
        status, body = await it.pay(token["id"], key="another")
        assert (status, body["error"]["code"]) == (400, "token_already_used")
        assert (await it.call("POST", "/v1/tokens", CARD, Authorization=f"Bearer {SECRET_KEY}"))[0] == 401
        foreign = {"Authorization": f"Bearer {PUBLISHABLE_KEY}", "Sec-Fetch-Site": "cross-site"}
        assert (await it.call("POST", "/v1/tokens", CARD, **foreign))[0] == 403


async def test_a_card_number_is_nowhere_after_it_became_a_token(caplog):
    caplog.set_level(logging.DEBUG)
    numbers = ["4242424242424242", "4242424242424241", "4111111111111111"]
    async with merchant() as it:
        for number in numbers:
            body = {**CARD, "number": number}
            _, reply = await it.call("POST", "/v1/tokens", body, Authorization=f"Bearer {PUBLISHABLE_KEY}")
            assert number not in json.dumps(reply)
        _, wrong = await it.call(
            "POST", "/v1/tokens", {**CARD, "number": numbers[0] + "x"}, Authorization=f"Bearer {PUBLISHABLE_KEY}"
        )
        seen = [wrong] + [await it.control("GET", path) for path in ("payments", "requests", "events", "effects")]
        house = it.psp.house
        everything = json.dumps(seen) + repr([token.card for token in house.books.tokens.values()]) + caplog.text
    assert not [number for number in numbers if number in everything]


async def test_a_reply_that_never_comes_is_there_for_a_retry_with_the_same_key():
    async with merchant() as it:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await it.pay("tok_timeout")
        status, payment = await it.pay("tok_timeout")
        assert (status, payment["status"]) == (201, "authorized")
        assert len((await it.control("GET", "effects"))["data"]) == 1


async def test_a_cut_connection_comes_after_or_before_the_effect():
    async with merchant() as it:
        with pytest.raises(aiohttp.ClientError):
            await it.pay("tok_drop")
        assert len((await it.control("GET", "effects"))["data"]) == 1
        await it.control("PUT", "faults", [{"kind": "drop_before"}])
        with pytest.raises(aiohttp.ClientError):
            await it.pay(key="other")
        assert len((await it.control("GET", "effects"))["data"]) == 1


async def test_two_requests_at_once_with_one_key_have_one_effect():
    async with merchant() as it:
        await it.control("PUT", "faults", [{"kind": "delay_before", "delay_s": 0.2}])
        (first, _), (second, body) = await asyncio.gather(it.pay(), it.pay())
        assert (first, second) == (201, 409)
        assert body["error"]["code"] == "idempotency_key_in_progress"
        assert (await it.pay())[0] == 201
        assert len((await it.control("GET", "effects"))["data"]) == 1


async def test_a_rate_limit_says_when_to_come_back():
    async with merchant() as it:
        await it.control("PUT", "faults", [{"kind": "rate_limit", "on": "payments.create", "delay_s": 3}])
        async with it.session.post(
            f"{it.psp.url}/v1/payments", data=b"{}", headers={"Authorization": f"Bearer {SECRET_KEY}"}
        ) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
        assert (await it.control("GET", "faults"))["data"] == []


async def test_the_ledger_is_read_in_pages_and_by_time():
    async with merchant() as it:
        before = wall_clock().isoformat()
        _, payment = await it.pay()
        for number in range(3):
            body = {"amount": 100, "merchant_reference": f"c{number}"}
            await it.call("POST", f"/v1/payments/{payment['id']}/captures", body)
        await it.control("POST", f"payments/{payment['id']}/disputes", {"amount": 50})
        objects, cursor = [], "0"
        while cursor is not None:
            _, page = await it.call("GET", f"/v1/ledger?limit=2&cursor={cursor}")
            assert len(page["data"]) <= 2
            objects += [each["object"] for each in page["data"]]
            cursor = page["next_cursor"]
        assert objects == ["payment", "capture", "capture", "capture", "dispute"]
        quoted = before.replace("+", "%2B")
        assert (await it.call("GET", f"/v1/ledger?to={quoted}"))[1]["data"] == []
        assert len((await it.call("GET", f"/v1/ledger?from={quoted}"))[1]["data"]) == 5
        assert len((await it.call("GET", "/v1/payments"))[1]["data"]) == 1


async def test_the_event_types_are_published():
    async with merchant() as it:
        _, body = await it.call("GET", "/v1/event_types")
        assert [each["type"] for each in body["data"]] == list(EVENT_TYPES)


async def test_health_needs_no_key():
    async with merchant() as it, it.session.get(f"{it.psp.url}/v1/health") as response:
        assert response.status == 200


async def test_webhooks_are_signed_as_the_standard_says_with_every_active_secret():
    secrets = [WEBHOOK_SECRET, "whsec_" + base64.b64encode(b"the one before, still active").decode()]
    async with shop() as (url, received), merchant(webhook_url=url, webhook_secrets=secrets) as it:
        _, payment = await it.pay()
        headers, body, event = await next_event(received)
    assert (event["type"], event["data"]["id"], event["data"]["metadata"]) == (
        "payment.authorized",
        payment["id"],
        {"payment_id": "p1"},
    )
    assert headers["webhook-id"] == event["id"]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"].split(" ") == [
        "v1," + base64.b64encode(hmac.new(base64.b64decode(each[6:]), content, hashlib.sha256).digest()).decode()
        for each in secrets
    ]


async def test_a_webhook_is_sent_again_until_it_is_accepted_with_the_same_id_and_body():
    async with shop(lambda n: 503 if n < 3 else 204) as (url, received), merchant(webhook_url=url) as it:
        await it.pay()
        tries = [await next_event(received) for _ in range(3)]
        assert len({body for _, body, _ in tries}) == 1
        assert len({headers["webhook-id"] for headers, _, _ in tries}) == 1

        async def was_accepted() -> bool:
            attempts = (await it.control("GET", "events"))["attempts"]
            return [each["status"] for each in attempts] == [503, 503, 204]

        await eventually(was_accepted)
        assert (await it.control("GET", "events"))["waiting"] == 0


async def test_a_shop_that_is_not_there_gets_its_events_once_it_is():
    async with merchant(webhook_url="http://127.0.0.1:9/none") as it:
        await it.pay()

        async def was_tried() -> bool:
            return bool((await it.control("GET", "events"))["attempts"])

        await eventually(was_tried)
        async with shop() as (url, received):
            await it.control("PUT", "webhook", {"url": url})
            assert (await next_event(received))[2]["type"] == "payment.authorized"
            assert (await it.control("GET", "webhook")) == {"url": url}
        for wrong in ({"secrets": []}, {"secrets": ["whsec_%"]}, {"url": "nowhere"}):
            assert (await it.call("PUT", "/__control/webhook", wrong))[0] == 400


async def test_what_settles_by_itself_is_announced():
    terms = Terms(settles_after_s=0.05)
    async with shop() as (url, received), merchant(webhook_url=url, terms=terms) as it:
        await it.pay("tok_pending")
        assert [(await next_event(received))[2]["type"] for _ in range(2)] == ["payment.pending", "payment.authorized"]


async def test_the_control_api_plays_shoppers_banks_and_cardholders():
    terms = Terms(settles_after_s=None)
    async with shop() as (url, received), merchant(webhook_url=url, terms=terms) as it:
        _, payment = await it.pay("tok_pending")
        await it.control("POST", f"payments/{payment['id']}/settle", {"decision": "approve"})
        path = f"/v1/payments/{payment['id']}"
        _, capture = await it.call("POST", f"{path}/captures", {"amount": 900, "merchant_reference": "c"})
        _, refund = await it.call("POST", f"{path}/refunds", {"amount": 100, "merchant_reference": "r"})
        await it.control("POST", f"refunds/{refund['id']}/fail", {"after_days": 3})
        first = await it.control("POST", f"payments/{payment['id']}/disputes")
        await it.control("POST", f"disputes/{first['id']}/close", {"outcome": "win"})
        second = await it.control("POST", f"payments/{payment['id']}/disputes")
        await it.control("POST", f"disputes/{second['id']}/close", {"outcome": "lose"})
        await it.control("POST", f"captures/{capture['id']}/fail")
        await it.control("POST", f"payments/{payment['id']}/expire")
        events = {}
        for _ in range(11):
            event = (await next_event(received))[2]
            events[event["type"]] = event
        assert set(events) == {
            "payment.pending",
            "payment.authorized",
            "capture.succeeded",
            "refund.succeeded",
            "refund.failed",
            "dispute.opened",
            "dispute.won",
            "dispute.lost",
            "capture.failed",
            "payment.expired",
        }
        assert events["refund.failed"]["created"] > events["refund.succeeded"]["created"]
        assert events["dispute.lost"]["data"]["round"] == 2
        effects = (await it.control("GET", "effects"))["data"]
        assert [each["kind"] for each in effects][-1] == "cancel"
        assert {each["key"] for each in effects} == {"key", None}
        resent = events["refund.failed"]["id"]
        await it.control("POST", f"events/{resent}/resend")
        assert (await next_event(received))[2]["id"] == resent
        await it.control("POST", "events", {"type": "payment.teleported", "data": {"x": 1}})
        assert (await next_event(received))[2]["type"] == "payment.teleported"


async def test_a_challenge_is_answered_on_its_page_or_by_control():
    async with merchant() as it:
        _, framed = await it.pay("tok_3ds", key="1")
        assert framed["action"] == {"type": "challenge", "url": f"{it.psp.url}/challenge/{framed['id']}"}
        answer = await it.control("POST", f"payments/{framed['id']}/challenge")
        status, done = await it.call("POST", f"/v1/payments/{framed['id']}/complete", {"result": answer["result"]})
        assert (status, done["status"], done["action"]) == (200, "authorized", None)
        _, redirected = await it.pay("tok_3ds_redirect", key="2")
        assert redirected["action"]["type"] == "redirect"
        status, answer = await it.call("POST", f"/challenge/{redirected['id']}", {"decision": "refuse"})
        assert (status, answer["redirect_url"]) == (200, f"https://shop.test/back?a=1&result={answer['result']}")
        path = f"/v1/payments/{redirected['id']}/complete"
        status, body = await it.call("POST", path, {"result": answer["result"]})
        assert (status, body["error"]["code"]) == (402, "authentication_failed")
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await it.call("POST", f"/challenge/{framed['id']}", {"decision": "approve"}, **foreign))[0] == 403


async def test_the_request_log_names_keys_and_bodies_by_hash():
    async with merchant() as it:
        await it.pay(key="k-1")
        (entry,) = (await it.control("GET", "requests"))["data"]
        assert (entry["path"], entry["key"], entry["status"]) == ("/v1/payments", "k-1", 201)
        assert len(entry["body_sha256"]) == 64


async def test_an_oversized_body_is_refused():
    async with merchant() as it:
        status, _ = await it.call("POST", "/v1/payments", {"token": "x" * 70_000})
        assert status == 413


async def test_a_taken_port_and_a_bad_secret_are_said_at_once():
    async with running_psp() as psp:
        with pytest.raises(OSError):
            async with running_psp(port=psp.port):
                pass
    for secrets in ([], ["whsec_not base64!"]):
        with pytest.raises(ValueError, match="webhook secret"):
            await serve(
                host="127.0.0.1",
                port=0,
                secret_key="s",
                publishable_key="p",
                webhook_url=None,
                webhook_secrets=secrets,
                clock=wall_clock,
                new_id=ids(),
            )
