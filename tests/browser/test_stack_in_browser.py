"""The example of the documentation over everything that `make run` starts: the network, the tab or the shopper goes away.

What counts is what the PSP has done and what stands in commercetools, whatever the page has seen of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from support.browsing import results
from support.polling import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

APPROVED, DECLINED = "4242424242424242", "4000000000000002"
CHALLENGE, REDIRECT = "4000000000003220", "4000002500003155"
PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A cart, its session, and the pages and facts about it."""

    shop: str
    page: Page
    cart: str
    session: str

    @property
    def url(self) -> str:
        return f"{self.shop}/example/index.html?session={self.session}"

    async def payments(self) -> list[dict]:
        """In commercetools, the newest first."""
        reply = await self.page.request.get(f"{self.shop}/api/checkouts/{self.cart}")
        return [one["payment"] for one in (await reply.json())["payments"]]

    async def authorizations(self) -> list[str]:
        """The states of all authorizations on the cart's Payments, in order."""
        return sorted(
            one["state"] for payment in await self.payments() for one in payment["transactions"]
            if one["type"] == "Authorization"
        )  # fmt: skip

    async def until(self, *states: str) -> None:
        async def so():
            return await self.authorizations() == sorted(states)

        await eventually(so, within_s=PATIENCE_S, every_s=0.2)


@pytest_asyncio.fixture(loop_scope="session")
async def checkout(shop, open_tab):
    """Opens the example page on a new cart."""

    async def open_(*, customer=None, **options) -> Checkout:
        page = await open_tab("about:blank", **options)
        asked = {"quantities": {"mug": 2}} | ({"customer": customer} if customer else {})
        reply = await page.request.post(f"{shop}/api/checkouts", data=asked)
        made = await reply.json()
        found = Checkout(shop=shop, page=page, cart=made["cartId"], session=made["sessionId"])
        await page.goto(found.url)
        await expect(pay_button(page)).to_be_enabled()
        return found

    return open_


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


def approved(page):
    return page.get_by_text("Thank you. The payment is approved.")


async def walk_away(page):
    """The server accepts what the page sends, and the page never hears how it ended."""

    async def accepted(route):
        reply = await route.fetch(headers={**route.request.headers, "prefer": "wait=0"})
        accepted = {"paymentReference": None, "outcome": "pending", "operation": (await reply.json())["operation"]}
        await route.fulfill(status=202, json=accepted, headers={"Access-Control-Allow-Origin": "*"})

    async def deaf(route):
        await route.abort()

    await page.route("**/payments", accepted)
    await page.route("**/payments/*", deaf)
    async with page.expect_request("**/payments/*"):
        await pay_button(page).click()


async def come_back(page):
    url = page.url
    # Away first: the page would hear the end by itself.
    await page.goto("about:blank")
    await page.unroute_all()
    await page.goto(url)


async def build_alone(page, build: str):
    """Another component in the place of the example's drop-in."""
    await page.evaluate(
        f"""async () => {{
          told.component.unmount();
          told.component = await ({build})();
          await told.component.mount("#payment");
        }}"""
    )


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def left_behind(chromium, shop, card_):
    """A shopper who approved at the bank, and whose tab closed before it came back. The PSP finishes it by itself."""
    context = await chromium.new_context()
    page = await context.new_page()
    reply = await page.request.post(f"{shop}/api/checkouts", data={"quantities": {"mug": 1}})
    made = await reply.json()
    await page.goto(f"{shop}/example/index.html?session={made['sessionId']}")
    await card_(page, REDIRECT)
    await pay_button(page).click()

    async def never_back(route):
        await route.abort()

    approve = page.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    await page.route("**/payments/*/return**", never_back)
    async with page.expect_event("requestfailed"):
        await approve.click()
    await page.close()
    other = await context.new_page()
    yield Checkout(shop=shop, page=other, cart=made["cartId"], session=made["sessionId"])
    await context.close()


async def test_the_example_of_the_documentation_pays(left_behind, checkout, card):
    one = await checkout()
    await card(one.page, APPROVED)
    await pay_button(one.page).click()
    await expect(approved(one.page)).to_be_visible()
    (result,) = await results(one.page)
    (payment,) = await one.payments()
    assert result == {"isSuccess": True, "outcome": "approved", "paymentReference": payment["id"]}


async def test_two_tabs_on_one_cart_pay_once(checkout, card):
    one = await checkout()
    other = await one.page.context.new_page()
    await other.goto(one.url)
    await expect(pay_button(other)).to_be_enabled()
    for page in (one.page, other):
        await card(page, APPROVED)
    await asyncio.gather(*(pay_button(page).click() for page in (one.page, other)))

    async def both_know():
        return all([await page.evaluate("told.results.length + told.errors.length") for page in (one.page, other)])

    await eventually(both_know, within_s=PATIENCE_S)
    assert (await one.authorizations()).count("Success") == 1
    results = [result for page in (one.page, other) for result in await page.evaluate("told.results")]
    paid = [result["paymentReference"] for result in results if result["isSuccess"]]
    assert len(paid) >= 1
    assert len(set(paid)) == 1


