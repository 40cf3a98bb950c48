"""The stand-in's own wire: tokens that expire, faults on order, the control API, the request log, its process."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from support import openapi
from support.commercetools_api import (
    Api,
    Strictness,
    cart_draft,
    eur,
    fetch_token,
    payment_draft,
    transaction,
)
from support.commercetools_servers import commercetools_process, running_commercetools
from support.polling import eventually

ROOT = Path(__file__).parents[3]


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shop:
    """The stand-in with a client, and its control API."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.api = api
        self.clock = clock

    async def control(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict]:
        url = f"{self.api.url}/__control{path}"
        async with self.api.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json() if response.content_length else {}

    async def fault(self, kind: str, **more: object) -> None:
        status, _ = await self.control("POST", "/faults", {"kind": kind, **more})
        assert status == 201


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    clock = Clock()
    async with running_commercetools(clock=clock, token_lifetime_s=60) as running, aiohttp.ClientSession() as session:
        token = (await fetch_token(session, running.url)).body["access_token"]
        api = Api(session=session, url=running.url, strictness=Strictness.OFFICIAL, token=token)
        yield Shop(api, clock)


# Tokens and sessions


async def test_a_token_expires(shop: Shop):
    assert (await shop.api.get("/payments")).status == 200
    shop.clock.now += timedelta(seconds=60)
    assert (await shop.api.get("/payments")).status == 401


async def test_all_tokens_can_be_revoked(shop: Shop):
    assert (await shop.control("POST", "/tokens/revoke"))[0] == 204
    assert (await shop.api.get("/payments")).status == 401


async def test_a_shopper_is_given_a_cart_and_a_session_that_ends(shop: Shop):
    status, made = await shop.control("POST", "/checkouts", {"amount": eur(4200), "metadata": {"a": "b"}})
    assert status == 201
    openapi.validate("Cart", made["cart"])
    assert made["cart"]["totalPrice"]["centAmount"] == 4200
    path = f"/sessions/{made['session']['id']}"
    assert (await shop.api.get(path)).body["state"] == "ACTIVE"
    await shop.control("POST", f"{path}/end")
    assert (await shop.api.get(path)).body["state"] == "EXPIRED"


async def test_a_session_ends_by_itself(shop: Shop):
    _, made = await shop.control("POST", "/checkouts", {"amount": eur(1)})
    shop.clock.now += timedelta(hours=1)
    token = (await fetch_token(shop.api.session, shop.api.url)).body["access_token"]
    api = Api(session=shop.api.session, url=shop.api.url, strictness=Strictness.OFFICIAL, token=token)
    assert (await api.get(f"/sessions/{made['session']['id']}")).body["state"] == "EXPIRED"


async def test_a_merchant_center_token_verifies_against_the_published_keys(shop: Shop):
    _, made = await shop.control("POST", "/jwt", {"subject": "user-1"})
    head, claims, signature = (_decode(part) for part in made["token"].split("."))
    async with shop.api.session.get(f"{shop.api.url}/.well-known/jwks.json") as response:
        (key,) = (await response.json())["keys"]
    assert json.loads(head) == {"alg": "RS256", "typ": "JWT", "kid": key["kid"]}
    public = RSAPublicNumbers(e=_number(key["e"]), n=_number(key["n"])).public_key()
    public.verify(signature, made["token"].rpartition(".")[0].encode(), PKCS1v15(), SHA256())
    told = json.loads(claims)
    assert (told["iss"], told["sub"]) == (shop.api.url, "user-1")
    assert told[f"{shop.api.url}/claims/project_key"] == "demo"
    assert told["exp"] - told["iat"] == 300


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _number(part: str) -> int:
    return int.from_bytes(_decode(part), "big")


# Faults


