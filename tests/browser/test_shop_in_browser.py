"""The demo shop in a real browser over the whole stack: stand-ins, ingress and workers in processes of their own."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PHONE = {"width": 390, "height": 844}
APPROVED, DECLINED = "4242424242424242", "4000000000000002"
CHALLENGE, REDIRECT = "4000000000003220", "4000002500003155"


async def to_payment(page: Page) -> None:
    await page.get_by_role("button", name="Go to payment").click()
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()


async def pay(page: Page) -> None:
    await page.get_by_role("button", name="Pay now").click()


async def go_to_order_desk(page: Page) -> None:
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    await page.get_by_role("link", name="Go to the payment").click()
    await expect(page.locator("#version")).to_have_text(re.compile(r"\d+"))


@pytest.fixture
def order_desk(shop, open_tab, card):
    """A payment of 42.30 EUR, paid in the shop and opened at the order desk."""

    async def open_(**options) -> Page:
        page = await open_tab(shop, **options)
        await to_payment(page)
        await card(page, APPROVED)
        await pay(page)
        await go_to_order_desk(page)
        return page

    return open_


def transaction(page: Page, kind: str, amount: str, state: str):
    found = page.locator("#transactions li").filter(has=page.get_by_text(kind, exact=True))
    return found.filter(has_text=amount).filter(has_text=state)


async def payments_of(page: Page, shop: str) -> list[dict]:
    """Those of the cart that the page is about, as commercetools has them."""
    cart = await page.evaluate(
        "performance.getEntriesByType('resource').map((one) => one.name).find((url) => url.includes('/api/checkouts/'))"
    )
    reply = await page.request.get(cart)
    return [one["payment"] for one in (await reply.json())["payments"]]


async def test_a_shopper_fills_the_cart_pays_and_sees_it_happen_in_commercetools(shop, open_tab, card, shots):
    page = await open_tab(shop)
    await page.get_by_role("button", name="More of Wool blanket").click()
    await expect(page.locator("#total")).to_have_text("€121.30")
    await page.get_by_role("button", name="Less of Wool blanket").click()
    await to_payment(page)
    await card(page, APPROVED)
    await pay(page)
    timeline = page.locator("#timeline")
    await expect(timeline.get_by_text("Payment created, €42.30 planned")).to_be_visible()
    await expect(timeline.get_by_text("Initial → Success")).to_be_visible()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    await shots(page, "shop-approved")


async def test_after_a_decline_another_card_pays_on_a_payment_of_its_own(shop, open_tab, card):
    page = await open_tab(shop)
    await to_payment(page)
    await card(page, DECLINED)
    await pay(page)
    await expect(page.get_by_role("alert").filter(has_text="declined")).to_be_visible()
    await card(page, APPROVED)
    await pay(page)
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    states = [[one["state"] for one in payment["transactions"]] for payment in await payments_of(page, shop)]
    assert sorted(states) == [["Failure"], ["Success"]]


async def test_a_double_click_makes_one_payment(shop, open_tab, card):
    page = await open_tab(shop)
    await to_payment(page)
    await card(page, APPROVED)
    await page.get_by_role("button", name="Pay now").dblclick()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    (payment,) = await payments_of(page, shop)
    assert [(one["type"], one["state"]) for one in payment["transactions"]] == [("Authorization", "Success")]


async def test_a_challenge_is_answered_in_a_dialog_over_the_shop(shop, open_tab, card, shots):
    page = await open_tab(shop, viewport=PHONE)
    await to_payment(page)
    await card(page, CHALLENGE)
    await pay(page)
    approve = page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    await shots(page, "shop-challenge-phone", full_page=False)
    await approve.click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()


async def test_a_challenge_left_open_and_another_card_is_one_charge(shop, open_tab, card):
    page = await open_tab(shop)
    await to_payment(page)
    await card(page, CHALLENGE)
    await pay(page)
    await expect(page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve")).to_be_visible()
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Stop the payment").click()
    await card(page, APPROVED)
    # Within two seconds of the first, the connector takes another attempt for a second tab and refuses it.
    approved, refused = page.get_by_text("The payment is approved."), page.get_by_text("could not be made")
    while not await approved.is_visible():
        await pay(page)
        await expect(approved.or_(refused)).to_be_visible()
    left, *others = reversed(await payments_of(page, shop))
    assert [one["state"] for one in left["transactions"] if one["type"] == "Authorization"] != ["Success"]
    states = [one["state"] for payment in others for one in payment["transactions"]]
    assert states.count("Success") == 1


async def test_the_wallets_button_pays_for_the_cart(shop, open_tab):
    page = await open_tab(shop)
    await to_payment(page)
    await page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("dialog iframe").content_frame
    await wallet.locator("#address").select_option(index=1)
    await wallet.get_by_role("button", name="Pay").click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    (payment,) = await payments_of(page, shop)
    assert [one["state"] for one in payment["transactions"]] == ["Success"]


@pytest.mark.parametrize(("answer", "outcome"), [("Approve", "approved"), ("Refuse", "not accepted")])
async def test_a_redirect_to_the_bank_comes_back_to_the_payment(*, shop, open_tab, card, answer, outcome):
    page = await open_tab(shop)
    await to_payment(page)
    await card(page, REDIRECT)
    await pay(page)
    await page.get_by_role("button", name=answer).click()
    await page.wait_for_url(f"{shop}/payments/*")
    await expect(
        page.get_by_text(f"Back from your bank: the payment is {outcome}").or_(
            page.get_by_text(f"Back from your bank: the payment was {outcome}")
        )
    ).to_be_visible()


async def test_part_is_captured_part_of_that_refunded_and_too_much_refused(order_desk, shots):
    page = await order_desk()
    await page.locator("#capture-amount").fill("10")
    await page.get_by_role("button", name="Capture", exact=True).click()
    await expect(transaction(page, "Charge", "€10.00", "Success")).to_be_visible()
    await page.locator("#capture-amount").fill("10")
    await page.get_by_role("button", name="Capture", exact=True).click()
    await expect(transaction(page, "Charge", "€10.00", "Success")).to_have_count(2)
    await page.locator("#refund-amount").fill("4,50")
    await page.get_by_role("button", name="Refund", exact=True).click()
    await expect(transaction(page, "Refund", "€4.50", "Success")).to_be_visible()
    await page.locator("#refund-amount").fill("45")
    await page.get_by_role("button", name="Refund", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="rejected")).to_be_visible()
    await expect(page.locator("#transactions li")).to_have_count(4)
    await expect(page.locator("#sums")).to_contain_text("Can be refunded€15.50")
    await shots(page, "order-desk")


async def test_what_is_left_is_cancelled(order_desk):
    page = await order_desk()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(transaction(page, "CancelAuthorization", "€42.30", "Success")).to_be_visible()
    await expect(page.locator("#sums")).to_contain_text("Can be captured€0.00")


async def test_a_payment_is_reversed(order_desk):
    page = await order_desk()
    await page.locator("#capture-amount").fill("12.30")
    await page.get_by_role("button", name="Capture", exact=True).click()
    await expect(transaction(page, "Charge", "€12.30", "Success")).to_be_visible()
    await page.get_by_role("button", name="Reverse", exact=True).click()
    await expect(transaction(page, "Refund", "€12.30", "Success")).to_be_visible()
    await expect(transaction(page, "CancelAuthorization", "€30.00", "Success")).to_be_visible()


async def test_a_charge_that_a_merchant_adds_in_commercetools_is_carried_out(order_desk):
    page = await order_desk()
    await page.locator("#merchant-amount").fill("7.30")
    await page.get_by_role("button", name="Add as Initial in commercetools").click()
    await expect(transaction(page, "Charge", "€7.30", "Success")).to_be_visible()
    await expect(page.locator("#timeline").get_by_text("A merchant adds Charge 7.30 EUR")).to_be_visible()


async def test_a_dispute_at_the_psp_appears_by_itself(order_desk, open_tab):
    page = await order_desk()
    await page.get_by_role("button", name="Capture", exact=True).click()
    await expect(transaction(page, "Charge", "€42.30", "Success")).to_be_visible()
    bank = await open_tab(await page.get_by_role("link", name="Open this payment at the PSP").get_attribute("href"))
    await bank.locator("section.wanted").get_by_role("button", name="Open a dispute").click()
    await expect(page.locator("#transactions li").filter(has_text="Chargeback")).to_be_visible()


async def test_an_amount_that_is_none_is_not_sent(order_desk):
    page = await order_desk()
    await page.locator("#capture-amount").fill("ten")
    await page.get_by_role("button", name="Capture", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="Type an amount")).to_be_visible()
    await expect(page.locator("#transactions li")).to_have_count(1)


async def test_the_pages_fit_a_phone(order_desk, shop, shots):
    page = await order_desk(viewport=PHONE)
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    await expect(page.locator("#timeline li").first).to_be_visible()
    assert await page.evaluate(fits)
    await shots(page, "order-desk-phone")
    await page.goto(f"{shop}/payments")
    await expect(page.locator("#payments a").first).to_be_visible()
    assert await page.evaluate(fits)
    await shots(page, "payments-phone")
    await page.goto(shop)
    await to_payment(page)
    assert await page.evaluate(fits)
    # The browser paints a frame of another origin once it is looked at.
    await page.locator("#payment").scroll_into_view_if_needed()
    await expect(page.frame_locator("#payment iframe").locator("#number")).to_be_visible()
    await shots(page, "shop-phone")


async def test_a_test_card_is_copied_by_its_button(shop, open_tab):
    page = await open_tab(shop, permissions=["clipboard-read", "clipboard-write"])
    await to_payment(page)
    await page.get_by_role("button", name="Copy 4000 0000 0000 3220").click()
    await expect(page.get_by_text("Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == CHALLENGE
