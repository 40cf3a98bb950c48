"""What Sandbox Pay is asked, to the letter: paths, bodies and keys; and by which words an error names the request."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import aiohttp
import pytest
from pydantic import SecretStr
from support.prose import reads_well
from support.scripted_server import json as answer
from support.scripted_server import scripted

from psp.errors import OutcomeUnknownError, RefusedError
from psp.facts import Reference
from psp.http import Patience
from psp.money import Money
from psp.port import (
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    ForgetRequest,
    ListRequest,
    LookupRequest,
    RefundRequest,
)
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import KeySpentError, SandboxApi
from psp.stored import Initiator

AUTHORIZATION = Reference(project_key="demo", payment_id="p-1", transaction_id="t-0")
OURS = Reference(project_key="demo", payment_id="p-1", transaction_id="t-1")
METADATA = {"project_key": "demo", "payment_id": "p-1", "transaction_id": "t-1"}
EUROS = {"amount": 4200, "currency": "EUR"}
NAMES = {"merchant_reference": "p-1.t-1", "metadata": METADATA}
MERCHANTS = {"merchant_reference": "Order 1", "metadata": METADATA}
PAID = {"reference": OURS, "payment_reference": "pay_1"}
AMOUNT = Money(amount=4200, currency="EUR")
CARD = {
    "reference": OURS,
    "amount": AMOUNT,
    "method": "card",
    "token": SecretStr("tok_1"),
    "return_url": "https://shop.test/back",
}
CARD_BODY = EUROS | NAMES | {"token": "tok_1", "return_url": "https://shop.test/back", "capture_method": "manual"}
SPAN = {"since": datetime(2026, 3, 1, tzinfo=UTC), "until": datetime(2026, 3, 2, tzinfo=UTC)}
SPAN_QUERY = "from=2026-03-01T00:00:00%2B00:00&to=2026-03-02T00:00:00%2B00:00&limit=100"

#: What is wanted -> method, path, body, key; and how an error names it.
ASKED = {
    "authorize": (
        lambda one: one.authorize(AuthorizeRequest(**CARD)),
        ("POST", "/v1/payments", CARD_BODY, "t-1"),
        "POST /v1/payments",
    ),
    "authorize with all there is": (
        lambda one: one.authorize(
            AuthorizeRequest(**CARD, initiator=Initiator.MERCHANT, store_for="customer-1", merchant_reference="Order 1")
        ),
        (
            "POST",
            "/v1/payments",
            CARD_BODY | {"initiator": "merchant", "store_for": "customer-1", "description": "Order 1"},
            "t-1",
        ),
        "POST /v1/payments",
    ),
    "complete": (
        lambda one: one.complete(CompleteRequest(**PAID, parameters={"result": "res_1"})),
        ("POST", "/v1/payments/pay_1/complete", {"result": "res_1"}, None),
        "POST /v1/payments/{id}/complete",
    ),
    "capture": (
        lambda one: one.capture(CaptureRequest(**PAID, amount=AMOUNT)),
        ("POST", "/v1/payments/pay_1/captures", EUROS | NAMES, "t-1"),
        "POST /v1/payments/{id}/captures",
    ),
    "capture under the merchant's name": (
        lambda one: one.capture(CaptureRequest(**PAID, amount=AMOUNT, merchant_reference="Order 1")),
        ("POST", "/v1/payments/pay_1/captures", EUROS | MERCHANTS, "t-1"),
        "POST /v1/payments/{id}/captures",
    ),
    "refund": (
        lambda one: one.refund(RefundRequest(**PAID, amount=AMOUNT)),
        ("POST", "/v1/payments/pay_1/refunds", EUROS | NAMES, "t-1"),
        "POST /v1/payments/{id}/refunds",
    ),
    "refund of a capture under the merchant's name": (
        lambda one: one.refund(
            RefundRequest(**PAID, amount=AMOUNT, capture_reference="cap_1", merchant_reference="Order 1")
        ),
        ("POST", "/v1/payments/pay_1/refunds", EUROS | MERCHANTS | {"capture": "cap_1"}, "t-1"),
        "POST /v1/payments/{id}/refunds",
    ),
    "cancel": (
        lambda one: one.cancel(CancelRequest(**PAID, authorization=AUTHORIZATION, amount=AMOUNT)),
        ("POST", "/v1/payments/pay_1/cancel", NAMES, "t-1"),
        "POST /v1/payments/{id}/cancel",
    ),
    "cancel by our reference under the merchant's name": (
        lambda one: one.cancel(
            CancelRequest(
                reference=OURS,
                payment_reference=None,
                authorization=AUTHORIZATION,
                amount=AMOUNT,
                merchant_reference="Order 1",
            )
        ),
        ("POST", "/v1/cancels", MERCHANTS | {"payment_merchant_reference": "p-1.t-0"}, "t-1"),
        "POST /v1/cancels",
    ),
    "forget": (
        lambda one: one.forget(ForgetRequest(token=SecretStr("pm_1"))),
        ("POST", "/v1/stored_methods/forget", {"id": "pm_1"}, None),
        "POST /v1/stored_methods/forget",
    ),
    "look up": (
        lambda one: one.lookup(LookupRequest(**PAID, authorization=AUTHORIZATION)),
        ("GET", "/v1/payments/pay_1", None, None),
        "GET /v1/payments/{id}",
    ),
    "look up by our reference": (
        lambda one: one.lookup(LookupRequest(reference=OURS, payment_reference=None, authorization=AUTHORIZATION)),
        ("GET", "/v1/payments?merchant_reference=p-1.t-0", None, None),
        "GET /v1/payments?merchant_reference=",
    ),
    "the first page": (
        lambda one: one.page(ListRequest(**SPAN)),
        ("GET", f"/v1/ledger?{SPAN_QUERY}", None, None),
        "GET /v1/ledger",
    ),
    "a later page": (
        lambda one: one.page(ListRequest(**SPAN, cursor="cur_1")),
        ("GET", f"/v1/ledger?{SPAN_QUERY}&cursor=cur_1", None, None),
        "GET /v1/ledger",
    ),
}


@pytest.fixture
async def psp():
    """At an address with a path of its own and a slash at its end."""
    async with scripted() as server, aiohttp.ClientSession() as session:
        api = SandboxApi(
            session=session,
            draw=lambda: 0.0,
            url=f"{server.url}/X/",
            secret_key=SecretStr("sk_1"),
            patience=Patience(tries=1),
        )
        yield server, SandboxAdapter(api)


@pytest.mark.parametrize("wanted", ASKED)
async def test_a_request_says_this_and_an_error_names_it_without_ids(psp, wanted):
    server, adapter = psp
    ask, (method, path, body, key), named = ASKED[wanted]
    with pytest.raises(OutcomeUnknownError) as caught:
        await ask(adapter)
    (asked,) = server.asked
    assert (asked.method, asked.raw_path, asked.headers.get("idempotency-key")) == (method, f"/X{path}", key)
    assert (json.loads(asked.body) if asked.body else None) == body
    assert asked.headers["authorization"] == "Bearer sk_1"
    assert asked.headers["content-type"] == "application/json"
    assert f"The answer to {named} (404)" in str(caught.value)
    assert reads_well(caught.value)


REFUSED = {
    "unsupported_method": lambda one: one.authorize(AuthorizeRequest(**CARD | {"method": "x" * 100})),
    "token_missing": lambda one: one.authorize(AuthorizeRequest(**CARD | {"token": None})),
    "result_missing": lambda one: one.complete(CompleteRequest(**PAID)),
    "payment_not_found": lambda one: one.capture(
        CaptureRequest(reference=OURS, payment_reference="../x", amount=AMOUNT)
    ),
}


@pytest.mark.parametrize("code", REFUSED)
async def test_what_cannot_be_asked_is_refused_in_a_sentence_and_nobody_is_asked(psp, code):
    server, adapter = psp
    with pytest.raises(RefusedError) as caught:
        await REFUSED[code](adapter)
    assert caught.value.code == code
    assert reads_well(caught.value.message)
    assert "x" * 41 not in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "error", "kind", "told"),
    [
        (400, {"code": "odd", "message": "why"}, RefusedError, "The PSP refused: why (odd)."),
        (409, {"code": "odd", "message": "why"}, RefusedError, "The PSP refused: why (odd)."),
        (
            409,
            {"code": "idempotency_key_in_progress", "message": "why"},
            OutcomeUnknownError,
            "The PSP is still at an earlier try of POST /v1/payments/{id}/captures. Ask again later.",
        ),
        (
            400,
            {"code": "idempotency_key_in_progress", "message": "why"},
            RefusedError,
            "The PSP refused: why (idempotency_key_in_progress).",
        ),
        (
            422,
            {"code": "idempotency_key_reused", "message": "why"},
            KeySpentError,
            "The key of POST /v1/payments/{id}/captures was used for another request. Look up what became of that.",
        ),
    ],
)
async def test_an_error_of_the_psp_is_told_by_what_it_leaves_open(psp, status, error, kind, told):
    server, adapter = psp
    server.on("/X/v1/payments/pay_1/captures", answer({"error": error}, status=status))
    with pytest.raises(kind) as caught:
        await ASKED["capture"][0](adapter)
    assert type(caught.value) is kind
    assert str(caught.value) == told


async def test_a_409_that_is_not_the_psps_proves_nothing(psp):
    server, adapter = psp
    server.on("/X/v1/payments/pay_1/captures", answer({}, status=409))
    with pytest.raises(OutcomeUnknownError, match=r"\(409\) is not the PSP's"):
        await ASKED["capture"][0](adapter)


async def test_without_a_patience_of_its_own_it_has_everybodys(psp):
    server, _ = psp
    server.on("/v1/payments/pay_1", answer({}, status=500))
    async with aiohttp.ClientSession() as session:
        api = SandboxApi(session=session, draw=lambda: 0.0, url=server.url, secret_key=SecretStr("sk_1"))
        with pytest.raises(OutcomeUnknownError, match="answered 500"):
            await ASKED["look up"][0](SandboxAdapter(api))
    assert len(server.asked) == Patience().tries
