"""A page that is loaded again while the end of its payment is not known, and a library that is pinned by its hash."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web
from playwright.async_api import expect
from support.browsing import results, true
from support.polling import eventually

from enabler.inventory import integrity_of, read_library

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED = "4242424242424242"
OPERATION = "operation-1"
UNDER_WAY = {"paymentReference": None, "outcome": "pending", "operation": OPERATION}
DONE = {"paymentReference": "payment-9", "outcome": "approved", "operation": OPERATION}
DECLINED = DONE | {"outcome": "rejected"}
ASKED = DONE | {"outcome": "action", "action": {"type": "challenge", "url": "https://bank.test/"}}


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


async def left(page, processor, card, answers):
    """Pay, and leave the page when the server has accepted it and said no more. Gives the way back."""
    processor.script["POST /payments"] = [answers["reply"](202, UNDER_WAY)]

    async def deaf(route):
        await route.abort()

    await page.route("**/payments/*", deaf)
    await card(page, APPROVED)
    async with page.expect_request("**/payments/*"):
        await pay_button(page).click()
    return await away(page)


async def away(page):
    """Leave the page at once; gives what comes back to it, in the same tab."""
    url = page.url
    await page.goto("about:blank")
    await page.unroute_all()

    async def back():
        await page.goto(url)

    return back


async def test_what_was_approved_meanwhile_is_told_and_not_paid_again(open_payment, processor, card, answers):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, DONE)]
    await back()
    assert [one["paymentReference"] for one in await results(page)] == ["payment-9"]
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    await expect(pay_button(page)).to_be_hidden()
    await page.evaluate("told.component.submit()")
    assert len(processor.paid()) == 1


async def test_what_is_still_under_way_is_followed_to_its_end(open_payment, processor, card, answers):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, one) for one in (UNDER_WAY, UNDER_WAY, DONE)]
    await back()
    assert [one["paymentReference"] for one in await results(page)] == ["payment-9"]
    assert len(processor.paid()) == 1


@pytest.mark.parametrize(("ended", "told"), [(DECLINED, ["rejected"]), (ASKED, [])])
async def test_what_was_declined_or_given_up_meanwhile_makes_room_for_a_new_attempt(
    *, open_payment, processor, card, answers, ended, told
):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, ended)]
    await back()
    await expect(pay_button(page)).to_be_enabled()
    assert [one["outcome"] for one in await results(page, len(told))] == told
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page, len(told) + 1)] == [*told, "approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_what_was_sent_without_any_answer_is_sent_again_under_the_same_key(open_payment, processor, card):
    page = await open_payment()
    keys = []

    async def swallow(route):
        keys.append(route.request.headers["idempotency-key"])
        await route.abort("connectionreset")

    await page.route("**/payments", swallow)
    await card(page, APPROVED)
    await pay_button(page).click()

    async def sent():
        return bool(keys)

    await eventually(sent, within_s=30)
    back = await away(page)
    await back()
    await expect(pay_button(page)).to_be_enabled()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert {one.headers["idempotency-key"] for one in processor.paid()} == set(keys)


async def test_what_a_tab_remembers_is_no_secret_and_ends_with_the_payment(open_payment, processor, card, answers):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, UNDER_WAY)] * 3
    await back()
    (kept,) = await page.evaluate("Object.values(sessionStorage)")
    token = processor.paid()[0].document["paymentMethod"]["token"]
    assert token not in kept
    assert processor.session not in kept
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, DONE)]
    await results(page)
    assert await page.evaluate("sessionStorage.length") == 0


async def test_a_component_that_replaces_another_in_the_middle_of_a_payment_waits_for_the_same_end(
    open_payment, processor, card
):
    gate = asyncio.Event()

    async def slowly(_, asked):
        await gate.wait()
        return web.json_response(DONE)

    processor.script["POST /payments"] = [slowly]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()

    async def sent():
        return len(processor.paid()) == 1

    await eventually(sent, within_s=30)
    await page.evaluate("""(async () => {
      told.component.unmount();
      await (await enabler.createDropinBuilder("embedded")).build({}).mount("#payment");
    })()""")
    await expect(page.get_by_role("button", name="Paying")).to_be_disabled()
    gate.set()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    assert len(await results(page)) == 1
    assert len(processor.paid()) == 1


async def test_a_browser_that_keeps_nothing_for_us_pays_all_the_same(open_payment, processor, card):
    page = await open_payment()
    await page.evaluate(
        """Object.defineProperty(window, "sessionStorage", { get() { throw new Error("No storage."); } })"""
    )
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_a_shopper_of_another_session_in_the_same_tab_hears_nothing_of_it(open_payment, processor, card, answers):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    await back()
    await true(page, "window.told?.component")
    asked = len(processor.asked)
    await page.evaluate("""(async () => {
      told.component.unmount();
      const other = new Connector.Enabler({ processorUrl: document.body.dataset.processor, sessionId: "somebody-else" });
      await (await other.createDropinBuilder("embedded")).build({}).mount("#payment");
    })()""")
    await expect(pay_button(page)).to_be_enabled()
    assert [one.path for one in processor.asked[asked:] if one.headers["x-session-id"] == "somebody-else"] == [
        "/operations/config"
    ]


async def test_a_page_may_pin_the_library_by_its_hash(open_payment):
    library = read_library()
    name = "connector-enabler.umd.js"
    pin = f'/enabler/{library.release}/{name}" integrity="{integrity_of(library.assets[name].body)}" crossorigin="anonymous"'

    def pinned(text):
        return re.sub(rf'/enabler/{name}"', pin, text)

    page = await open_payment(edit=pinned)
    await expect(pay_button(page)).to_be_enabled()
    assert await page.evaluate("document.scripts[0].integrity.startsWith('sha384-')")
    assert library.release in await page.evaluate("document.scripts[0].src")


async def test_a_submit_while_the_earlier_attempt_is_asked_after_waits_for_that_and_tells_its_end_once(
    open_payment, processor, card, answers
):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    gate = asyncio.Event()

    async def slowly(_, asked):
        await gate.wait()
        return web.json_response(DONE)

    processor.script["GET /payments/{operation}"] = [slowly]
    await back()
    await true(page, "window.told?.component")
    await page.evaluate("window.submitted = told.component.submit(), undefined")
    gate.set()
    await page.evaluate("window.submitted")
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    assert [one["paymentReference"] for one in await results(page)] == ["payment-9"]
    assert await page.evaluate("told.errors") == []
    assert len(processor.paid()) == 1


@pytest.mark.parametrize("status", [400, 404])
async def test_an_earlier_attempt_that_the_server_has_nothing_of_is_forgotten(
    *, open_payment, processor, card, answers, status
):
    page = await open_payment()
    back = await left(page, processor, card, answers)
    processor.script["GET /payments/{operation}"] = [answers["fault"](status, "ResourceNotFound")]
    await back()
    await expect(pay_button(page)).to_be_enabled()
    assert await page.evaluate("sessionStorage.length") == 0
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_a_component_that_is_mounted_again_after_success_says_that_it_is_paid(open_payment, processor, card):
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    await results(page)
    await page.evaluate("told.component.unmount()")
    await page.evaluate("told.component.mount('#payment')")
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    await expect(pay_button(page)).to_be_hidden()
    assert len(await results(page)) == 1
    assert len(processor.paid()) == 1


async def unanswered(page, processor, card):
    """Pay, and leave the page before any answer. Gives the way back, and the key."""
    keys = []

    async def swallow(route):
        keys.append(route.request.headers["idempotency-key"])
        await route.abort("connectionreset")

    await page.route("**/payments", swallow)
    await card(page, APPROVED)
    await pay_button(page).click()

    async def sent():
        return bool(keys)

    await eventually(sent, within_s=30)
    return await away(page), keys[0]


async def test_what_was_approved_without_any_answer_is_found_by_its_key_and_not_paid_again(
    open_payment, processor, card, answers
):
    page = await open_payment()
    back, key = await unanswered(page, processor, card)
    processor.script["GET /payments"] = [answers["reply"](200, DONE)]
    await back()
    assert [one["paymentReference"] for one in await results(page)] == ["payment-9"]
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    (asked,) = processor.of("GET", "/payments")
    assert asked.headers["idempotency-key"] == key
    assert processor.paid() == []


async def test_what_was_declined_without_any_answer_is_told_and_the_next_card_is_a_new_attempt(
    open_payment, processor, card, answers
):
    page = await open_payment()
    back, key = await unanswered(page, processor, card)
    processor.script["GET /payments"] = [answers["reply"](200, DECLINED)]
    await back()
    assert [one["outcome"] for one in await results(page)] == ["rejected"]
    await expect(pay_button(page)).to_be_enabled()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page, 2)] == ["rejected", "approved"]
    (paid,) = processor.paid()
    assert paid.headers["idempotency-key"] != key


async def test_another_component_of_a_page_that_has_paid_says_so_and_pays_no_more(open_payment, processor, card):
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    await results(page)
    await page.evaluate("""(async () => {
      document.body.append(Object.assign(document.createElement("div"), { id: "second" }));
      window.second = (await enabler.createDropinBuilder("embedded")).build({ showPayButton: true });
      await window.second.mount("#second");
      await window.second.submit();
    })()""")
    await expect(page.locator("#second").get_by_text("The payment is approved.")).to_be_visible()
    assert len(processor.paid()) == 1
    assert len(await results(page)) == 1
    assert await page.evaluate("told.errors") == []