async def test_a_rate_limit_says_when_to_come_again(shop: Shop):
    await shop.fault("rate_limit", on="GET /demo/payments", delay_s=7)
    headers = {"Authorization": f"Bearer {shop.api.token}"}
    async with shop.api.session.get(f"{shop.api.url}/demo/payments", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        openapi.validate("ErrorResponse", await response.json())
    assert (await shop.api.get("/payments")).status == 200


async def test_an_error_before_the_effect_has_none(shop: Shop):
    await shop.fault("error_before", on="POST /demo/payments", status=503)
    assert (await shop.api.post("/payments", payment_draft(key="once"))).status == 503
    assert (await shop.api.get("/payments/key=once")).status == 404
    assert (await shop.api.post("/payments", payment_draft(key="once"))).status == 201


async def test_an_error_after_the_effect_leaves_it(shop: Shop):
    await shop.fault("error_after", on="POST /demo/payments", status=502)
    assert (await shop.api.post("/payments", payment_draft(key="once"))).status == 502
    assert (await shop.api.get("/payments/key=once")).status == 200
    assert (await shop.api.post("/payments", payment_draft(key="once"))).code == "DuplicateField"


async def test_a_dropped_reply_leaves_the_effect(shop: Shop):
    await shop.fault("drop_reply", on="POST /demo/payments")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.api.post("/payments", payment_draft(key="once"))
    assert (await shop.api.get("/payments/key=once")).status == 200


async def test_a_dropped_request_has_no_effect(shop: Shop):
    await shop.fault("drop_before", on="POST /demo/payments")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.api.post("/payments", payment_draft(key="once"))
    assert (await shop.api.get("/payments/key=once")).status == 404


async def test_a_conflict_is_somebody_elses_write(shop: Shop):
    made = await shop.api.make("/payments", payment_draft())
    await shop.fault("conflict", on=f"POST /demo/payments/{made['id']}")
    action = {"action": "addTransaction", "transaction": transaction()}
    answer = await shop.api.update("/payments", made, action)
    assert (answer.status, answer.error["currentVersion"]) == (409, 2)
    now = (await shop.api.get(f"/payments/{made['id']}")).body
    assert (now["version"], now["transactions"]) == (2, [])
    assert (await shop.api.update("/payments", now, action)).status == 200


async def test_a_conflict_with_nothing_is_nothing(shop: Shop):
    await shop.fault("conflict", times=3)
    await shop.api.make("/payments", payment_draft())
    assert (await shop.api.get("/bogus")).status == 404
    assert (await shop.api.get("/payments/unknown")).status == 404


@pytest.mark.parametrize("kind", ["delay", "delay_reply"])
async def test_a_delay_is_waited_for_and_given_up_at_the_stop(kind: str):
    async with aiohttp.ClientSession() as session:
        async with running_commercetools() as running:
            token = (await fetch_token(session, running.url)).body["access_token"]
            api = Api(session=session, url=running.url, strictness=Strictness.OFFICIAL, token=token)
            shop = Shop(api, Clock())
            await shop.fault(kind, on="GET /demo/payments", delay_s=0.05)
            started = time.monotonic()
            assert (await api.get("/payments")).status == 200
            assert time.monotonic() - started >= 0.05
            await shop.fault(kind, on="GET /demo/payments", delay_s=600)
            waiting = asyncio.create_task(api.get("/payments"))

            async def has_arrived() -> bool:
                return [entry.fault for entry in running.house.front.log].count(kind) == 2

            await eventually(has_arrived)
        assert (await waiting).status == 200


async def test_faults_are_skipped_counted_and_aimed(shop: Shop):
    made = await shop.api.make("/payments", payment_draft())
    await shop.fault("error_before", on="POST /demo/payments/*", containing='"setKey"', skip=1, times=2)
    keyed = [{"action": "setKey", "key": f"key-{number}"} for number in range(4)]
    statuses = []
    for action in ({"action": "setAnonymousId", "anonymousId": "a"}, *keyed):
        answer = await shop.api.update("/payments", made, action)
        statuses.append(answer.status)
        made = answer.body if answer.status == 200 else made
    assert statuses == [200, 200, 503, 503, 200]
    _, listed = await shop.control("GET", "/faults")
    assert listed == {"faults": []}


async def test_faults_can_be_called_off(shop: Shop):
    await shop.fault("error_before")
    assert (await shop.control("DELETE", "/faults"))[0] == 204
    assert (await shop.api.get("/payments")).status == 200


# The control API


async def test_every_request_is_logged_and_counted(shop: Shop):
    await shop.control("DELETE", "/requests")
    headers = {"Authorization": f"Bearer {shop.api.token}", "X-Correlation-ID": "c-1"}
    async with shop.api.session.get(f"{shop.api.url}/demo/payments?limit=1", headers=headers) as response:
        assert response.headers["X-Correlation-ID"] == "c-1"
    await shop.api.get("/payments/unknown")
    await shop.api.get("/payments/unknown")
    _, told = await shop.control("GET", "/requests")
    assert told["counts"] == {"GET /demo/payments": 1, "GET /demo/payments/unknown": 2}
    assert told["requests"][0] == {
        "at": "2026-01-01T00:00:00.000Z",
        "method": "GET",
        "path": "/demo/payments",
        "query": "limit=1",
        "correlation_id": "c-1",
        "client_id": "demo-client",
        "fault": None,
        "status": 200,
    }
    assert [each["status"] for each in told["requests"]] == [200, 404, 404]


async def test_the_history_of_a_payment_can_be_read(shop: Shop):
    made = await shop.api.make("/payments", payment_draft())
    later = await shop.api.change("/payments", made, {"action": "setKey", "key": "one"})
    _, told = await shop.control("GET", f"/payments/{made['id']}/history")
    assert told["versions"] == [made, later]


async def test_the_control_api_is_not_for_browsers(shop: Shop):
    assert (await shop.control("GET", "/requests", Origin="https://evil.example"))[0] == 403
    assert (await shop.control("POST", "/faults", {"kind": "bogus"}))[0] == 400
    assert (await shop.control("POST", "/checkouts", {"amount": {"centAmount": 1}}))[0] == 400
    assert (await shop.control("GET", "/bogus"))[0] == 404
    async with shop.api.session.post(f"{shop.api.url}/__control/faults", data=b"{") as response:
        assert response.status == 400


async def test_replies_bear_no_cors_headers(shop: Shop):
    headers = {"Authorization": f"Bearer {shop.api.token}", "Origin": "https://shop.example"}
    async with shop.api.session.get(f"{shop.api.url}/demo/payments", headers=headers) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_head_tells_whether_there_is_something(shop: Shop):
    made = await shop.api.make("/payments", payment_draft(key="one"))
    found = [
        await shop.api.call("HEAD", path) for path in (f"/payments/{made['id']}", "/payments/key=one", "/payments/none")
    ]
    assert [answer.status for answer in found] == [200, 200, 404]
    for where, status in (('key = "one"', 200), ('key = "two"', 404)):
        assert (await shop.api.call("HEAD", "/payments", query={"where": where})).status == status


async def test_a_method_that_is_not_possible_is_405(shop: Shop):
    assert (await shop.api.call("PUT", "/payments")).status == 405
    assert (await shop.api.call("DELETE", "/payments")).status == 405


async def test_an_order_is_found_by_its_number(shop: Shop):
    cart = await shop.api.make("/carts", cart_draft())
    draft = {"cart": {"typeId": "cart", "id": cart["id"]}, "version": 1, "orderNumber": "N-1"}
    made = await shop.api.make("/orders", draft)
    assert (await shop.api.get("/orders/order-number=N-1")).body == made


# The process


def test_the_process_says_when_it_is_ready_and_stops_when_it_is_told():
    with commercetools_process() as url:
        assert url.startswith("http://127.0.0.1:")
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-m", "sandbox.commercetools", "--port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"] == "commercetools"
            process.send_signal(number)
            _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


async def test_a_port_that_is_taken_is_named():
    async with running_commercetools() as running:
        command = [sys.executable, "-m", "sandbox.commercetools", "--port", str(running.port)]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=20
        )
    assert done.returncode == 1
    assert str(running.port) in done.stderr
    assert "--port" in done.stderr
