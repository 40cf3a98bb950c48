"""Canaries: secrets sent down every way there is, and looked for everywhere that somebody could see them.

They may be in one place alone: a payment token in its field of its message. The PSP and commercetools are assumed to be
at their worst: they answer with everything that they were told, our keys included.
"""

from __future__ import annotations

import base64
import json

import pytest
from aiohttp import web
from security.errands import HEADERS, Secrets, acquainted, everything
from security.product import CVC, PAN, open_product

from bus.messages import AuthorizePayment, decode
from handlers import app
from workers import runtime

TOKEN = "tok_canary_5f1d2c7b"
SESSION, BEARER, KEY = "session-canary-8e21", "bearer-canary-77b0", "key-canary-1c2d"


@pytest.fixture
async def product(monkeypatch):
    async with open_product(monkeypatch) as found:
        yield found


def canaries(product, **more):
    """Everything that must be nowhere."""
    environment = product.environment
    # The shop's own secret is none of the connector's.
    known = {name: environment[name] for name in environment if "SECRET" in name and not name.startswith("SHOP")}
    login = f"{environment['CTP_CLIENT_ID']}:{environment['CTP_CLIENT_SECRET']}"
    return {
        **known,
        "basic": base64.b64encode(login.encode()).decode(),
        "webhook key": environment["SANDBOX_PSP_WEBHOOK_SECRETS"].removeprefix("whsec_"),
        "merchant's token": product.merchant,
        "a person's token": product.person,
        "card": PAN,
        "written card": "4242 4242 4242 4242",
        "security code": CVC,
        "token": TOKEN,
        "session": SESSION,
        "bearer": BEARER,
        "key": KEY,
        **{f"our access token {number}": token for number, token in enumerate(_access_tokens(product))},
        **more,
    }


def _access_tokens(product):
    return [one for one in product.commercetools.house.front.tokens._grants if one != product.merchant]


async def test_a_payment_with_a_real_token_leaves_no_trace_of_token_or_card(product):
    token, session = await product.token(), await product.checkout()
    _, reply = await product.pay(token, session)
    assert reply["outcome"] == "approved", reply
    payment = reply["paymentReference"]
    for action, amount in (("capturePayment", 2000), ("refundPayment", 500), ("cancelPayment", None)):
        status, text = await product.modify(payment, action, amount)
        assert (status, json.loads(text)["outcome"]) == (200, "approved")
    await product.ask("GET", f"/payments/{reply['operation']}", headers={"X-Session-Id": session})
    for event in list(product.psp.house.outbox.events.values()):
        body = json.dumps({"id": event.id, "type": event.type, "created": "x", "data": dict(event.data)})
        status, _ = await product.notify(body.encode())
        assert status == 200
    await product.handled()
    messages = [decode(one.data) for one in product.bus.log if b"AuthorizePayment" in one.data]
    assert {one.token.get_secret_value() for one in messages if isinstance(one, AuthorizePayment)} == {token}
    assert product.found(canaries(product, token=token, session=session)) == {}


def said(asked):
    """What was asked, as a text for people."""
    return f"This was refused: {asked}"


PSP_ANSWERS = {
    **{
        f"{status} of the PSP's": lambda asked, status=status: web.json_response(
            {"error": {"code": said(asked)[:60], "message": said(asked), "decline_code": said(asked)}}, status=status
        )
        for status in (400, 401, 402, 403, 404, 409, 422, 429, 500, 503)
    },
    "a code and no more": lambda asked: web.json_response({"error": {"code": asked, "message": ""}}, status=402),
    "success of another shape": lambda asked: web.json_response({"said": asked}),
    "success of odd types": lambda asked: web.json_response({"id": [asked], "status": {"a": asked}, "metadata": asked}),
    "broken JSON": lambda asked: web.Response(text=f'{{"error": "{asked}', content_type="application/json"),
    "a page": lambda asked: web.Response(text=f"<h1>{asked}</h1>", content_type="text/html", status=502),
    "a redirect": lambda asked: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/" + asked[:40]}),
}
COMMERCETOOLS_ANSWERS = {
    **{
        f"{status} of commercetools'": lambda asked, status=status: web.json_response(
            {
                "statusCode": status,
                "message": said(asked),
                "error": said(asked),
                "error_description": said(asked),
                "errors": [{"code": "InvalidOperation", "message": said(asked), "field": said(asked)}],
            },
            status=status,
        )
        for status in (400, 401, 403, 404, 409, 413, 429, 500, 503)
    },
    "a duplicate": lambda asked: web.json_response(
        {"statusCode": 400, "message": asked, "errors": [{"code": "DuplicateField", "message": asked, "field": asked}]},
        status=400,
    ),
    "success of another shape": lambda asked: web.json_response({"said": asked, "id": asked, "version": asked}),
    "success of odd types": lambda asked: web.json_response({"id": [asked], "transactions": asked, "version": 1}),
    "a list": lambda asked: web.json_response([asked]),
    "broken JSON": lambda asked: web.Response(text=f'{{"id": "{asked}', content_type="application/json"),
    "a page": lambda asked: web.Response(text=f"<h1>{asked}</h1>", content_type="text/html", status=502),
}


SECRETS = Secrets(token=TOKEN, session=SESSION, bearer=BEARER, key=KEY, card=PAN)


async def test_where_nothing_is_wrong_every_route_has_an_answer_that_is_no_refusal_and_none_tells_a_secret(product):
    known = await acquainted(product)

    visit = await everything(product, known, SECRETS, token="tok_approved", wait_s=10)

    assert {route for route, statuses in visit.statuses.items() if min(statuses) >= 400} == set()
    assert "message.crashed" not in product.stream.getvalue()
    assert product.found(canaries(product, session=visit.session)) == {}


