"""The browser library in a real browser, over the sandbox PSP's real card fields and a scripted processor."""

from __future__ import annotations

import pytest
from aiohttp import web
from playwright.async_api import expect
from support.browsing import errors, results, true

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED, DECLINED, POOR = "4242424242424242", "4000000000000002", "4000000000009995"
CHALLENGE, REDIRECT, PENDING = "4000000000003220", "4000002500003155", "4000000000000077"
PHONE = {"width": 390, "height": 844}
UNDER_WAY = {"paymentReference": None, "outcome": "pending", "operation": "operation-1"}
DONE = {"paymentReference": "payment-9", "outcome": "approved", "operation": "operation-1"}


async def type_into(fields, number):
    await fields.locator("#number").press_sequentially(number)
    await fields.locator("#expiry").press_sequentially("1234")
    await fields.locator("#cvc").fill("123")


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


async def test_a_shopper_pays_and_the_page_is_told_what_the_server_said(open_payment, processor, card, shots):
    page = await open_payment()
    await card(page, APPROVED)
    await shots(page, "enabler-filled")
    await pay_button(page).click()
    assert await results(page) == [{"isSuccess": True, "outcome": "approved", "paymentReference": "payment-1"}]
    assert await page.evaluate("told.component.getState()") == {
        "card": {"brand": "Visa", "endDigits": "4242", "expiryDate": "12/34"}
    }
    (paid,) = processor.paid()
    assert paid.headers["x-session-id"] == processor.session
    assert paid.headers["prefer"] == "wait=10"
    assert len(paid.headers["idempotency-key"]) == 32
    assert paid.document["paymentMethod"].keys() == {"type", "token"}
    assert paid.document["paymentMethod"]["token"].startswith("tok_")
    await expect(page.get_by_text("Thank you. The payment is approved.")).to_be_visible()
    await expect(pay_button(page)).to_be_hidden()


@pytest.mark.parametrize(("number", "says"), [(DECLINED, "declined"), (POOR, "not enough money")])
async def test_after_a_decline_another_card_is_another_attempt(*, open_payment, processor, card, number, says, shots):
    page = await open_payment()
    await card(page, number)
    await pay_button(page).click()
    (rejected,) = await results(page)
    assert (rejected["isSuccess"], rejected["outcome"]) == (False, "rejected")
    await expect(page.get_by_role("alert").filter(has_text=says)).to_be_visible()
    await expect(pay_button(page)).to_be_focused()
    await shots(page, f"enabler-{says.split()[0]}")
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page, 2)] == ["rejected", "approved"]
    first, second = processor.paid()
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert first.document != second.document


async def test_fields_that_are_not_complete_are_shown_and_nothing_is_sent(open_payment, processor, card):
    page = await open_payment()
    assert await page.evaluate("told.component.isValid()") is False
    await pay_button(page).click()
    (error,) = await errors(page)
    assert error["code"] == "incomplete"
    fields = page.frame_locator("#payment iframe")
    await expect(fields.locator("#number")).to_have_attribute("aria-invalid", "true")
    await expect(pay_button(page)).to_be_enabled()
    assert processor.paid() == []
    await card(page, APPROVED)
    await true(page, "told.component.isValid()")


async def test_a_component_without_a_button_is_submitted_by_the_page(open_payment, processor, card):
    page = await open_payment(builder='createComponentBuilder("card")')
    await expect(page.get_by_role("button")).to_have_count(0)
    await page.evaluate("told.component.showValidation()")
    await expect(page.frame_locator("#payment iframe").locator("#number")).to_be_focused()
    await card(page, APPROVED)
    await page.evaluate("told.component.submit()")
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_enter_in_the_fields_pays(open_payment, card):
    page = await open_payment()
    await card(page, APPROVED)
    await page.frame_locator("#payment iframe").locator("#cvc").press("Enter")
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_a_challenge_is_answered_in_a_dialog(open_payment, processor, card, shots):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    dialog = page.get_by_role("dialog", name="Confirm your payment")
    approve = dialog.locator("iframe").content_frame.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    await shots(page, "enabler-challenge")
    assert await page.evaluate("told.actions") == ["challenge"]
    await approve.click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    await expect(dialog).to_have_count(0)
    (completed,) = [one for one in processor.asked if one.path.endswith("/complete")]
    assert list(completed.document["parameters"]) == ["result"]
    assert completed.headers["idempotency-key"] != processor.paid()[0].headers["idempotency-key"]


