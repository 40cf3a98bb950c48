// A wallet that knows the shopper's card and addresses. The page around it asks the shop what shipping costs.
//
// Messages, both ways only to and from the one origin the server put into the page:
//   in   {type: "order", amount, countries}  {type: "shipping", methods}  {type: "shipped", id}  {type: "failed"}
//   out  ready, address {address}, shipping {id}, paid {token, shippingAddress, billingAddress}, error {code, message}

import { formatMoney } from "./money.js";

const { origin, key } = document.body.dataset;
const byId = (id) => document.getElementById(id);
const tell = (message) => window.parent.postMessage(message, origin);
const say = (text) => { byId("message").textContent = text; };

const ADDRESSES = [
  { firstName: "Ada", lastName: "Berger", streetName: "Lindenstraße", streetNumber: "7", postalCode: "10969", city: "Berlin", country: "DE", email: "ada@example.com" },
  { firstName: "Ada", lastName: "Berger", streetName: "Kerkstraat", streetNumber: "12", postalCode: "1017", city: "Amsterdam", country: "NL", email: "ada@example.com" },
];
const CARD = { number: "4242424242424242", exp_month: 12, exp_year: 2034, cvc: "123" };

let amount = null;
let chosen = null;

function draw(countries) {
  const open = ADDRESSES.filter(({ country }) => !countries?.length || countries.includes(country));
  const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
  byId("address").replaceChildren(
    option("Choose an address", ""),
    ...open.map((each) => option(`${each.streetName} ${each.streetNumber}, ${each.city}`, ADDRESSES.indexOf(each))),
  );
}

function drawShipping(methods) {
  const rows = methods.map(({ id, name, amount: price, isSelected }) => {
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "shipping", value: id, checked: isSelected === true });
    radio.addEventListener("change", () => choose(id));
    const label = document.createElement("label");
    label.append(radio, ` ${name}, ${formatMoney(price.centAmount, price.currencyCode)}`);
    return label;
  });
  byId("shipping").replaceChildren(byId("shipping").querySelector("legend"), ...rows);
  byId("shipping").hidden = rows.length === 0;
  const selected = methods.find(({ isSelected }) => isSelected);
  byId("pay").disabled = !selected && rows.length > 0;
}

function choose(id) {
  byId("pay").disabled = true;
  say("");
  tell({ type: "shipping", id });
}

byId("address").addEventListener("change", ({ target }) => {
  chosen = ADDRESSES[target.value];
  byId("pay").disabled = true;
  byId("shipping").hidden = true;
  // Before somebody pays, a wallet tells no more than shipping depends on.
  if (chosen) tell({ type: "address", address: { country: chosen.country, postalCode: chosen.postalCode, city: chosen.city } });
});

byId("pay").addEventListener("click", async () => {
  byId("pay").disabled = true;
  say("One moment …");
  const response = await fetch("/v1/tokens", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
    body: JSON.stringify({ ...CARD, origin }),
  });
  const body = await response.json();
  if (response.ok) tell({ type: "paid", token: body.id, shippingAddress: chosen, billingAddress: chosen });
  else say(body.error.message);
});

const ORDERS = {
  order(message) {
    amount = message.amount;
    byId("pay").textContent = `Pay ${formatMoney(amount.centAmount, amount.currencyCode)} and shipping`;
    draw(message.countries);
  },
  shipping: ({ methods }) => drawShipping(methods),
  // The shop's cart has it now; unless the shopper has chosen another meanwhile.
  shipped: ({ id }) => { if (byId("shipping").querySelector(":checked")?.value === id) byId("pay").disabled = false; },
  failed: () => say("The shop does not ship there. Please choose another address."),
};

window.addEventListener("message", (event) => {
  if (event.origin !== origin || event.source !== window.parent) return;
  if (typeof event.data !== "object" || event.data === null) return;
  if (Object.hasOwn(ORDERS, event.data.type)) ORDERS[event.data.type](event.data);
});
tell({ type: "ready" });
