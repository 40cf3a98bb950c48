"""Every builder of the enabler in a real browser, over the sandbox PSP's real pages and a scripted processor."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support.browsing import errors, results, true

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED, CHALLENGE = "4242424242424242", "4000000000003220"
#: An Enabler pays once: what is only asked about goes on after a decline.
DECLINED = "4000000000000002"
SHOWN = {"endDigits": "1881", "brand": {"key": "Visa"}, "expiryMonth": 3, "expiryYear": 2031}
STORED = [
    {"id": "stored-1", "type": "card", "token": "tok_secret", "isDefault": False, "createdAt": "2026-01-01T00:00:00Z",
     "displayOptions": {"endDigits": "4444", "brand": {"key": "Mastercard"}}},
    {"id": "stored-2", "type": "card", "token": "tok_secret", "isDefault": True, "createdAt": "2026-02-01T00:00:00Z",
     "displayOptions": SHOWN},
]  # fmt: skip


async def outcomes(page, count=1):
    return [one["outcome"] for one in await results(page, count)]


def methods(processor):
    return [one.document["paymentMethod"] for one in processor.paid()]


def pay_button(page):
    return page.get_by_role("button", name="Pay now")


async def test_a_stored_card_is_shown_and_paid_with_by_its_id_alone(open_payment, processor, shots):
    processor.stored = STORED
    page = await open_payment(
        builder='createStoredPaymentMethodBuilder("card")',
        build='{ id: "stored-2", brands: ["visa"], showPayButton: true }',
    )
    await expect(page.get_by_text("Visa •••• 1881, expires 03/31")).to_be_visible()
    await shots(page, "enabler-stored")
    shown = {"brand": "Visa", "endDigits": "1881", "expiryDate": "03/31"}
    assert await page.evaluate("told.component.getState()") == {"card": shown}
    assert await page.evaluate("told.component.isValid()") is True
    assert await page.evaluate("told.component.isAvailable()") is True
    await pay_button(page).click()
    assert await outcomes(page) == ["approved"]
    assert methods(processor) == [{"type": "card", "storedPaymentMethodId": "stored-2"}]


async def test_a_stored_card_that_is_removed_is_forgotten_by_the_server_and_by_the_page(open_payment, processor):
    processor.stored = STORED
    page = await open_payment(
        builder='createStoredPaymentMethodBuilder("card")', build='{ id: "stored-1", brands: [] }'
    )
    await page.evaluate("told.component.remove()")
    (deleted,) = [one for one in processor.asked if one.method == "DELETE"]
    assert (deleted.path, deleted.headers["x-session-id"]) == ("/stored-payment-methods/stored-1", processor.session)
    assert await page.evaluate("document.querySelector('#payment').innerHTML") == ""
    left = await page.evaluate("enabler.getStoredPaymentMethods({ allowedMethodTypes: ['card'] })")
    assert [one["id"] for one in left["storedPaymentMethods"]] == ["stored-2"]


async def test_stored_methods_are_listed_by_type_and_never_with_what_only_the_server_should_know(
    open_payment, processor
):
    processor.stored = STORED
    page = await open_payment()
    assert await page.evaluate("enabler.isStoredPaymentMethodsEnabled()") is True
    found = (await page.evaluate("enabler.getStoredPaymentMethods({ allowedMethodTypes: ['card'] })"))[
        "storedPaymentMethods"
    ]
    assert [one["id"] for one in found] == ["stored-1", "stored-2"]
    assert "tok_secret" not in str(found)
    none = await page.evaluate("enabler.getStoredPaymentMethods({ allowedMethodTypes: ['invoice'] })")
    assert none == {"storedPaymentMethods": []}


async def test_without_stored_methods_their_builder_says_so(open_payment):
    page = await open_payment()
    assert await page.evaluate("enabler.isStoredPaymentMethodsEnabled()") is False
    assert await page.evaluate("enabler.getStoredPaymentMethods({ allowedMethodTypes: ['card'] })") == {}
    said = await page.evaluate("enabler.createStoredPaymentMethodBuilder('card').then(() => '', (e) => e.message)")
    assert "not enabled" in said


async def test_a_drop_in_offers_what_the_shopper_has_first_and_then_the_rest(open_payment, processor, card, shots):
    processor.stored = STORED
    processor.more_configuration = {"paymentMethods": ["card", "invoice", "purchaseorder"]}
    page = await open_payment()
    options = page.get_by_role("radio")
    await expect(options).to_have_count(5)
    names = await page.evaluate(
        "[...document.querySelector('.ctpay').shadowRoot.querySelectorAll('.option')].map((one) => one.textContent)"
    )
    assert names == [
        "Visa •••• 1881, expires 03/31",
        "Mastercard •••• 4444",
        "Another card",
        "Invoice",
        "Purchase order",
    ]
    await expect(options.first).to_be_checked()
    # Nobody loads card fields to pay with a card that is stored.
    await expect(page.locator("#payment iframe")).to_have_count(0)
    await page.get_by_role("radio", name="Another card").check()
    await card(page, APPROVED)
    await shots(page, "enabler-choice")
    await page.get_by_role("radio", name="Invoice", exact=True).check()
    await expect(page.locator("#payment iframe")).to_be_hidden()
    await page.get_by_role("radio", name="Another card").check()
    # What was typed is still there.
    await true(page, "told.component.isValid()")
    await page.get_by_role("radio", name="Mastercard").check()
    await pay_button(page).click()
    assert await outcomes(page) == ["approved"]
    assert methods(processor) == [{"type": "card", "storedPaymentMethodId": "stored-1"}]


async def test_an_invoice_needs_no_fields(open_payment, processor):
    processor.more_configuration = {"paymentMethods": ["invoice"]}
    page = await open_payment(builder='createComponentBuilder("invoice")')
    await page.evaluate("told.component.submit()")
    assert await outcomes(page) == ["approved"]
    assert methods(processor) == [{"type": "invoice"}]


async def test_a_purchase_order_needs_its_number_and_says_so(open_payment, processor, shots):
    processor.more_configuration = {"paymentMethods": ["purchaseorder"]}
    page = await open_payment(builder='createComponentBuilder("purchaseorder")', build="{ showPayButton: true }")
    number = page.get_by_label("Purchase order number")
    await pay_button(page).click()
    await expect(number).to_be_focused()
    await expect(number).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("alert").filter(has_text="enter the number")).to_be_visible()
    assert processor.paid() == []
    await shots(page, "enabler-purchase-order")
    await number.fill(" PO-7 ")
    await page.get_by_label("Note for the invoice").fill("Second floor")
    assert await page.evaluate("told.component.isValid()") is True
    await number.press("Enter")
    assert await outcomes(page) == ["approved"]
    assert methods(processor) == [{"type": "purchaseorder", "poNumber": "PO-7", "invoiceMemo": "Second floor"}]


async def test_a_method_that_the_session_does_not_allow_is_not_available(open_payment):
    page = await open_payment()
    for kind, is_there in (("card", True), ("invoice", False), ("purchaseorder", False)):
        made = f"enabler.createComponentBuilder('{kind}').then((builder) => window.made = builder.build({{}}))"
        assert await page.evaluate(f"{made}.then((made) => made.isAvailable())") is is_there
    assert "does not allow" in await page.evaluate("made.mount('#payment').then(() => '', (error) => error.message)")


#: What a page does -> whether the card may be stored.
CONSENTS = {
    "submit({ storePaymentDetails: true })": True,
    "submit({ storePaymentDetails: false })": False,
    "submit()": False,
    'submit({ storePaymentDetails: "yes" })': False,
    "submit({ storePaymentDetails: false }, enabler.setStorePaymentDetails(true))": False,
}


async def test_a_card_is_stored_only_with_consent_given_as_true(open_payment, processor, card):
    processor.stored = STORED
    page = await open_payment()
    for number, consent in enumerate(CONSENTS, start=1):
        await page.evaluate("told.component.unmount()")
        await page.evaluate(
            "enabler.createComponentBuilder('card').then((b) => (told.component = b.build({})).mount('#payment'))"
        )
        await card(page, DECLINED)
        await page.evaluate(f"told.component.{consent}, undefined")
        await outcomes(page, number)
    assert [one.get("storePaymentMethod", False) for one in methods(processor)] == list(CONSENTS.values())


async def test_consent_may_come_from_the_pages_setting_the_button_or_the_shoppers_tick(open_payment, processor, card):
    processor.stored = STORED
    page = await open_payment(
        builder='createComponentBuilder("card")',
        build="{ showPayButton: true, onPayButtonClick: async () => ({ storePaymentDetails: true }) }",
    )
    await card(page, DECLINED)
    await pay_button(page).click()
    await outcomes(page)
    await page.evaluate("enabler.setStorePaymentDetails(true)")
    await page.evaluate("told.component.unmount()")
    await page.evaluate(
        "enabler.createComponentBuilder('card').then((b) => (told.component = b.build({})).mount('#payment'))"
    )
    await card(page, DECLINED)
    await page.evaluate("told.component.submit()")
    await outcomes(page, 2)
    await page.evaluate("told.component.unmount(); enabler.setStorePaymentDetails(false)")
    await page.evaluate(
        "enabler.createDropinBuilder('embedded').then((b) => (told.component = b.build({})).mount('#payment'))"
    )
    await page.get_by_role("radio", name="Another card").check()
    await page.get_by_role("checkbox", name="Save this card").check()
    await card(page, DECLINED)
    await pay_button(page).click()
    await outcomes(page, 3)
    assert [one["storePaymentMethod"] for one in methods(processor)] == [True, True, True]


async def test_where_nothing_can_be_stored_nothing_is_asked_and_nothing_sent(open_payment, processor, card):
    page = await open_payment()
    await expect(page.get_by_role("checkbox")).to_have_count(0)
    await page.evaluate("enabler.setStorePaymentDetails(true)")
    await card(page, APPROVED)
    await pay_button(page).click()
    await outcomes(page)
    assert "storePaymentMethod" not in methods(processor)[0]


EXPRESS = """async (options) => {
  window.asked = [];
  const note = (name) => async (given) => { asked.push([name, given]); };
  const price = (centAmount) => ({ centAmount, currencyCode: "EUR", fractionDigits: 2 });
  told.component.unmount();
  told.component = (await enabler.createExpressBuilder("wallet")).build({
    initialAmount: price(2980),
    allowedCountries: ["DE", "FR"],
    onPayButtonClick: async () => { asked.push(["click"]); return { sessionId: "session-of-the-press" }; },
    onShippingAddressSelected: note("address"),
    getShippingMethods: async () => [
      { id: "slow", name: "By ship", amount: price(490) }, { id: "fast", name: "By air", amount: price(1490) },
    ],
    onShippingMethodSelected: note("shipping"),
    onPaymentSubmit: note("submit"),
    onComplete: (result) => { told.results.push({ ...result, outcome: "express" }); },
    ...options,
  });
  if (await told.component.isAvailable()) await told.component.mount("#payment");
}"""


async def test_express_checkout_asks_the_shop_at_every_step_and_pays_in_the_session_that_the_press_made(
    open_payment, processor, shots
):
    page = await open_payment()
    await page.evaluate(EXPRESS, {})
    await page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("dialog iframe").content_frame
    await expect(wallet.locator("#address option")).to_have_count(2)
    await wallet.locator("#address").select_option(label="Lindenstraße 7, Berlin")
    await wallet.get_by_label("By air").check()
    await shots(page, "enabler-express", full_page=False)
    await wallet.get_by_role("button", name="Pay").click()
    await outcomes(page)
    assert await page.evaluate("told.results") == [
        {"isSuccess": True, "paymentReference": "payment-1", "method": {"type": "wallet"}, "outcome": "express"}
    ]
    asked = dict(one if len(one) == 2 else (*one, None) for one in await page.evaluate("asked"))
    assert list(asked) == ["click", "address", "shipping", "submit"]
    assert asked["address"] == {"address": {"country": "DE", "postalCode": "10969", "city": "Berlin"}}
    assert asked["shipping"] == {"shippingMethod": {"id": "fast"}}
    assert asked["submit"]["shippingAddress"]["streetName"] == "Lindenstraße"
    (paid,) = processor.paid()
    assert paid.headers["x-session-id"] == "session-of-the-press"


async def test_an_express_checkout_that_the_shop_refuses_pays_nothing(open_payment, processor):
    page = await open_payment()
    await page.evaluate(EXPRESS.replace('note("submit")', 'async () => { throw new Error("No."); }'), {})
    await page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("dialog iframe").content_frame
    await wallet.locator("#address").select_option(index=1)
    await wallet.get_by_label("By ship").check()
    await wallet.get_by_role("button", name="Pay").click()
    await expect(page.get_by_role("alert").filter(has_text="could not be made")).to_be_visible()
    assert processor.paid() == []
    assert [one["code"] for one in await page.evaluate("told.errors")] == ["shop"]


async def test_nothing_is_paid_before_the_shop_has_taken_the_way_to_ship_or_where_it_refuses(open_payment, processor):
    page = await open_payment()
    taking = "({ shippingMethod: { id } }) => new Promise((done, refuse) => { told.take = { done, refuse, id }; })"
    await page.evaluate(EXPRESS.replace('note("shipping")', taking), {})
    await page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("dialog iframe").content_frame
    await wallet.locator("#address").select_option(index=1)
    pay = wallet.get_by_role("button", name="Pay")
    await wallet.get_by_label("By air").check()
    await true(page, "told.take?.id === 'fast'")
    await expect(pay).to_be_disabled()
    await page.evaluate("told.take.refuse()")
    await expect(wallet.get_by_role("status")).to_contain_text("does not ship")
    await expect(pay).to_be_disabled()
    await wallet.get_by_label("By ship").check()
    await true(page, "told.take.id === 'slow'")
    await expect(pay).to_be_disabled()
    await page.evaluate("told.take.done()")
    await pay.click()
    assert await outcomes(page) == ["express"]
    assert len(processor.paid()) == 1


async def test_an_express_checkout_that_is_stopped_in_its_challenge_tells_which_payment_it_was(
    open_payment, processor, answers
):
    action = {"type": "challenge", "url": f"{processor.psp_url}/challenge/pay_1"}
    asked = {"paymentReference": "payment-9", "outcome": "action", "operation": "operation-1", "action": action}
    processor.script["POST /payments"] = [answers["reply"](200, asked)]
    page = await open_payment()
    await page.evaluate(EXPRESS, {})
    await page.get_by_role("button", name="Pay with Sandbox Wallet").click()
    wallet = page.locator("dialog iframe").content_frame
    await wallet.locator("#address").select_option(index=1)
    await wallet.get_by_label("By ship").check()
    await wallet.get_by_role("button", name="Pay").click()
    challenge = page.get_by_role("dialog", name="Confirm your payment")
    await challenge.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Stop the payment").click()
    assert [(one["code"], one["paymentReference"]) for one in await errors(page)] == [("abandoned", "payment-9")]


async def test_a_psp_without_wallets_has_no_express_checkout(open_payment, processor):
    processor.more_configuration = {"walletUrl": None}
    page = await open_payment()
    await page.evaluate(EXPRESS, {})
    assert await page.evaluate("told.component.isAvailable()") is False
    said = await page.evaluate("enabler.createExpressBuilder('abacus').then(() => '', (error) => error.message)")
    assert "no express checkout of type abacus" in said
