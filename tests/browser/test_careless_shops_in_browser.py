"""Storefronts that render again, drop what they have shown, and send the shopper where they please."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from playwright.async_api import expect
from support.browsing import PATIENCE_S, errors, results, true
from support.polling import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED = "4242424242424242"
CHALLENGE = "4000000000003220"
OPERATION = "operation-1"
DONE = {"paymentReference": "payment-1", "outcome": "approved", "operation": OPERATION}
EXPRESS = """async () => {
  const place = document.createElement("div");
  place.id = "express";
  document.body.append(place);
  const price = (centAmount) => ({ centAmount, currencyCode: "EUR", fractionDigits: 2 });
  told.ended = [];
  told.express = (await enabler.createExpressBuilder("wallet")).build({
    initialAmount: price(4230),
    allowedCountries: ["DE"],
    onPayButtonClick: async () => ({ sessionId: `express-session-${told.ended.length + 1}` }),
    onShippingAddressSelected: async () => {},
    getShippingMethods: async () => [{ id: "ship", name: "By ship", amount: price(490) }],
    onShippingMethodSelected: async () => {},
    onPaymentSubmit: async () => {},
    onComplete: (result) => { told.ended.push(result); },
  });
  await told.express.mount("#express");
}"""


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


async def press_express(page):
    await page.locator("#express").get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("#express dialog iframe").content_frame
    await wallet.locator("#address").select_option(label="Lindenstraße 7, Berlin")
    await wallet.get_by_label("By ship").check()
    await wallet.get_by_role("button", name="Pay").click()


async def test_an_express_button_that_is_mounted_again_while_it_pays_waits_and_never_pays_twice(
    open_payment, processor
):
    page = await open_payment()
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def slow(_processor, _asked):
        arrived.set()
        await answered.wait()
        return web.json_response(DONE)

    processor.script["POST /payments"] = [slow]
    await page.evaluate(EXPRESS)
    await press_express(page)
    await arrived.wait()
    await page.evaluate("told.express.mount('#express')")
    button = page.locator("#express button.pay")
    await expect(button).to_be_disabled()
    answered.set()
    await true(page, "told.ended.length === 1")
    await expect(page.locator("#express").get_by_text("The payment is approved.")).to_be_visible()
    await expect(button).to_be_hidden()
    await page.evaluate("told.express.mount('#express')")
    await expect(button).to_be_hidden()
    assert len(processor.paid()) == 1


async def back_from_the_bank(page, processor, card, answers, *answered):
    """Pay, go to the bank with the whole page, and come to a new page when the status still shows the bank's question."""
    asked = DONE | {"outcome": "action", "action": {"type": "redirect", "url": f"{processor.psp_url}/fields"}}
    processor.script["POST /payments"] = [answers["reply"](200, asked)]
    processor.script["GET /payments/{operation}"] = [answers["reply"](200, one or asked) for one in answered]
    url = page.url
    await card(page, APPROVED)
    await pay_button(page).click()
    await page.wait_for_url("**/fields*")
    await page.goto(f"{url}?paymentReference=payment-1&outcome=pending")


async def test_back_from_the_bank_the_end_is_told_although_the_status_shows_the_question_for_a_while(
    open_payment, processor, card, answers
):
    page = await open_payment()
    await back_from_the_bank(page, processor, card, answers, None, None, None, DONE)
    assert [(one["outcome"], one["paymentReference"]) for one in await results(page)] == [("approved", "payment-1")]
    assert len(processor.paid()) == 1
    assert await page.evaluate("told.errors") == []


async def until_told(page):
    """Move the page's clock on until it tells of an error; never while the page waits for an answer, which takes real time."""
    flying = set()

    def leaves(request):
        flying.add(request)

    def lands(request):
        flying.discard(request)

    page.on("request", leaves)
    page.on("requestfinished", lands)
    page.on("requestfailed", lands)

    async def is_told():
        if not flying:
            await page.clock.fast_forward(500)
        return bool(await page.evaluate("told.errors.length"))

    await eventually(is_told, within_s=PATIENCE_S, every_s=0.01)


async def test_back_from_the_bank_without_an_answer_the_shopper_may_try_again(open_payment, processor, card, answers):
    page = await open_payment()
    await page.clock.install()
    await back_from_the_bank(page, processor, card, answers, *[None] * 60)
    await expect(page.get_by_role("button", name="Paying")).to_be_disabled()
    await until_told(page)
    assert [(one["code"], one["paymentReference"]) for one in await errors(page)] == [("abandoned", "payment-1")]
    await expect(pay_button(page)).to_be_enabled()


async def test_a_shop_that_drops_the_place_with_a_challenge_in_it_can_show_another_component_and_pay(
    open_payment, processor, card
):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    await expect(page.get_by_role("dialog", name="Confirm your payment")).to_be_visible()
    await page.evaluate("document.querySelector('#payment').replaceChildren()")
    assert [one["code"] for one in await errors(page)] == ["abandoned"]
    await page.evaluate("""async () => {
      const builder = await enabler.createComponentBuilder("card");
      await builder.build({ showPayButton: true }).mount("#payment");
    }""")
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_views_that_are_dropped_leave_no_listener_behind(open_payment):
    page = await open_payment()
    tools = await page.context.new_cdp_session(page)

    async def listeners():
        await tools.send("HeapProfiler.collectGarbage")
        window = await tools.send("Runtime.evaluate", {"expression": "window"})
        found = await tools.send("DOMDebugger.getEventListeners", {"objectId": window["result"]["objectId"]})
        return sum(one["type"] == "message" for one in found["listeners"])

    before = await listeners()
    for _ in range(4):
        await page.evaluate("""async () => {
          document.querySelector("#payment").replaceChildren();
          await (await enabler.createComponentBuilder("card")).build({}).mount("#payment");
        }""")
    assert await listeners() == before
    await page.evaluate("document.querySelector('#payment').replaceChildren()")
    assert await listeners() == before - 1


