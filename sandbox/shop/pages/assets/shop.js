// The shop page: a cart, then the connector's drop-in, and what happens in commercetools meanwhile.

import { get, poll, post, shop } from "./api.js";
import { byId, element, money } from "./dom.js";
import { Timeline } from "./timeline.js";

const { items, cards, currency, processorUrl } = await shop();
const quantities = { mug: 2, notebook: 1, blanket: 0 };
const say = (text) => { byId("message").textContent = text; };

function drawCart() {
  const rows = Object.entries(items).map(([key, item]) => {
    const step = (by, sign, label) => element("button", {
      type: "button", class: "step", text: sign, "aria-label": `${label} ${item.name}`,
      on: { click: () => { quantities[key] = Math.min(20, Math.max(0, quantities[key] + by)); drawCart(); byId("items").querySelector(`[aria-label="${label} ${item.name}"]`).focus(); } },
    });
    return element("li", { class: quantities[key] ? "" : "none" },
      element("img", { src: `/assets/${key}.svg`, alt: "", width: "56", height: "56" }),
      element("div", {}, element("strong", { text: item.name }), element("p", { class: "hint", text: item.text })),
      element("div", { class: "quantity" }, step(-1, "−", "Less of"),
        element("span", { text: String(quantities[key]), "aria-label": "Quantity" }), step(1, "+", "More of")),
      element("span", { class: "price", text: money({ centAmount: item.price * (quantities[key] || 1), currencyCode: currency }) }));
  });
  byId("items").replaceChildren(...rows);
  const sum = Object.entries(quantities).reduce((total, [key, quantity]) => total + items[key].price * quantity, 0);
  byId("total").textContent = money({ centAmount: sum, currencyCode: currency });
  byId("checkout").disabled = sum === 0;
}

function drawCards() {
  byId("cards-list").replaceChildren(...cards.map(({ text, number }) => {
    const spaced = number.replace(/(.{4})(?=.)/g, "$1 ");
    const copy = element("button", { type: "button", class: "copy", text: "Copy", "aria-label": `Copy ${spaced}` });
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(number);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    return element("li", {}, element("div", {}, element("code", { text: spaced }), element("span", { class: "hint", text })), copy);
  }));
}

async function checkout() {
  byId("checkout").disabled = true;
  say("");
  try {
    const started = await post("/checkouts", { quantities, customer: byId("customer").value || null });
    for (const button of document.querySelectorAll(".step")) button.disabled = true;
    byId("before").hidden = true;
    byId("customer").disabled = true;
    byId("checkout").hidden = true;
    byId("restart").hidden = false;
    byId("cards").hidden = false;
    byId("watch").hidden = false;
    watch(started.cartId);
    await mount(started);
  } catch (error) {
    say(error.message);
    byId("checkout").disabled = false;
  }
}

async function mount({ sessionId, total }) {
  const { Enabler } = await import(`${processorUrl}/enabler/connector-enabler.es.js`);
  const enabler = new Enabler({
    processorUrl,
    sessionId,
    locale: navigator.language,
    onComplete: (result) => paid(result, express),
    onError: (error) => console.warn(error),
  });
  const dropin = (await enabler.createDropinBuilder("embedded")).build({});
  const express = (await enabler.createExpressBuilder("wallet")).build({
    initialAmount: total,
    onPayButtonClick: async () => ({ sessionId }),
    onShippingAddressSelected: async () => {},
    // It costs nothing here, so that the cart stays as it is.
    getShippingMethods: async () => [{ id: "post", name: "By post", amount: { ...total, centAmount: 0 }, isSelected: true }],
    onShippingMethodSelected: async () => {},
    onPaymentSubmit: async () => {},
    onComplete: (result) => paid(result, dropin),
  });
  // The drop-in has a heading of its own.
  byId("payment-title").hidden = true;
  await dropin.mount("#payment");
  if (!(await express.isAvailable())) return;
  byId("express").hidden = false;
  await express.mount("#express-button");
}

// `other`: the way to pay that is not needed any more.
function paid({ paymentReference, isSuccess }, other) {
  if (!isSuccess) return;
  other.unmount();
  byId("or").hidden = true;
  byId("message").replaceChildren(
    element("a", { class: "button", href: `/payments/${encodeURIComponent(paymentReference)}`, text: "Go to the payment: capture, refund, cancel" }),
  );
}

// One timeline for all the payments of the cart: a second try after a decline is a Payment of its own.
function watch(cartId) {
  const timelines = new Map();
  poll(async () => {
    const { payments } = await get(`/checkouts/${encodeURIComponent(cartId)}`);
    for (const { payment, rows, seen } of [...payments].reverse()) {
      if (!timelines.has(payment.id)) {
        const place = element("section", { class: "attempt" },
          element("h3", {}, "Payment ", element("a", { href: `/payments/${encodeURIComponent(payment.id)}`, text: payment.id.slice(0, 8) })));
        byId("timeline").prepend(place);
        timelines.set(payment.id, { timeline: new Timeline(place), seen: 0 });
      }
      const shown = timelines.get(payment.id);
      shown.timeline.add(rows.slice(shown.seen));
      shown.seen = seen;
    }
    return true;
  }, { every: 500, failed: (text) => { byId("watch-hint").textContent = text || "Every new version of the cart's Payments appears here by itself."; } });
}

byId("checkout").addEventListener("click", checkout);
byId("restart").addEventListener("click", () => window.location.reload());
drawCart();
drawCards();
