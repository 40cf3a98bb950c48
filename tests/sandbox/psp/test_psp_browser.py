"""The pages of Sandbox Pay in a real browser: fields in a frame of a shop on another origin, and the challenge."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright, expect
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, running_psp

from sandbox.psp.server import Running

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]

#: A shop's page: frames whatever it is told to, and keeps every message with the origin it came from.
SHOP = """<!doctype html><html lang="en"><title>Shop</title><iframe id="psp" title="Card"></iframe><script>
window.messages = [];
addEventListener("message", (event) => messages.push({ origin: event.origin, ...event.data }));
window.embed = (url) => { document.getElementById("psp").src = url; };
window.say = (message) => document.getElementById("psp").contentWindow.postMessage(message, "*");
</script></html>"""


@asynccontextmanager
async def shop() -> AsyncIterator[str]:
    """A shop on an origin of its own."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=SHOP, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Visit:
    """A shopper in the shop."""

    def __init__(self, page: Page, shop_url: str, psp: Running) -> None:
        self.page = page
        self.shop_url = shop_url
        self.psp = psp
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open_fields(self, *, origin: str | None = None, **query: str):
        await self.page.goto(self.shop_url)
        pairs = {"publishable_key": PUBLISHABLE_KEY, "origin": origin or self.shop_url, **query}
        await self.embed("/fields?" + "&".join(f"{name}={value.replace('#', '%23')}" for name, value in pairs.items()))
        return self.page.frame_locator("#psp")

    async def embed(self, path: str) -> None:
        await self.page.evaluate("url => embed(url)", self.psp.url + path)

    async def message(self, kind: str):
        handle = await self.page.wait_for_function("kind => messages.findLast((each) => each.type === kind)", arg=kind)
        return await handle.json_value()

    async def pay(self, token: str) -> dict:
        body = {
            "amount": 4200,
            "currency": "EUR",
            "token": token,
            "merchant_reference": "m",
            "return_url": f"{self.shop_url}/back?order=1",
        }
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.psp.url}/v1/payments", json=body, headers=headers) as response,
        ):
            return await response.json()


@asynccontextmanager
async def visit() -> AsyncIterator[Visit]:
    async with (
        shop() as shop_url,
        running_psp() as psp,
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else []
        ) as browser,
    ):
        yield Visit(await browser.new_page(), shop_url, psp)


async def test_a_card_becomes_a_token_and_only_the_token_reaches_the_shop():
    async with visit() as it:
        fields = await it.open_fields(accent="#aa0000", locale="en")
        assert (await it.message("ready"))["origin"] == it.psp.url
        number = fields.get_by_label("Card number")
        await number.press_sequentially("4242424242424242")
        await expect(number).to_have_value("4242 4242 4242 4242")
        await fields.get_by_label("Expiry date").press_sequentially("1299")
        await expect(fields.get_by_label("Expiry date")).to_have_value("12 / 99")
        assert (await it.message("change"))["complete"] is False
        await fields.get_by_label("Security code").press_sequentially("123")
        await it.page.wait_for_function("() => messages.some((each) => each.type === 'change' && each.complete)")
        change = await it.message("change")
        assert (change["brand"], change["last4"]) == ("Visa", "4242")
        await fields.get_by_label("Security code").press("Enter")
        await it.message("submit")
        await it.page.evaluate("say({ type: 'tokenize', id: 'a1' })")
        token = await it.message("token")
        assert (token["id"], token["card"]) == ("a1", {"brand": "Visa", "last4": "4242", "expiry": "12/99"})
        assert "4242424242424242" not in str(await it.page.evaluate("messages"))
        assert (await it.pay(token["token"]))["status"] == "authorized"
        assert (await it.message("height"))["height"] > 100
        accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
        assert await it.page.frames[1].evaluate(accent) == "#aa0000"
        assert it.complaints == []


