"""GET and POST /payments/{operation}/return: believed by the state we signed, and never an open redirect."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from pydantic import SecretStr

from bus.messages import CompleteAuthorization
from handlers.dependencies import Limits
from handlers.errors import RequestError
from handlers.returns import State, is_web_url, read_state, sign_state, with_result
from psp.facts import Action, ActionType
from psp.outcome import Outcome, Standing

SECRET = SecretStr("return-secret")
STATE = State(operation="op-1", cart_id="cart-1", merchant_return_url="https://shop.example/done")


async def _back(ingress, state=STATE, *, secret=SECRET, operation="op-1", query="", form=None, **options):
    path = f"/payments/{operation}/return?state={sign_state(state, secret)}{query}"
    return await ingress.ask("GET" if form is None else "POST", path, data=form, **options)


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (
            Standing(outcome=Outcome.APPROVED, payment_reference="p-1"),
            {"paymentReference": ["p-1"], "outcome": ["approved"]},
        ),
        (
            Standing(outcome=Outcome.REJECTED, payment_reference="p-1"),
            {"paymentReference": ["p-1"], "outcome": ["rejected"]},
        ),
        (
            Standing(outcome=Outcome.REFUSED, payment_reference="p-1"),
            {"paymentReference": ["p-1"], "outcome": ["rejected"]},
        ),
        (
            Standing(
                outcome=Outcome.ACTION,
                payment_reference="p-1",
                action=Action(type=ActionType.REDIRECT, url="https://psp.example"),
            ),
            {"paymentReference": ["p-1"], "outcome": ["action"]},
        ),
        (
            Standing(outcome=Outcome.PENDING, payment_reference="p&1"),
            {"paymentReference": ["p&1"], "outcome": ["pending"]},
        ),
        (Standing(outcome=Outcome.NOT_FOUND), {"outcome": ["rejected"]}),
        (Standing(outcome=Outcome.KEY_REUSED), {"outcome": ["rejected"]}),
        (None, {"outcome": ["pending"]}),
    ],
)
async def test_the_shopper_goes_on_to_the_merchants_page_with_the_outcome(ingress, world, standing, told):
    world.standing = standing
    response, _ = await _back(ingress)
    assert response.status == 303
    location = urlsplit(response.headers["Location"])
    assert (location.scheme, location.netloc, location.path) == ("https", "shop.example", "/done")
    assert parse_qs(location.query) == told
    # The state is in this page's address: nobody after us needs to know it.
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("form", [None, {"PaRes": "eJz=", "state": "the PSP's own"}])
async def test_what_the_psp_sent_along_goes_to_the_worker(ingress, world, form):
    await _back(ingress, query="&redirectResult=X%2FY%3D&empty=", form=form)
    command = world.message
    assert isinstance(command, CompleteAuthorization)
    assert (command.operation, command.cart_id, command.owner) == ("op-1", "cart-1", None)
    assert command.parameters == {"redirectResult": "X/Y=", "empty": ""} | (form or {})


async def test_a_session_pays_leaves_and_comes_back_by_the_url_that_was_published(ingress, world):
    await ingress.pay()
    authorize = world.message
    response, _ = await ingress.ask("GET", authorize.return_url.removeprefix("https://pay.example"))
    assert response.status == 303
    assert response.headers["Location"] == "https://shop.example/done?lang=de&outcome=pending#top"
    complete = world.messages[1]
    assert (complete.operation, complete.cart_id) == (authorize.command_id, authorize.cart_id)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome.APPROVED, "The payment is approved."),
        (Outcome.REJECTED, "The payment was not accepted."),
        (Outcome.ACTION, "The payment needs one more step in the shop."),
        (None, "The payment is under way."),
    ],
)
async def test_a_shop_without_a_page_gets_ours_which_runs_nothing(ingress, world, outcome, text):
    world.standing = Standing(outcome=outcome, payment_reference="<p>") if outcome else None
    response, _ = await _back(
        ingress, State(operation="op-1", cart_id="c", merchant_return_url=None), query="&x=<script>"
    )
    assert (response.status, response.content_type) == (200, "text/html")
    page = await response.text()
    assert text in page
    assert not [word for word in ("<script", "style", "http:", "https:", "<p><p>") if word in page]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("wanted", "language", "text"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Die Zahlung ist bestätigt."),
        ("fr-FR, de;q=0.5", "de", "Die Zahlung ist bestätigt."),
        ("fr", "en", "The payment is approved."),
        ("", "en", "The payment is approved."),
    ],
)
async def test_our_page_speaks_the_shoppers_language_and_says_which(ingress, world, wanted, language, text):
    world.standing = Standing(outcome=Outcome.APPROVED, payment_reference="p-1")
    state = State(operation="op-1", cart_id="c", merchant_return_url=None)
    response, _ = await _back(ingress, state, headers={"Accept-Language": wanted})
    page = await response.text()
    assert f'<html lang="{language}">' in page
    assert f"<main>\n<h1>{text}</h1>" in page


async def test_the_configured_page_serves_sessions_that_name_none(serve, world):
    world.session = replace(world.session, merchant_return_url=None)
    ingress = await serve(merchant_return_url="https://shop.example/fallback")
    await ingress.pay()
    response, _ = await ingress.ask("GET", world.message.return_url.removeprefix("https://pay.example"))
    assert response.headers["Location"] == "https://shop.example/fallback?outcome=pending"


async def test_the_result_that_comes_in_time_is_told(serve, world):
    ingress = await serve(limits=Limits(return_wait_s=30))
    back = asyncio.create_task(_back(ingress))
    await world.happened.wait()
    await world.deliver(world.message.command_id, Standing(outcome=Outcome.APPROVED, payment_reference="p-1"))
    response, _ = await back
    assert response.headers["Location"] == "https://shop.example/done?paymentReference=p-1&outcome=approved"


async def test_a_return_that_the_bus_did_not_confirm_is_a_503_to_be_loaded_again(ingress, world):
    world.publishing_fails = True
    response, _ = await _back(ingress)
    assert response.status == 503


def _forged():
    good = sign_state(STATE, SECRET)
    payload, signature = good.split(".")
    evil = State(operation="op-1", cart_id="cart-1", merchant_return_url="https://evil.example")
    evil_payload, evil_signature = sign_state(evil, SecretStr("guess")).split(".")
    yield from (
        "",
        ".",
        payload,
        f"{payload}.",
        f".{signature}",
        signature,
        f"{good}.",
        f"{good}=",
        f" {good}",
        f"{good}\n",
    )
    yield f"{evil_payload}.{evil_signature}"
    yield f"{evil_payload}.{signature}"
    yield f"{payload}.{'A' * 43}"
    yield f"{payload}.{signature[:-1]}"
    yield f"{payload}=.{signature}"
    yield f"{'A' * 5000}.{signature}"
    yield good.swapcase()
    yield "\ud800.\ud800"
    yield "ä.ä"


def _flipped():
    good = sign_state(STATE, SECRET)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(good):
        for bit in range(6):
            if letter != ".":
                yield good[:place] + alphabet[alphabet.index(letter) ^ (1 << bit)] + good[place + 1 :]


def test_no_state_that_we_did_not_sign_is_read():
    for text in [*_forged(), *_flipped()]:
        with pytest.raises(RequestError):
            read_state(text, SECRET)
    assert read_state(sign_state(STATE, SECRET), SECRET) == STATE


async def test_a_forged_state_is_a_400_and_publishes_nothing(ingress, world):
    for text in _forged():
        if text.isascii():
            for method in ("GET", "POST"):
                response, body = await ingress.ask(method, f"/payments/op-1/return?state={quote(text)}", data=b"{" * 9)
                assert (response.status, body["errors"][0]["field"]) == (400, "state")
                assert "Location" not in response.headers
    state = sign_state(STATE, SECRET)
    for query in ("", f"state={state}&state={state}", f"State={state}", "state=%ff.%ff"):
        response, _ = await ingress.ask("GET", f"/payments/op-1/return?{query}")
        assert response.status == 400
    assert world.published == []


#: What Chromium sends when somebody goes to an address.
_BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("wanted", "text"), [("en", "This link does not lead anywhere."), ("de-AT", "Dieser Link führt nirgendwohin.")]
)
async def test_a_shopper_with_a_cut_link_reads_a_page_that_says_where_to_look(ingress, world, wanted, text):
    cut = sign_state(STATE, SECRET)[:-1]
    headers = {**_BROWSER, "Accept-Language": wanted, "X-Correlation-ID": "the-visit"}
    response, _ = await ingress.ask("GET", f"/payments/op-1/return?state={cut}", headers=headers)
    assert (response.status, response.content_type) == (400, "text/html")
    page = await response.text()
    assert text in page
    assert "<code>the-visit</code>" in page
    assert cut not in page
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert world.published == []


async def test_a_shopper_whose_return_was_not_taken_up_reads_that_loading_again_is_safe(ingress, world, logs):
    world.publishing_fails = True
    response, _ = await _back(ingress, headers=_BROWSER)
    assert (response.status, response.content_type, response.headers["Retry-After"]) == (503, "text/html", "1")
    assert "You will not pay twice." in await response.text()
    assert [one["type"] for one in logs if one["event"] == "request.failed"] == ["PublishError"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/json", "text/plain", ""])
async def test_programs_get_json_for_what_is_wrong(ingress, accept):
    response, body = await ingress.ask("GET", "/payments/op-1/return?state=cut", headers={"Accept": accept})
    assert (response.status, response.content_type, body["statusCode"]) == (400, "application/json", 400)


async def test_a_state_is_good_for_its_own_operation_alone(ingress, world):
    response, _ = await _back(ingress, operation="op-2")
    assert response.status == 400
    assert world.published == []


async def test_nothing_in_the_request_moves_the_redirect(ingress):
    elsewhere = "https://evil.example"
    response, _ = await _back(
        ingress,
        query=f"&merchant_return_url={elsewhere}&returnUrl={elsewhere}&redirect={elsewhere}",
        form={"return_url": elsewhere, "location": elsewhere},
        headers={"X-Forwarded-Host": "evil.example", "Referer": elsewhere},
    )
    assert response.headers["Location"] == "https://shop.example/done?outcome=pending"


@pytest.mark.parametrize(
    "query",
    [
        "&" + "&".join(f"p{number}=v" for number in range(33)),
        "&a=" + "v" * 8193,
        "&" + "n" * 129 + "=v",
        "&=v",
        "&a=1&a=2",
        "&a=4111%201111%201111%201111",
        "&4111111111111111=a",
        "&cvc=123",
    ],
)
async def test_what_comes_along_is_bounded_and_free_of_card_data(ingress, world, logs, query):
    response, _ = await _back(ingress, query=query)
    assert response.status == 400
    response, _ = await _back(
        ingress, form=query[1:].encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert response.status == 400
    assert world.published == []
    assert not any(digits in str(logs) for digits in ("11111111", "1111 1111", "1111%201111"))


async def test_a_form_that_is_none_is_refused(ingress, world):
    for content_type, form in (
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
    ):
        response, body = await _back(ingress, form=form, headers={"Content-Type": content_type})
        assert (response.status, body["errors"][0]["code"]) == (400, "InvalidJsonInput")
    assert world.published == []


async def test_a_look_without_a_visit_completes_nothing(ingress, world):
    response, _ = await ingress.ask("HEAD", f"/payments/op-1/return?state={sign_state(STATE, SECRET)}")
    assert response.status == 405
    assert world.published == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "/done",
        "//evil.example",
        "https:evil.example",
        "https://",
        "https:///done",
        "http://:80/",
        "https://shop.example:port/",
        "https://[::1",
        "https://user:password@shop.example/",
        "https://shop.example@evil.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/ a",
        "\thttps://shop.example/",
        "https://shöp.example/",
        'https://shop.example/"onclick',
        "javascript:alert(1)",
        "JAVASCRIPT://shop.example/%0aalert(1)",
        "data:text/html,hello",
        "file:///etc/passwd",
        "shop://done",
        "https://shop.example/" + "a" * 1024,
    ],
)
def test_what_is_no_web_page_is_no_return_url(url):
    assert not is_web_url(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example", "https://shop.example?paymentReference=p-1&outcome=approved"),
        ("http://localhost:3000/#/done", "http://localhost:3000/?paymentReference=p-1&outcome=approved#/done"),
        ("https://s.example/a?b=%20c&d", "https://s.example/a?b=%20c&d&paymentReference=p-1&outcome=approved"),
        ("https://s.example/?outcome=rejected&x=1", "https://s.example/?x=1&paymentReference=p-1&outcome=approved"),
        ("https://s.example/?%6Futcome=a&", "https://s.example/?paymentReference=p-1&outcome=approved"),
    ],
)
def test_the_merchants_url_keeps_what_it_has(url, expected):
    assert is_web_url(url)
    assert with_result(url, payment_reference="p-1", outcome="approved") == expected


def test_the_state_hides_nothing_and_needs_no_hiding():
    payload = sign_state(STATE, SECRET).partition(".")[0]
    told = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert set(told) == {"operation", "cart_id", "merchant_return_url"}