async def test_a_server_that_takes_longer_than_anybody_waits_is_asked_until_it_knows(checkout, card):
    one = await checkout()
    asked = []
    one.page.on("request", lambda request: asked.append(request.url) if "/payments/" in request.url else None)

    async def impatient(route):
        # Whatever the server knows by now, the page is told what it is told where nothing is known yet.
        reply = await route.fetch(headers={**route.request.headers, "prefer": "wait=0"})
        accepted = {"paymentReference": None, "outcome": "pending", "operation": (await reply.json())["operation"]}
        await route.fulfill(status=202, json=accepted, headers={"Access-Control-Allow-Origin": "*"})

    await one.page.route("**/payments", impatient)
    await card(one.page, APPROVED)
    await pay_button(one.page).click()
    await expect(approved(one.page)).to_be_visible()
    assert asked
    assert await one.authorizations() == ["Success"]


async def test_a_shopper_in_a_tunnel_pays_once_and_is_told(checkout, card):
    one = await checkout()
    keys = []

    async def lose_the_first_reply(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            await route.fallback()
            return
        await route.fetch()
        await one.page.context.set_offline(True)
        await route.abort("internetdisconnected")

    await one.page.route("**/payments", lose_the_first_reply)
    await card(one.page, APPROVED)
    await pay_button(one.page).click()
    await one.until("Success")
    assert await one.page.evaluate("told.results") == []
    await one.page.context.set_offline(False)
    await expect(approved(one.page)).to_be_visible()
    assert len(set(keys)) == 1
    assert await one.authorizations() == ["Success"]


async def test_a_tab_that_is_closed_after_paying_has_paid(checkout, card):
    one = await checkout()
    sent = asyncio.Event()

    async def close_meanwhile(route):
        fetching = asyncio.create_task(route.fetch())
        sent.set()
        with contextlib.suppress(Exception):
            await fetching

    await one.page.route("**/payments", close_meanwhile)
    await card(one.page, APPROVED)
    await pay_button(one.page).click()
    await sent.wait()
    later = Checkout(shop=one.shop, page=await one.page.context.new_page(), cart=one.cart, session=one.session)
    await later.until("Success")
    await one.page.close()
    assert len(await later.payments()) == 1


async def test_a_page_that_is_loaded_again_in_the_middle_of_a_payment_is_told_its_end(checkout, card):
    one = await checkout()
    await card(one.page, APPROVED)
    await walk_away(one.page)
    await come_back(one.page)
    await expect(approved(one.page)).to_be_visible()
    (result,) = await results(one.page)
    (payment,) = await one.payments()
    assert result["paymentReference"] == payment["id"]
    assert await one.page.evaluate("sessionStorage.length") == 0


async def test_a_payment_that_was_declined_while_the_page_was_away_can_be_tried_with_another_card(checkout, card):
    one = await checkout()
    await card(one.page, DECLINED)
    await walk_away(one.page)
    await one.until("Failure")
    await come_back(one.page)
    await card(one.page, APPROVED)
    await pay_button(one.page).click()
    await expect(approved(one.page)).to_be_visible()
    assert await one.authorizations() == ["Failure", "Success"]


async def test_a_challenge_in_a_dialog_and_a_visit_to_the_bank_both_end_in_one_authorization(checkout, card):
    one = await checkout()
    await card(one.page, CHALLENGE)
    await pay_button(one.page).click()
    await one.page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve").click()
    await expect(approved(one.page)).to_be_visible()
    assert await one.authorizations() == ["Success"]
    other = await checkout()
    await card(other.page, REDIRECT)
    await pay_button(other.page).click()
    await other.page.get_by_role("button", name="Approve").click()
    await other.page.wait_for_url(f"{other.shop}/payments/*")
    await other.until("Success")
    # Back in the shop, the page that began it hears how it ended.
    await other.page.goto(other.url)
    await expect(approved(other.page)).to_be_visible()
    assert [one["outcome"] for one in await results(other.page)] == ["approved"]


async def test_a_component_alone_is_submitted_by_the_page_and_tells_it_what_commercetools_says(checkout, card):
    one = await checkout()
    await build_alone(
        one.page,
        """async () => (await enabler.createComponentBuilder("card")).build({ showPayButton: false })""",
    )
    await card(one.page, APPROVED)
    await one.page.evaluate("told.component.submit({ storePaymentDetails: false })")
    await expect(approved(one.page)).to_be_visible()
    (result,) = await results(one.page)
    (payment,) = await one.payments()
    assert result["paymentReference"] == payment["id"]
    assert await one.authorizations() == ["Success"]


async def test_an_express_checkout_pays_for_the_cart_that_its_press_made(checkout, shop):
    one = await checkout()
    await one.page.evaluate(
        """async (sessionId) => {
          told.component.unmount();
          const price = (centAmount) => ({ centAmount, currencyCode: "EUR", fractionDigits: 2 });
          const component = (await enabler.createExpressBuilder("wallet")).build({
            initialAmount: price(2980),
            onPayButtonClick: async () => ({ sessionId }),
            onShippingAddressSelected: async () => {},
            getShippingMethods: async () => [{ id: "slow", name: "By ship", amount: price(0), isSelected: true }],
            onShippingMethodSelected: async () => {},
            onPaymentSubmit: async () => {},
            onComplete: (result) => { told.results.push(result); },
          });
          told.isAvailable = await component.isAvailable();
          await component.mount("#payment");
        }""",
        one.session,
    )
    assert await one.page.evaluate("told.isAvailable") is True
    await one.page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = one.page.locator("dialog iframe").content_frame
    await wallet.locator("#address").select_option(index=1)
    await wallet.get_by_role("button", name="Pay").click()
    await expect(approved(one.page)).to_be_visible()
    (payment,) = await one.payments()
    assert await results(one.page) == [
        {"isSuccess": True, "paymentReference": payment["id"], "method": {"type": "wallet"}}
    ]


async def test_a_card_that_was_stored_with_consent_pays_again_and_can_be_forgotten(checkout, card):
    first = await checkout(customer="ada")
    await card(first.page, APPROVED)
    await first.page.get_by_role("checkbox", name="Save this card").check()
    await pay_button(first.page).click()
    await expect(approved(first.page)).to_be_visible()
    listed = "enabler.getStoredPaymentMethods({}).then((found) => found.storedPaymentMethods.length)"
    again = await checkout(customer="ada")

    async def stored():
        # It is put on the customer's list after the payment.
        await again.page.goto(again.url)
        return await again.page.evaluate(listed) == 1

    await eventually(stored, within_s=PATIENCE_S, every_s=0.5)
    replies = []

    async def read(route):
        reply = await route.fetch()
        replies.append(await reply.text())
        await route.fulfill(response=reply)

    await again.page.route("**/stored-payment-methods", read)
    await again.page.goto(again.url)
    await expect(again.page.get_by_role("radio", name="Visa •••• 4242")).to_be_checked()
    await pay_button(again.page).click()
    await expect(approved(again.page)).to_be_visible()
    assert await again.authorizations() == ["Success"]
    # What stands for money stays at the server.
    assert "tok" not in "".join(replies).lower()
    last = await checkout(customer="ada")
    await build_alone(
        last.page,
        """async () => {
          const { storedPaymentMethods: [{ id }] } = await enabler.getStoredPaymentMethods({});
          const builder = await enabler.createStoredPaymentMethodBuilder("card");
          return builder.build({ id, brands: ["visa"], showPayButton: true });
        }""",
    )
    await expect(last.page.get_by_text("Visa •••• 4242")).to_be_visible()
    await pay_button(last.page).click()
    await expect(approved(last.page)).to_be_visible()
    assert await last.authorizations() == ["Success"]
    await last.page.evaluate("told.component.remove()")
    await last.page.goto(last.url)
    await expect(pay_button(last.page)).to_be_enabled()
    assert await last.page.evaluate(listed) == 0


async def test_another_customer_sees_nothing_of_it(checkout):
    one = await checkout(customer="grace")
    assert await one.page.evaluate("enabler.getStoredPaymentMethods({})") == {"storedPaymentMethods": []}


async def test_a_guest_is_not_asked_to_have_a_card_stored_and_may_promise_to_pay(checkout):
    one = await checkout()
    assert await one.page.evaluate("enabler.isStoredPaymentMethodsEnabled()") is False
    await expect(one.page.get_by_role("checkbox")).to_have_count(0)
    await one.page.get_by_role("radio", name="Purchase order").check()
    await one.page.get_by_label("Purchase order number").fill("PO-2026-7")
    await pay_button(one.page).click()
    (result,) = await results(one.page)
    assert result["isSuccess"] is True
    (payment,) = await one.payments()
    assert payment["id"] == result["paymentReference"]
    assert "PO-2026-7" in str(payment)


async def test_a_shopper_who_never_comes_back_from_the_bank_has_paid_all_the_same(left_behind):
    """The webhook wins the race against a return that never happens. It began with the first test of this file."""
    await left_behind.until("Success")
    assert len(await left_behind.payments()) == 1
