"""A page that is never loaded again: the component comes and goes, and leaves nothing behind."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support.polling import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED = "4242424242424242"


async def shown(page, count):
    async def is_so():
        return await page.evaluate("window.told?.shown") == count

    await eventually(is_so, within_s=30)


async def go(page, view, count):
    await page.evaluate(f"location.hash = '{view}'")
    await shown(page, count)


async def count(devtools):
    """Listeners on the window, and what Chromium holds alive once the garbage is gone."""
    await devtools.send("HeapProfiler.collectGarbage")
    window = await devtools.send("Runtime.evaluate", {"expression": "window"})
    heard = await devtools.send("DOMDebugger.getEventListeners", {"objectId": window["result"]["objectId"]})
    counters = await devtools.send("Memory.getDOMCounters")
    return {"listeners": sorted(one["type"] for one in heard["listeners"]), "documents": counters["documents"]}


async def test_views_come_and_go_without_a_leak(open_payment):
    page = await open_payment(page="spa.html")
    await shown(page, 1)
    devtools = await page.context.new_cdp_session(page)
    await go(page, "payment", 2)
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
    await go(page, "basket", 3)
    first = await count(devtools)
    for round_ in range(5):
        await go(page, "payment", 4 + 2 * round_)
        await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
        await go(page, "basket", 5 + 2 * round_)

    async def as_before():
        return await count(devtools) == first

    await eventually(as_before, within_s=30, every_s=0.2)
    assert await page.evaluate("document.querySelectorAll('.ctpay, iframe, style').length") == 0


async def test_a_view_that_is_left_before_it_is_ready_leaves_nothing(open_payment):
    page = await open_payment(page="spa.html")
    await shown(page, 1)
    for view in ("payment", "basket", "payment", "basket"):
        await page.evaluate(f"location.hash = '{view}'")
    await shown(page, 5)
    assert await page.evaluate("document.querySelectorAll('.ctpay, iframe').length") == 0


async def test_the_pages_styles_and_the_components_do_not_meet(open_payment):
    page = await open_payment(page="spa.html", path="/#payment")
    button = page.get_by_role("button", name="Pay now")
    await expect(button).to_be_enabled()
    # The page paints every button red and turns it; the component has a class `pay` of its own.
    await expect(button).to_have_css("background-color", "rgb(106, 27, 154)")
    await expect(button).to_have_css("transform", "none")
    await expect(button).to_have_css("text-transform", "none")
    await page.evaluate("location.hash = 'basket'")
    await expect(page.locator("p.message")).to_have_css("border-top-style", "dashed")
    await expect(page.locator("p.pay")).to_have_css("text-transform", "uppercase")
    await expect(page.locator("p.pay")).to_have_css("display", "block")


async def test_it_is_mounted_again_and_pays(open_payment, card, processor):
    page = await open_payment(page="spa.html", path="/#payment")
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
    for view in ("basket", "payment"):
        await page.evaluate(f"location.hash = '{view}'")
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
    fields = page.frame_locator("#view iframe")
    for name, value in (("number", APPROVED), ("expiry", "1234"), ("cvc", "123")):
        await fields.locator(f"#{name}").fill(value)
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    assert len(processor.paid()) == 1
