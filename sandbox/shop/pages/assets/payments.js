// The list of payments.

import { get, poll, shop } from "./api.js";
import { byId, element, money, time } from "./dom.js";
import { badge } from "./timeline.js";

function line(payment) {
  const states = payment.transactions.map(({ type, state, amount }) =>
    element("span", { class: "state" }, `${type} ${money(amount)} `, badge(state)));
  return element("li", {},
    element("a", { href: `/payments/${encodeURIComponent(payment.id)}` },
      element("strong", { text: money(payment.amountPlanned) }),
      element("span", { class: "hint", text: `${time(payment.createdAt)} · ${payment.id.slice(0, 8)} · version ${payment.version}` })),
    element("div", { class: "states" }, ...states));
}

await shop();
let shown = "";
poll(async () => {
  const { payments } = await get("/payments");
  const text = JSON.stringify(payments);
  if (text === shown) return true;
  shown = text;
  const none = element("li", { class: "hint", text: "No payments yet. Buy something in the shop." });
  byId("payments").replaceChildren(...(payments.length ? payments.map(line) : [none]));
  return true;
}, { every: 1500, failed: (text) => { byId("message").textContent = text; } });