async def test_a_challenge_that_is_refused_is_a_decline(open_payment, card):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    await page.locator("dialog iframe").content_frame.get_by_role("button", name="Refuse").click()
    assert [one["outcome"] for one in await results(page)] == ["rejected"]
    await expect(pay_button(page)).to_be_enabled()


async def test_escape_asks_before_it_stops_a_payment(open_payment, processor, card, shots):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    dialog = page.get_by_role("dialog", name="Confirm your payment")
    await expect(dialog.locator("iframe").content_frame.get_by_role("button", name="Approve")).to_be_visible()
    await dialog.get_by_role("button", name="Close").focus()
    await page.keyboard.press("Escape")
    question = page.get_by_role("alertdialog", name="Stop this payment?")
    await expect(question).to_be_visible()
    await expect(page.get_by_role("button", name="Go on paying")).to_be_focused()
    await shots(page, "enabler-escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_visible()
    if not await question.is_visible():
        await dialog.get_by_role("button", name="Close").click()
    await question.get_by_role("button", name="Stop the payment").click()
    assert await errors(page) == [
        {"code": "abandoned", "message": "The shopper stopped the payment.", "paymentReference": "payment-1"}
    ]
    await expect(dialog).to_have_count(0)
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_a_component_that_is_removed_takes_its_challenge_with_it(open_payment, processor, card):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    await expect(page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve")).to_be_visible()
    await page.evaluate("told.component.unmount()")
    assert [one["code"] for one in await errors(page)] == ["abandoned"]
    await expect(page.locator("dialog")).to_have_count(0)
    await page.evaluate("told.component.mount('#payment').then(() => undefined)")
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_a_session_that_ends_while_a_payment_is_under_way_leaves_the_attempt_open(
    open_payment, processor, card, answers
):
    processor.script["POST /payments"] = [answers["reply"](202, UNDER_WAY)]
    processor.script["GET /payments/{operation}"] = [answers["fault"](401, "invalid_token")]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["code"] for one in await errors(page)] == ["invalid_token"]
    await expect(page.get_by_role("alert").filter(has_text="expired")).to_be_visible()
    await page.get_by_role("button", name="Try again").click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 1


async def test_focus_cannot_leave_the_dialog_for_the_page(open_payment, card):
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    dialog = page.get_by_role("dialog", name="Confirm your payment")
    await expect(dialog.locator("iframe").content_frame.get_by_role("button", name="Approve")).to_be_visible()
    for _ in range(8):
        await page.keyboard.press("Tab")
        behind = "document.querySelector('.ctpay').shadowRoot.activeElement?.matches('.pay, .fields iframe') ?? false"
        assert await page.evaluate(behind) is False


async def test_a_redirect_takes_the_whole_page_to_the_bank(open_payment, processor, card, shots):
    page = await open_payment(viewport=PHONE)
    await card(page, REDIRECT)
    await pay_button(page).click()
    await page.wait_for_url(f"{processor.psp_url}/challenge/**")
    await expect(page.get_by_role("button", name="Approve")).to_be_enabled()
    await shots(page, "redirect-phone")


async def stays(page):
    """The bank's address gives the browser nothing to show: it stays where it is."""

    async def nothing(route):
        await route.fulfill(status=204)

    await page.route("**/challenge/**", nothing)


async def test_a_redirect_that_never_leaves_the_page_makes_room_for_another_try(open_payment, processor, card):
    page = await open_payment()
    await stays(page)
    await card(page, REDIRECT)
    await page.clock.install()
    async with page.expect_request("**/challenge/**"):
        await pay_button(page).click()
    await page.clock.fast_forward(31_000)
    assert [(one["code"], one["paymentReference"]) for one in await errors(page)] == [("abandoned", "payment-1")]
    await expect(pay_button(page)).to_be_enabled()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_a_component_that_is_removed_waits_for_no_redirect(open_payment, card):
    page = await open_payment()
    await stays(page)
    await card(page, REDIRECT)
    async with page.expect_request("**/challenge/**"):
        await pay_button(page).click()
    await page.evaluate("told.component.unmount()")
    assert [one["code"] for one in await errors(page)] == ["abandoned"]
    await page.evaluate("told.component.mount('#payment')")
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_a_payment_that_settles_later_is_told_as_pending(open_payment, card):
    page = await open_payment()
    await card(page, PENDING)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["pending"]
    await expect(page.get_by_text("The payment is under way.")).to_be_visible()


async def test_no_result_in_time_is_asked_after_to_its_end(open_payment, processor, card, answers):
    reply = answers["reply"]
    processor.script["POST /payments"] = [reply(202, UNDER_WAY, Location="/payments/operation-1")]
    processor.script["GET /payments/{operation}"] = [reply(200, UNDER_WAY), reply(200, UNDER_WAY), reply(200, DONE)]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["paymentReference"] for one in await results(page)] == ["payment-9"]
    assert len(processor.paid()) == 1
    asked = processor.of("GET", "/payments/operation-1")
    assert len(asked) == 3
    assert {one.headers["x-session-id"] for one in asked} == {processor.session}


