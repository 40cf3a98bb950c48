// The dashboard: every payment with what a bank or a cardholder could do to it.

import { formatMoney } from "./money.js";

const REFRESH_MS = 1500;
const container = document.getElementById("payments");
const message = document.getElementById("message");

function element(tag, options = {}, ...children) {
  const made = Object.assign(document.createElement(tag), options);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const time = (text) => new Date(text).toLocaleTimeString([], { hour12: false });

async function act(path, body) {
  message.textContent = "";
  const response = await fetch(`/__control/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) message.textContent = (await response.json()).error.message;
  await refresh();
}

const button = (text, path, body = {}) => element("button", { type: "button", textContent: text, onclick: () => act(path, body) });

// Status -> what can be done then. Data, so that the page shows no button that the server would refuse.
const ACTIONS = {
  payment: {
    requires_action: [["Approve the challenge", "challenge", { decision: "approve" }], ["Refuse the challenge", "challenge", { decision: "refuse" }], ["Let it expire", "expire"]],
    pending: [["Settle: approved", "settle", { decision: "approve" }], ["Settle: declined", "settle", { decision: "refuse" }]],
    failed: [["Approve after all", "settle", { decision: "approve" }]],
  },
  capture: { pending: [["Settle", "settle"], ["Fail", "fail"]], succeeded: [["Fail late", "fail", { after_days: 1 }]] },
  refund: { pending: [["Settle", "settle"], ["Fail", "fail"]], succeeded: [["Fail, three days later", "fail", { after_days: 3 }]] },
  dispute: { open: [["Merchant wins", "close", { outcome: "win" }], ["Merchant loses", "close", { outcome: "lose" }]] },
  cancel: {},
};

function buttons(object) {
  const made = (ACTIONS[object.object][object.status] ?? [])
    .map(([text, verb, body]) => button(text, `${object.object}s/${object.id}/${verb}`, body));
  if (object.object === "payment") {
    const disputed = object.disputes.some((each) => each.status === "open");
    if (object.amount_refundable > 0 && !disputed) made.push(button("Open a dispute", `payments/${object.id}/disputes`));
    if (object.amount_capturable > 0) made.push(button("Let it expire", `payments/${object.id}/expire`));
  }
  return element("span", { className: "actions" }, ...made);
}

const status = (text) => element("span", { className: `status ${text}`, textContent: text.replaceAll("_", " ") });

function operationRow(operation) {
  const name = operation.object === "dispute" ? `dispute, round ${operation.round}` : operation.object;
  return element("tr", { id: operation.id },
    element("td", { textContent: time(operation.created) }),
    element("td", { textContent: name }),
    element("td", { className: "amount", textContent: formatMoney(operation.amount, operation.currency) }),
    element("td", {}, status(operation.status)),
    element("td", {}, buttons(operation)));
}

function paymentCard(payment) {
  const operations = [...payment.captures, ...payment.cancels, ...payment.refunds, ...payment.disputes]
    .sort((a, b) => a.created.localeCompare(b.created));
  const reason = payment.failure ? element("p", { className: "hint", textContent: payment.failure.message }) : null;
  const table = operations.length === 0 ? null : element("table", {}, element("tbody", {}, ...operations.map(operationRow)));
  return element("section", { id: payment.id, className: `card${location.hash === `#${payment.id}` ? " wanted" : ""}` },
    element("h2", {},
      element("span", { textContent: formatMoney(payment.amount, payment.currency) }), " ", status(payment.status)),
    element("p", { className: "hint" },
      `${time(payment.created)} · ${payment.card.brand} •••• ${payment.card.last4} · ${payment.description ?? payment.merchant_reference} · `,
      element("code", { textContent: payment.id })),
    reason, buttons(payment), table);
}

let shown = "";
async function refresh() {
  const response = await fetch("/__control/payments");
  const text = await response.text();
  if (text === shown) return;
  shown = text;
  const payments = JSON.parse(text).data;
  const empty = element("p", { textContent: "No payments yet. Buy something in the shop." });
  container.replaceChildren(...(payments.length === 0 ? [empty] : payments.map(paymentCard)));
}

async function keepFresh() {
  try {
    await refresh();
    if (message.dataset.lost) { message.textContent = ""; delete message.dataset.lost; }
  } catch {
    message.textContent = "Sandbox Pay does not answer. Is it still running?";
    message.dataset.lost = "1";
  }
  setTimeout(keepFresh, REFRESH_MS);
}

window.addEventListener("hashchange", () => { shown = ""; refresh(); });
keepFresh();