async def test_the_fields_say_what_is_wrong_and_take_the_focus_there():
    async with visit() as it:
        fields = await it.open_fields(locale="de")
        await it.message("ready")
        await fields.get_by_label("Kartennummer").press_sequentially("4242424242424241")
        await it.page.evaluate("say({ type: 'tokenize', id: 'a1' })")
        error = await it.message("error")
        assert (error["id"], error["code"], error["fields"]) == ("a1", "incomplete", ["number", "expiry", "cvc"])
        number = fields.get_by_label("Kartennummer")
        await expect(number).to_be_focused()
        await expect(number).to_have_attribute("aria-invalid", "true")
        await expect(fields.get_by_text("Bitte die Kartennummer prüfen.")).to_be_visible()
        for text in ("4000000000000002", "1299", "123"):
            await it.page.keyboard.press("Control+A")
            await it.page.keyboard.type(text)
            await it.page.keyboard.press("Tab")
        await it.page.evaluate("say({ type: 'tokenize', id: 'a2' })")
        assert (await it.message("token"))["card"]["last4"] == "0002"


async def test_a_card_that_is_no_test_card_is_refused_in_the_frame():
    async with visit() as it:
        fields = await it.open_fields()
        await it.message("ready")
        await fields.get_by_label("Card number").fill("4111111111111111")
        await fields.get_by_label("Expiry date").fill("1299")
        await fields.get_by_label("Security code").fill("123")
        await it.page.evaluate("say({ type: 'tokenize', id: 'a1' })")
        assert (await it.message("error"))["code"] == "not_a_test_card"


async def test_fields_can_be_disabled_while_a_payment_is_under_way():
    async with visit() as it:
        fields = await it.open_fields()
        await it.message("ready")
        await it.page.evaluate("say({ type: 'disable' })")
        await expect(fields.get_by_label("Card number")).to_be_disabled()
        await it.page.evaluate("say({ type: 'enable' })")
        await expect(fields.get_by_label("Card number")).to_be_enabled()


async def test_a_page_that_pretends_to_be_another_gets_neither_frame_nor_messages():
    async with visit() as it:
        await it.open_fields(origin="http://localhost:1")
        async with asyncio.timeout(10):
            while not it.complaints:  # noqa: ASYNC110 - the browser's console has no event to wait on here
                await asyncio.sleep(0.01)
        assert "frame-ancestors" in it.complaints[0]
        assert await it.page.evaluate("messages") == []


async def test_a_challenge_in_a_frame_posts_its_result_to_the_shop_alone():
    async with visit() as it:
        payment = await it.pay("tok_3ds")
        await it.page.goto(it.shop_url)
        await it.embed(f"/challenge/{payment['id']}")
        frame = it.page.frame_locator("#psp")
        await expect(frame.get_by_text("€42.00")).to_be_visible()
        await frame.get_by_role("button", name="Approve").click()
        message = await it.message("challenge")
        assert (message["origin"], message["payment"]) == (it.psp.url, payment["id"])
        assert message["result"] == it.psp.house.books.find(payment["id"]).result
        assert it.complaints == []


async def test_a_challenge_after_a_redirect_takes_the_shopper_back_with_its_result():
    async with visit() as it:
        payment = await it.pay("tok_3ds_redirect")
        await it.page.goto(payment["action"]["url"])
        await it.page.get_by_role("button", name="Refuse").click()
        await it.page.wait_for_url(f"{it.shop_url}/back?**")
        result = it.psp.house.books.find(payment["id"]).result
        assert it.page.url == f"{it.shop_url}/back?order=1&result={result}"
        assert it.psp.house.books.find(payment["id"]).status == "failed"
        assert it.complaints == []


async def test_the_dashboard_opens_a_dispute_and_lets_the_merchant_win_it():
    async with visit() as it:
        payment = await it.pay("tok_approved")
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        body = {"amount": 4200, "merchant_reference": "c"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{it.psp.url}/v1/payments/{payment['id']}/captures", json=body, headers=headers) as response,
        ):
            assert response.status == 201
        await it.page.goto(f"{it.psp.url}/#{payment['id']}")
        await it.page.get_by_role("button", name="Open a dispute").click()
        await it.page.get_by_role("button", name="Merchant wins").click()
        await expect(it.page.get_by_text("won", exact=True)).to_be_visible()
        assert [each.kind for each in it.psp.house.books.effects][-2:] == ["dispute", "dispute_reversed"]
        assert it.complaints == []