async def test_what_is_under_way_and_then_rejected_is_told_once_and_the_next_try_is_another_payment(
    open_payment, processor, card, answers
):
    reply = answers["reply"]
    rejected = DONE | {"outcome": "rejected", "reason": {"code": "declined", "message": "No."}}
    processor.script["POST /payments"] = [reply(202, UNDER_WAY, Location="/payments/operation-1")]
    processor.script["GET /payments/{operation}"] = [reply(200, UNDER_WAY), reply(200, rejected)]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [(one["outcome"], one["paymentReference"]) for one in await results(page)] == [("rejected", "payment-9")]
    processor.script.clear()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page, 2)] == ["rejected", "approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_an_action_that_comes_after_the_server_stopped_waiting_still_reaches_the_shopper(
    open_payment, processor, card, answers
):
    reply = answers["reply"]
    page = await open_payment()
    here = page.url.rstrip("/")
    # A test token has no origin of its own, so the page that shows the challenge is told by the return URL.
    _, payment = await processor.psp(
        "/v1/payments",
        {"amount": 500, "currency": "EUR", "token": "tok_3ds", "merchant_reference": "o", "return_url": f"{here}/back"},
    )
    operation = payment["id"]
    action = {"paymentReference": "payment-1", "outcome": "action", "operation": operation, "action": payment["action"]}
    processor.script["POST /payments"] = [reply(202, UNDER_WAY | {"operation": operation})]
    processor.script["GET /payments/{operation}"] = [reply(200, UNDER_WAY), reply(200, action)]
    await card(page, APPROVED)
    await pay_button(page).click()
    await page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve").click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]


async def test_an_action_that_was_done_is_not_shown_again_while_its_completion_is_under_way(
    open_payment, processor, card, answers
):
    async def still_the_action(running, asked):
        operation = running.asked[-1].path.split("/")[2]
        url = f"{running.psp_url}/challenge/{operation}"
        action = {"type": "challenge", "url": url}
        return web.json_response(
            {"paymentReference": "payment-1", "outcome": "action", "operation": operation, "action": action}
        )

    async def keep_operation(running, asked):
        operation = running.asked[-1].path.split("/")[2]
        return web.json_response(UNDER_WAY | {"operation": operation}, status=202)

    processor.script["POST /payments/{operation}/complete"] = [keep_operation]
    processor.script["GET /payments/{operation}"] = [still_the_action, still_the_action, answers["reply"](200, DONE)]
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    await page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve").click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert await page.evaluate("told.actions") == ["challenge"]