@pytest.mark.parametrize("answer", PSP_ANSWERS)
async def test_what_the_psp_quotes_goes_no_further(product, answer):
    known = await acquainted(product)
    _, captured = await product.pay("tok_approved")
    await product.modify(captured["paymentReference"], "capturePayment", 4200)
    product.to_psp.answers = PSP_ANSWERS[answer]
    visit = await everything(product, known, SECRETS)
    await product.modify(captured["paymentReference"], "refundPayment", 300)
    await product.handled()
    assert product.to_psp.answered
    assert product.found(canaries(product, session=visit.session)) == {}


@pytest.mark.parametrize(
    "spelling", [PAN, "4242  4242  4242  4242", "4242.4242.4242.4242", f"card{PAN}", f"pan_{PAN}exp0130"]
)
async def test_what_the_psp_quotes_about_a_decline_goes_no_further(product, spelling):
    known = await acquainted(product)
    # Whatever it has ever been told.
    quoted = f"{TOKEN} {spelling} {CVC} " + " ".join(
        product.environment[name] for name in ("SANDBOX_PSP_SECRET_KEY", "SANDBOX_PSP_WEBHOOK_SECRETS")
    )

    def declined(document):
        if isinstance(document, dict) and document.get("object"):
            document |= {"status": "failed", "failure": {"code": quoted, "decline_code": quoted, "message": quoted}}
        return document

    product.to_psp.changes = declined
    visit = await everything(product, known, SECRETS)
    # The event of a type that nobody knows is one.
    assert any(where.startswith("dead letters") for where, _ in product.traces())
    assert product.found({**canaries(product, session=visit.session), "spelling": spelling}) == {}


@pytest.mark.parametrize("answer", COMMERCETOOLS_ANSWERS)
async def test_what_commercetools_quotes_goes_no_further(product, answer):
    known = await acquainted(product)

    def struck(part):
        return lambda asked: COMMERCETOOLS_ANSWERS[answer](asked) if part(asked) else None

    # First the writes alone, so that the reads before them get somewhere; then everything, sessions and tokens too.
    sessions = {}
    for part in (lambda asked: asked.startswith("POST /demo-shop/payments"), lambda asked: True):
        product.to_commercetools.answers = struck(part)
        visit = await everything(product, known, SECRETS)
        sessions[visit.session] = visit.session
        assert product.found(canaries(product, **sessions)) == {}
    assert product.to_commercetools.answered


async def test_a_bug_that_raises_what_it_holds_tells_nobody(product, monkeypatch):
    known = await acquainted(product)

    async def fail(*_, **__):
        raise RuntimeError(" ".join([*canaries(product).values(), f"Bearer {BEARER}"]))

    for message in list(runtime._HANDLERS):
        monkeypatch.setitem(runtime._HANDLERS, message, fail)
    monkeypatch.setattr("psp.sandbox.reads.SandboxReads.health", fail)
    for looks in ("reconcile.look_up", "reconcile_lists._Run._facts"):
        monkeypatch.setattr(f"workers.{looks}", fail)
    first = await everything(product, known, SECRETS)
    assert "message.crashed" in product.stream.getvalue()
    monkeypatch.setattr("handlers.dispatch.publish", fail)
    second = await everything(product, known, SECRETS)
    assert "request.failed" in product.stream.getvalue()
    assert product.found(canaries(product, session=first.session, another_session=second.session)) == {}


ROUTES = [
    *((method, path.format(operation="op-1", id="p-1", psp="sandbox")) for method, path in app.ROUTES),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
    ("DELETE", "/payments"),
]


def everywhere(canary):
    """The canary in every place of every request: (method, path, options)."""
    for method, path in ROUTES:
        yield method, f"{path}?{canary}", {}
        yield method, f"{path}?a={canary}&state={canary}", {}
        yield method, f"{path}/{canary}", {}
        yield method, path.replace("op-1", canary).replace("p-1", canary).replace("sandbox", canary), {}
        for field in HEADERS:
            # A correlation id is the caller's to choose and ours to tell; only a card number is none.
            if field != "X-Correlation-ID" or canary == PAN:
                yield method, path, {"headers": {field: canary}}
        for body in ({"data": canary}, {"json": canary}, {"json": [canary]}, {"json": {canary: canary}}):
            yield method, path, body
        yield method, path, {"data": {"state": canary, canary: "1"}}
        yield method, path, {"json": {"paymentMethod": {"type": canary, "token": canary, "more": [canary]}}}
        yield method, path, {"json": {"actions": [{"action": canary, "amount": canary, "merchantReference": canary}]}}


async def test_a_stranger_who_sends_secrets_to_every_place_of_every_route_leaves_no_trace(product):
    before = len(product.bus.log)
    for canary in (TOKEN, SESSION, BEARER, KEY, PAN):
        for method, path, options in everywhere(canary):
            status, _ = await product.ask(method, path, **options)
            # Nor is it for how often somebody asks that they are refused.
            assert (status < 500 and status != 429) or path.startswith("/health"), (method, path, options)
    assert len(product.bus.log) == before
    assert product.found({"token": TOKEN, "session": SESSION, "bearer": BEARER, "key": KEY, "card": PAN}) == {}
    # Not even to commercetools, who is asked who that is.
    assert not any(PAN in sent for sent in [*product.to_commercetools.carried, *product.to_psp.carried])
