"""For everybody: by keyboard alone, by ear, in other languages and directions, in the shop's colours, on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from support.browsing import true
from support.commercetools_servers import MissingToolError
from support.enabler_build import packages

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

APPROVED, DECLINED, CHALLENGE = "4242424242424242", "4000000000000002", "4000000000003220"
NARROW = {"width": 320, "height": 700}
STORED = [{"id": "one", "type": "card", "displayOptions": {"endDigits": "4444", "brand": {"key": "Mastercard"}}}]
#: Pixels from a text's first letter to its last, to the right.
FIRST_TO_LAST = """(one) => {
  const [text] = one.childNodes;
  const left = (from) => {
    const letter = document.createRange();
    letter.setStart(text, from);
    letter.setEnd(text, from + 1);
    return letter.getBoundingClientRect().left;
  };
  return left(text.length - 1) - left(0);
}"""
EVERYTHING = {"paymentMethods": ["card", "invoice", "purchaseorder"]}


@pytest.fixture(scope="module")
def axe():
    """The text of axe-core."""
    try:
        return (packages() / "node_modules" / "axe-core" / "axe.min.js").read_text()
    except MissingToolError as missing:
        pytest.skip(str(missing))


async def faults(page, axe):
    """What axe finds wrong in the page with all its frames."""
    for frame in page.frames:
        # Frames of other origins have to answer, too.
        await frame.evaluate(f"{axe}; axe.configure({{ allowedOrigins: ['<unsafe_all_origins>'] }})")
    result = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    # Proof that the frames were looked into.
    assert len(page.frames) == 1 or any(
        len(node["target"]) > 1 for one in result["passes"] for node in one["nodes"] if len(node["target"]) > 1
    )
    return [
        (one["id"], node["target"], node["failureSummary"]) for one in result["violations"] for node in one["nodes"]
    ]


@pytest.mark.node
async def test_axe_finds_nothing_in_any_state_of_the_component(open_payment, processor, card, axe):
    processor.stored = STORED
    processor.more_configuration = EVERYTHING
    page = await open_payment()
    assert await faults(page, axe) == []
    await page.get_by_role("radio", name="Purchase order").check()
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.get_by_role("alert").filter(has_text="enter the number")).to_be_visible()
    assert await faults(page, axe) == []
    await page.get_by_role("radio", name="Another card").check()
    await card(page, "4242")
    await page.get_by_role("button", name="Pay now").click()
    await true(page, "told.errors.length === 2")
    assert await faults(page, axe) == []
    await card(page, DECLINED)
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.get_by_role("alert").filter(has_text="declined")).to_be_visible()
    assert await faults(page, axe) == []
    await card(page, CHALLENGE)
    await page.get_by_role("button", name="Pay now").click()
    frame = page.locator("dialog iframe").content_frame
    await expect(frame.get_by_role("button", name="Approve")).to_be_visible()
    assert await faults(page, axe) == []
    await page.get_by_role("button", name="Close").click()
    assert await faults(page, axe) == []
    await page.get_by_role("button", name="Go on paying").click()
    await frame.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()
    assert await faults(page, axe) == []


@pytest.mark.node
async def test_axe_finds_nothing_in_the_wallet_and_in_the_demo_shop(open_tab, shop, psp, axe):
    page = await open_tab(shop)
    assert await faults(page, axe) == []
    await page.get_by_role("button", name="Go to payment").click()
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
    assert await faults(page, axe) == []
    await page.goto(f"{shop}/example/spa.html#payment")
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()
    assert await faults(page, axe) == []


async def test_a_shopper_pays_by_keyboard_alone_in_the_order_of_the_page(open_payment):
    page = await open_payment()
    keys = page.keyboard
    await keys.press("Tab")
    await keys.type(CHALLENGE)
    await keys.press("Tab")
    await keys.type("1234")
    await keys.press("Tab")
    await keys.type("123")
    await keys.press("Tab")
    await expect(page.get_by_role("button", name="Pay now")).to_be_focused()
    await keys.press("Enter")
    approve = page.locator("dialog iframe").content_frame.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()
    for _ in range(4):
        if await approve.evaluate("(one) => one === document.activeElement && document.hasFocus()"):
            break
        await keys.press("Tab")
    await expect(approve).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()


async def test_methods_are_chosen_by_arrow_keys(open_payment, processor):
    processor.stored = STORED
    processor.more_configuration = EVERYTHING
    page = await open_payment()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="Mastercard")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("radio", name="Invoice", exact=True)).to_be_checked()
    await expect(page.get_by_text("We send you an invoice")).to_be_visible()


async def test_what_goes_wrong_is_announced_at_once_and_all_else_when_it_suits(open_payment, card):
    page = await open_payment()
    await card(page, DECLINED)
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.get_by_role("alert").filter(has_text="declined")).to_be_visible()
    # The regions are there before there is anything to say: only a change is read out.
    await expect(page.locator("#payment").get_by_role("status")).to_have_count(1)
    await expect(page.frame_locator("#payment iframe").get_by_role("alert")).to_have_count(3)
    await card(page, APPROVED)
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.locator("#payment").get_by_role("status")).to_have_text("Thank you. The payment is approved.")
    await expect(page.get_by_role("alert").filter(has_text="declined")).to_have_count(0)


async def test_every_field_of_ours_has_a_label_and_no_autocompletion(open_payment, processor):
    processor.stored = STORED
    processor.more_configuration = EVERYTHING
    page = await open_payment()
    for name in ("Another card", "Purchase order"):
        await page.get_by_role("radio", name=name).check()
    ours = await page.evaluate("""
      [...document.querySelector(".ctpay").shadowRoot.querySelectorAll("input")]
        .map((one) => [one.labels.length, one.autocomplete || one.form?.autocomplete])
    """)
    assert len(ours) == 7
    assert set(map(tuple, ours)) == {(1, "off")}
    frame = page.frame_locator("#payment iframe")
    for name in ("Card number", "Expiry date", "Security code"):
        await expect(frame.get_by_label(name)).to_have_attribute("autocomplete", "off")


async def test_a_shopper_reads_their_own_language(open_payment, processor, card, shots):
    processor.stored = STORED
    page = await open_payment(language="de-DE")
    await expect(page.get_by_role("button", name="Jetzt zahlen")).to_be_enabled()
    await page.get_by_role("radio", name="Andere Karte").check()
    await expect(page.frame_locator("#payment iframe").get_by_label("Kartennummer")).to_be_visible()
    await card(page, DECLINED)
    await page.get_by_role("button", name="Jetzt zahlen").click()
    await expect(page.get_by_role("alert").filter(has_text="Die Zahlung wurde abgelehnt")).to_be_visible()
    await shots(page, "enabler-german")
    assert await page.evaluate("document.querySelector('.ctpay').lang") == "de"


async def test_the_page_says_which_language_where_the_storefront_does_not(open_payment):
    page = await open_payment(language="de")
    await page.evaluate("""(async () => {
      told.component.unmount();
      const { processorUrl, sessionId } = { processorUrl: document.body.dataset.processor, sessionId: "other" };
      const english = new Connector.Enabler({ processorUrl, sessionId, locale: "en-GB" });
      await (await english.createDropinBuilder("embedded")).build({}).mount("#payment");
    })()""")
    await expect(page.get_by_role("button", name="Pay now")).to_be_enabled()


async def test_from_right_to_left_nothing_breaks(open_payment, processor, card, shots):
    processor.stored = STORED
    page = await open_payment(language="ar", direction="rtl", viewport=NARROW)
    await page.get_by_role("radio", name="Another card").check()
    frame = page.frame_locator("#payment iframe")
    await page.get_by_role("button", name="Pay now").click()
    wrong = frame.locator("#number-error")
    await expect(wrong).to_have_text("Check the card number.")
    # Arabic we lack, and English ends at its full stop in any page.
    assert await wrong.evaluate(FIRST_TO_LAST) > 0
    await card(page, APPROVED)
    assert await frame.locator("html").get_attribute("dir") == "rtl"
    number, label = frame.locator("#number"), frame.locator("label[for=number]")
    # Labels begin at the right; digits are read from the left there, too.
    assert await label.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    assert await number.evaluate("(one) => getComputedStyle(one).direction") == "ltr"
    edges = "(one) => one.getBoundingClientRect()"
    radio = await page.get_by_role("radio", name="Another card").evaluate(edges)
    assert radio["left"] > NARROW["width"] / 2
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The card's brand does not lie on the number.
    assert await number.evaluate("(one) => getComputedStyle(one).textAlign") == "right"
    assert (await frame.locator("#brand").evaluate(edges))["right"] < NARROW["width"] / 2
    await shots(page, "enabler-rtl")
    await page.get_by_role("button", name="Pay now").click()
    await expect(page.get_by_text("The payment is approved.")).to_be_visible()


async def test_a_shop_gives_its_own_colours_and_they_reach_the_psps_fields(open_payment):
    page = await open_payment()
    await page.evaluate("""(async () => {
      const { style } = document.documentElement;
      style.setProperty("--ctpay-accent", "#0b6e4f");
      style.setProperty("--ctpay-radius", "0px");
      style.setProperty("--ctpay-error", "#ffb4ab");
      style.setProperty("--ctpay-field", "red; background: url(https://evil.test/)");
      await told.component.mount("#payment");
    })()""")
    button = page.get_by_role("button", name="Pay now")
    await expect(button).to_have_css("background-color", "rgb(11, 110, 79)")
    await expect(button).to_have_css("border-radius", "0px")
    source = await page.locator("#payment iframe").get_attribute("src")
    assert "accent=%230b6e4f" in source
    assert "radius=0" in source
    # On a dark page, what is wrong would be told in dark red.
    await button.click()
    error = page.frame_locator("#payment iframe").locator("#number-error")
    await expect(error).to_have_css("color", "rgb(255, 180, 171)")
    # Not a colour: it stays where it is.
    assert "evil" not in source


async def test_it_fits_a_phone_and_a_thumb(open_payment, processor, card, shots):
    processor.stored = STORED
    processor.more_configuration = EVERYTHING
    page = await open_payment(viewport=NARROW)
    await page.get_by_role("radio", name="Another card").check()
    await card(page, APPROVED)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heights = await page.evaluate("""
      [...document.querySelector(".ctpay").shadowRoot.querySelectorAll("button, label.option, label.consent, .form input")]
        .filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().height)
    """)
    # CSS pixels (WCAG 2.2, target size enhanced).
    assert min(heights) >= 44
    await page.set_viewport_size({"width": 390, "height": 700})
    await shots(page, "enabler-phone")