async def test_an_action_that_the_bank_asks_for_once_more_is_shown_once_more_at_the_same_address(
    open_payment, processor, card
):
    async def once_more(running, asked):
        operation = running.asked[-1].path.split("/")[2]
        action = {"type": "challenge", "url": f"{running.psp_url}/challenge/{operation}"}
        return web.json_response(
            {"paymentReference": "payment-1", "outcome": "action", "operation": operation, "action": action}
        )

    processor.script["POST /payments/{operation}/complete"] = [once_more]
    page = await open_payment()
    await card(page, CHALLENGE)
    await pay_button(page).click()
    await page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve").click()
    await true(page, "told.actions.length === 2")
    dialog = page.get_by_role("dialog", name="Confirm your payment")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Stop the payment").click()
    assert [one["code"] for one in await errors(page)] == ["abandoned"]


async def test_a_lost_reply_is_asked_for_again_with_the_same_key_and_token(open_payment, processor, card):
    async def cut(_, asked):
        return web.Response(text='{"paymentRef', content_type="application/json")

    processor.script["POST /payments"] = [cut]
    page = await open_payment()
    lost = []

    async def lose_once(route):
        if lost:
            await route.fallback()
            return
        lost.append(route.request.headers["idempotency-key"])
        await route.abort("connectionreset")

    await page.route("**/payments", lose_once)
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    paid = processor.paid()
    assert len(paid) == 2
    assert {one.headers["idempotency-key"] for one in paid} == set(lost)
    assert len({one.body for one in paid}) == 1


async def test_a_server_that_cannot_answer_now_is_asked_again_with_the_same_key(open_payment, processor, card, answers):
    processor.script["POST /payments"] = [answers["fault"](status, "Unavailable") for status in (429, 500, 503)]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len(processor.paid()) == 4
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 1


async def test_a_payment_whose_end_is_unknown_is_resumed_and_never_replaced(open_payment, processor, card, shots):
    page = await open_payment()
    await card(page, APPROVED)
    await page.clock.install()
    keys = []

    async def lose(route):
        keys.append(route.request.headers.get("idempotency-key"))
        await route.abort("connectionreset")

    await page.route("**/payments", lose)
    await pay_button(page).click()
    while not await page.evaluate("told.errors.length"):
        await page.clock.run_for(2_000)
    (error,) = await page.evaluate("told.errors")
    assert error["code"] == "unreachable"
    await expect(page.get_by_text("you will not be charged twice")).to_be_visible()
    await shots(page, "enabler-unknown")
    # Another card now would be another attempt, before the first one's end is known.
    await expect(page.frame_locator("#payment iframe").locator("#number")).to_be_disabled()
    await page.unroute("**/payments")
    await page.clock.resume()
    await page.get_by_role("button", name="Try again").click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    (paid,) = processor.paid()
    assert {paid.headers["idempotency-key"]} == set(keys)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(400, "InvalidOperation", "could not be made"), (401, "invalid_token", "has expired")],
)
async def test_a_definite_no_is_told_and_the_next_try_is_a_new_attempt(
    *, open_payment, processor, card, answers, status, code, says
):
    processor.script["POST /payments"] = [answers["fault"](status, code, "Because.")]
    page = await open_payment()
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [(one["code"], one["message"]) for one in await errors(page)] == [(code, "Because.")]
    await expect(page.get_by_role("alert").filter(has_text=says)).to_be_visible()
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    assert len({one.headers["idempotency-key"] for one in processor.paid()}) == 2


