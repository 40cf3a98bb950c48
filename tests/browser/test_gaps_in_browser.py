"""Faults that the reference connector's browser library has, one test for each, named after it. Ours has none of them."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from playwright.async_api import expect
from support.browsing import true
from support.polling import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED, DECLINED = "4242424242424242", "4000000000000002"
DONE = {"paymentReference": "payment-9", "outcome": "approved", "operation": "operation-1"}


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


async def test_gap_the_card_number_is_read_in_our_page(open_payment, processor, card):
    page = await open_payment()
    urls = []
    page.on("request", lambda request: urls.append(request.url + (request.post_data or "")))
    await card(page, APPROVED)
    await pay_button(page).click()
    await true(page, "told.results.length")
    number = page.frame_locator("#payment iframe").locator("#number")
    assert APPROVED in (await number.input_value()).replace(" ", "")
    seen_by_page = await page.evaluate(
        "document.documentElement.outerHTML + document.querySelector('.ctpay').shadowRoot.innerHTML"
        " + JSON.stringify({ ...sessionStorage, ...localStorage }) + document.cookie"
    )
    assert APPROVED not in seen_by_page + json.dumps([vars(one) for one in processor.asked])
    with pytest.raises(Exception, match="cross-origin"):
        await page.evaluate(
            "document.querySelector('.ctpay').shadowRoot.querySelector('iframe').contentWindow.document.body"
        )
    assert [url for url in urls if APPROVED in url and not url.startswith(processor.psp_url)] == []


async def test_gap_the_browser_decides_the_outcome(open_payment, processor, card):
    """The reference sends `paymentOutcome` with its request, and the processor believes it."""
    page = await open_payment()
    await card(page, DECLINED)
    await pay_button(page).click()
    await true(page, "told.results.length")
    (paid,) = processor.paid()
    assert list(paid.document) == ["paymentMethod"]
    assert sorted(paid.document["paymentMethod"]) == ["token", "type"]
    assert [one["outcome"] for one in await page.evaluate("told.results")] == ["rejected"]


async def test_gap_on_complete_says_success_although_the_processor_said_no(open_payment, processor, card, answers):
    processor.script["POST /payments"] = [answers["fault"](403, "insufficient_scope")]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    await true(page, "told.errors.length")
    assert await page.evaluate("told.results") == []


async def test_gap_the_configuration_is_used_although_the_processor_refused_it(open_payment, processor, answers):
    processor.script["GET /operations/config"] = [answers["fault"](401, "invalid_token", "Not you.")]
    page = await open_payment()
    assert await page.evaluate("told.errors") == [{"code": "invalid_token", "message": "Not you."}]
    await expect(page.get_by_text("Paying is not possible right now")).to_be_visible()
    await expect(page.locator("#payment iframe")).to_have_count(0)


async def test_gap_on_pay_button_click_is_never_called(open_payment, processor, card):
    page = await open_payment(
        builder='createComponentBuilder("card")',
        build="""{ showPayButton: true, onPayButtonClick: async () => {
          window.clicks = (window.clicks ?? 0) + 1;
          if (window.clicks === 1) throw new Error("Tick the terms first.");
        } }""",
    )
    await card(page, APPROVED)
    await pay_button(page).click()
    await true(page, "window.clicks === 1")
    # A promise that rejects means: do not go on. The page has said why; it is nobody's error.
    await expect(pay_button(page)).to_be_enabled()
    assert (processor.paid(), await page.evaluate("told.errors")) == ([], [])
    await pay_button(page).click()
    await true(page, "told.results.length")
    assert await page.evaluate("window.clicks") == 2
    assert len(processor.paid()) == 1


async def test_gap_a_double_click_is_a_double_authorization(open_payment, processor, card):
    gate = asyncio.Event()

    async def slowly(_, asked):
        await gate.wait()
        return web.json_response(DONE)

    processor.script["POST /payments"] = [slowly]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).dblclick()
    busy = page.get_by_role("button", name="Paying")
    await expect(busy).to_be_disabled()
    await expect(busy).to_have_attribute("aria-busy", "true")
    await page.evaluate("told.component.submit(); told.component.submit(); undefined")
    gate.set()
    await true(page, "told.results.length")
    await page.evaluate("told.component.submit()")
    assert len(processor.paid()) == 1


async def test_gap_two_components_of_one_page_pay_twice(open_payment, processor, card):
    gate = asyncio.Event()

    async def slowly(_, asked):
        await gate.wait()
        return web.json_response(DONE)

    processor.script["POST /payments"] = [slowly]
    processor.more_configuration = {"paymentMethods": ["card", "invoice"]}
    page = await open_payment(builder='createComponentBuilder("card")')
    await page.evaluate("""(async () => {
      const place = document.createElement("div");
      document.body.append(place);
      window.second = (await enabler.createComponentBuilder("invoice")).build({});
      await second.mount(place);
    })()""")
    await card(page, APPROVED)
    await page.evaluate("window.both = Promise.all([told.component.submit(), second.submit()]); undefined")
    await eventually(lambda: asyncio.sleep(0, len(processor.paid()) == 1), within_s=30)
    gate.set()
    await page.evaluate("both")
    assert len(processor.paid()) == 1
    # One payment, one end: the shop hears of it once.
    assert len(await page.evaluate("told.results")) == 1


async def test_gap_on_error_does_not_know_the_payment(open_payment, processor, card, answers):
    processor.script["POST /payments"] = [
        answers["reply"](200, DONE | {"outcome": "action", "action": {"type": "riddle", "url": "https://bank.test/"}})
    ]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    await true(page, "told.errors.length")
    (error,) = await page.evaluate("told.errors")
    assert (error["code"], error["paymentReference"]) == ("configuration", "payment-9")


ACCEPTED = {"paymentReference": None, "outcome": "pending", "operation": "operation-1"}


@pytest.mark.parametrize("scene", ["completed", "followed", "refused by the shop"])
async def test_gap_on_error_does_not_know_the_payment_that_the_server_has_named(
    *, open_payment, processor, card, answers, scene
):
    expired = answers["fault"](401, "invalid_token")
    page = await open_payment()
    if scene == "followed":
        named = answers["reply"](200, ACCEPTED | {"paymentReference": "payment-1"})
        processor.script["POST /payments"] = [answers["reply"](202, ACCEPTED)]
        processor.script["GET /payments/{operation}"] = [named, expired]
    elif scene == "completed":
        processor.script["POST /payments/{operation}/complete"] = [expired]
    else:
        # The example's own answer is replaced by one that fails, as a shop's may.
        await page.evaluate("() => { told.actions.push = () => { throw new Error('The shop stumbled.'); }; }")
    await card(page, APPROVED if scene == "followed" else "4000000000003220")
    await pay_button(page).click()
    if scene == "completed":
        await page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve").click()
    await true(page, "told.errors.length")
    (error,) = await page.evaluate("told.errors")
    assert (error["code"], error["paymentReference"]) == (
        "shop" if scene == "refused by the shop" else "invalid_token",
        "payment-1",
    )


async def test_gap_on_error_does_not_know_the_payment_that_was_refused(open_payment, processor, card, answers):
    why = {"code": "payment-under-way", "message": "Another payment of this cart is under way."}
    refused = {"message": why["message"], "statusCode": 400, "errors": [{"code": "InvalidOperation"}], "reason": why}
    processor.script["POST /payments"] = [answers["reply"](400, refused | {"paymentReference": "payment-2"})]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    await true(page, "told.errors.length")
    (error,) = await page.evaluate("told.errors")
    assert (error["code"], error["paymentReference"]) == ("InvalidOperation", "payment-2")


async def test_gap_a_card_is_stored_although_the_shopper_said_no(open_payment, processor, card):
    processor.more_configuration = {"storedPaymentMethodsConfig": {"isEnabled": True}}
    page = await open_payment(builder='createComponentBuilder("card")')
    await card(page, APPROVED)
    await page.evaluate("told.component.submit({ storePaymentDetails: false })")
    assert "storePaymentMethod" not in processor.paid()[0].document["paymentMethod"]


async def test_gap_stored_tokens_are_sent_to_the_browser_and_dropped_there(open_payment, processor):
    """The network is the processor's part, tested over the whole stack; the library hands none on in any case."""
    processor.stored = [{"id": "one", "type": "card", "token": "tok_secret", "displayOptions": {}}]
    page = await open_payment()
    assert "tok_secret" not in json.dumps(await page.evaluate("enabler.getStoredPaymentMethods({})"))


async def test_gap_styles_and_ids_are_shared_with_the_page(open_payment, processor):
    """The reference puts a style element into the page, and its security code fields share an id."""
    processor.more_configuration = {"paymentMethods": ["card", "purchaseorder"]}
    page = await open_payment(builder='createComponentBuilder("purchaseorder")')
    await page.evaluate("""(async () => {
      const place = document.createElement("div");
      document.body.append(place);
      await (await enabler.createComponentBuilder("purchaseorder")).build({}).mount(place);
    })()""")
    assert await page.evaluate("document.querySelectorAll('style').length") == 0
    assert await page.evaluate("document.querySelectorAll('.ctpay').length") == 2
    assert await page.evaluate("document.querySelectorAll('[id^=po-], [id^=method-]').length") == 0