async def test_an_express_checkout_does_not_make_the_page_forget_a_card_payment_of_unknown_end(
    open_payment, processor, card
):
    page = await open_payment()
    keys = []

    async def swallow(route):
        keys.append(route.request.headers["idempotency-key"])
        await route.abort("connectionreset")

    await page.route("**/payments", swallow)
    await card(page, APPROVED)
    async with page.expect_request("**/payments"):
        await pay_button(page).click()
    await page.evaluate(EXPRESS)
    async with page.expect_request(lambda one: "/payments" in one.url and "express" in one.headers["x-session-id"]):
        await press_express(page)
    url = page.url
    await page.goto("about:blank")
    await page.unroute_all()
    await page.goto(url)
    await expect(pay_button(page)).to_be_enabled()
    assert [one.headers["idempotency-key"] for one in processor.of("GET", "/payments")] == keys[:1]
    await card(page, APPROVED)
    await pay_button(page).click()
    await results(page)
    assert {one.headers["idempotency-key"] for one in processor.paid()} == {keys[0]}


async def test_a_deletion_whose_reply_got_lost_is_a_deletion(open_payment, processor, answers):
    kept = {"id": "stored-1", "type": "card", "token": "t", "isDefault": True, "createdAt": "2026-01-01T00:00:00Z"}
    processor.stored = [kept | {"displayOptions": {"brand": {"key": "Visa"}, "endDigits": "4242"}}]
    page = await open_payment()
    processor.script["DELETE /stored-payment-methods/{id}"] = [
        answers["fault"](503, "ServiceUnavailable"),
        answers["fault"](404, "ResourceNotFound"),
    ]
    left = await page.evaluate("""async () => {
      const [one] = (await enabler.getStoredPaymentMethods()).storedPaymentMethods;
      const builder = await enabler.createStoredPaymentMethodBuilder(one.type);
      const component = await builder.build({ id: one.id });
      await component.mount("#payment");
      await component.remove();
      return (await enabler.getStoredPaymentMethods()).storedPaymentMethods.filter(({ id }) => id === one.id).length;
    }""")
    assert left == 0


async def test_a_component_that_is_taken_out_before_it_is_ready_is_no_failure_for_the_shop(open_payment, card):
    """A shop that was written for the contract neither waits for `mount` nor catches what it says."""
    page = await open_payment()
    readied = await page.evaluate("""async () => {
      told.component.unmount();
      const place = document.querySelector("#payment");
      const builder = await enabler.createDropinBuilder("embedded");
      let readied = 0;
      const dropped = builder.build({ onDropinReady: () => { readied += 1; } });
      const mounted = dropped.mount(place);
      place.replaceChildren();
      await mounted;
      const component = builder.build({ onDropinReady: () => { readied += 1; } });
      component.mount(place);
      await component.mount(place);
      return readied;
    }""")
    assert readied == 1
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_a_drop_in_keeps_its_button_where_a_shop_hands_on_options_that_it_does_not_have(open_payment):
    page = await open_payment(
        builder='createDropinBuilder("embedded")', build="{ showPayButton: undefined, onPayButtonClick: undefined }"
    )
    await expect(pay_button(page)).to_be_enabled()


async def test_card_fields_that_do_not_load_keep_nobody_from_paying_by_invoice(open_payment, processor):
    page = await open_payment()
    await page.clock.install()
    processor.more_configuration = {
        "fieldsUrl": f"{processor.psp_url}/nowhere",
        "paymentMethods": ["card", "invoice"],
    }
    await page.evaluate("""async () => {
      told.component.unmount();
      const { processor: processorUrl, session: sessionId } = document.body.dataset;
      const onComplete = (result) => { told.results.push(result); };
      const builder = await new Connector.Enabler({ processorUrl, sessionId, onComplete }).createDropinBuilder("embedded");
      builder.build().mount("#payment").catch(({ code, message }) => { told.errors.push({ code, message }); });
    }""")
    await expect(pay_button(page)).to_be_disabled()
    await page.clock.fast_forward(21_000)
    assert [one["code"] for one in await errors(page)] == ["fields"]
    await expect(page.get_by_text("This way to pay is not available right now.")).to_be_visible()
    await page.get_by_label("Invoice").check()
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert [one.document["paymentMethod"] for one in processor.paid()] == [{"type": "invoice"}]


@pytest.mark.parametrize("where", ["#nowhere", "##"])
async def test_a_place_that_is_not_there_is_told_in_our_words(open_payment, where):
    page = await open_payment()
    told = await page.evaluate(
        """where => enabler.createComponentBuilder("card").then((builder) => builder.build({}).mount(where))
        .then(() => null, ({ name, code, message }) => [name, code, message])""",
        where,
    )
    assert told == ["EnablerError", "configuration", f"There is no element {where} to mount into."]