async def test_messages_of_other_pages_and_of_other_frames_of_the_psp_are_not_heard(open_payment, processor):
    page = await open_payment()
    await page.evaluate(
        """(src) => {
      postMessage({ type: "change", complete: true }, "*");
      postMessage({ type: "submit" }, "*");
      const frame = document.createElement("iframe");
      Object.assign(frame, { src, id: "other" });
      document.body.append(frame);
    }""",
        await page.locator("#payment iframe").get_attribute("src"),
    )
    other = page.frame_locator("#other")
    await type_into(other, APPROVED)
    await expect(other.locator("#brand")).to_have_text("Visa")
    await other.locator("#cvc").press("Enter")
    assert await page.evaluate("told.component.isValid()") is False
    assert (processor.paid(), await page.evaluate("told.errors")) == ([], [])


async def test_a_shop_that_stumbles_over_the_result_does_not_make_a_paid_payment_look_failed(
    open_payment, processor, card
):
    page = await open_payment()
    await page.evaluate("""(async () => {
      addEventListener("error", (event) => { window.reported = event.message; event.preventDefault(); });
      told.component.unmount();
      const other = new Connector.Enabler({
        processorUrl: document.body.dataset.processor,
        sessionId: document.body.dataset.session,
        onComplete() { throw new Error("The shop stumbled."); },
        onError(error) { told.errors.push(error.code); },
      });
      await (await other.createDropinBuilder("embedded")).build({}).mount("#payment");
    })()""")
    await card(page, APPROVED)
    await pay_button(page).click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    await true(page, "window.reported?.includes('The shop stumbled.')")
    assert await page.evaluate("told.errors") == []


async def test_a_refusal_of_the_server_is_explained_and_its_reason_and_correlation_id_are_told(
    open_payment, processor, card, answers
):
    reason = {"code": "nothing-to-pay", "message": "The cart is paid for already."}
    body = {"message": reason["message"], "statusCode": 400, "errors": [{"code": "InvalidOperation"}], "reason": reason}
    processor.script["POST /payments"] = [answers["reply"](400, body, **{"X-Correlation-ID": "correlation-1"})]
    page = await open_payment()
    await page.evaluate("""(async () => {
      told.component.unmount();
      const other = new Connector.Enabler({
        processorUrl: document.body.dataset.processor,
        sessionId: document.body.dataset.session,
        onError({ code, status, reason, correlationId }) { window.seen = { code, status, reason, correlationId }; },
      });
      await (await other.createDropinBuilder("embedded")).build({}).mount("#payment");
    })()""")
    await card(page, APPROVED)
    await pay_button(page).click()
    await expect(page.get_by_role("alert").filter(has_text="This cart is paid already.")).to_be_visible()
    assert await page.evaluate("window.seen") == {
        "code": "InvalidOperation",
        "status": 400,
        "reason": reason,
        "correlationId": "correlation-1",
    }


async def test_a_page_can_mount_unmount_and_mount_again(open_payment, processor, card):
    page = await open_payment()
    await page.evaluate("(async () => { told.component.unmount(); await told.component.mount('#payment'); })()")
    await page.evaluate("(async () => { await told.component.mount('#payment'); })()")
    assert await page.evaluate("document.querySelectorAll('#payment > *').length") == 1
    await card(page, APPROVED)
    await pay_button(page).click()
    assert [one["outcome"] for one in await results(page)] == ["approved"]
    await page.evaluate("told.component.remove()")
    assert await page.evaluate("document.querySelector('#payment').innerHTML") == ""


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ('createComponentBuilder("cheque")', "no component for cheque"),
        ('createDropinBuilder("hpp")', "no drop-in of type hpp"),
    ],
)
async def test_what_there_is_not_is_refused_with_a_reason(open_payment, builder, message):
    page = await open_payment()
    said = await page.evaluate(f'enabler.{builder}.then(() => "", (error) => error.message)')
    assert message in said
