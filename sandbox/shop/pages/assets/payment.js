// One payment: what there is, what can be done to it, and every version of it as it comes.

import { get, poll, post, shop } from "./api.js";
import { amountFrom, byId, element, money, plainAmount, time } from "./dom.js";
import { Timeline, badge } from "./timeline.js";

const id = decodeURIComponent(window.location.pathname.split("/").pop());
const path = `/payments/${encodeURIComponent(id)}`;
const { pspUrl } = await shop();
const timeline = new Timeline(byId("timeline"));
let payment = null;
let seen = 0;

const OUTCOMES = {
  approved: "Back from your bank: the payment is approved.",
  rejected: "Back from your bank: the payment was not accepted.",
  pending: "Back from your bank: the payment is under way.",
};

function sumsOf({ transactions, amountPlanned }) {
  const sum = (type, ...states) => transactions
    .filter((each) => each.type === type && states.includes(each.state))
    .reduce((total, each) => total + each.amount.centAmount, 0);
  const captured = sum("Charge", "Success");
  const used = sum("Charge", "Initial", "Pending", "Success");
  const canceled = sum("CancelAuthorization", "Success");
  const back = sum("Refund", "Initial", "Pending", "Success") + sum("Chargeback", "Pending", "Success");
  const authorized = sum("Authorization", "Success");
  const amounts = {
    Authorized: authorized,
    Captured: captured,
    Refunded: sum("Refund", "Success"),
    "Charged back": sum("Chargeback", "Success"),
    "Can be captured": canceled ? 0 : Math.max(0, authorized - used),
    "Can be refunded": Math.max(0, captured - back),
  };
  const { currencyCode } = amountPlanned;
  return Object.fromEntries(Object.entries(amounts).map(([name, centAmount]) => [name, { centAmount, currencyCode }]));
}

function transaction(each) {
  const references = [["PSP reference", each.interactionId], ["PSP's own id", each.interfaceId]].filter(([, value]) => value);
  const fields = Object.entries(each.custom?.fields ?? {});
  return element("li", {},
    element("div", { class: "head" }, element("strong", { text: each.type }), element("span", { class: "price", text: money(each.amount) }), badge(each.state)),
    ...references.map(([name, value]) => element("p", { class: "small" }, `${name} `, element("code", { text: value }))),
    element("details", {},
      element("summary", { text: `${each.timestamp ? time(each.timestamp) : "no time"} · ${fields.length} custom fields` }),
      element("dl", {}, ...[["id", each.id], ...fields].flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: String(value) })]))));
}

function draw() {
  const sums = sumsOf(payment);
  byId("title").textContent = `Payment of ${money(payment.amountPlanned)}`;
  byId("reference").textContent = payment.id;
  byId("version").textContent = payment.version;
  byId("method").textContent = payment.paymentMethodInfo?.name?.en ?? payment.paymentMethodInfo?.method ?? "no method yet";
  byId("sums").replaceChildren(...Object.entries(sums).map(([name, amount]) =>
    element("div", { class: amount.centAmount ? "" : "zero" }, element("dt", { text: name }), element("dd", { text: money(amount) }))));
  const open = [...byId("transactions").querySelectorAll("li")].map((each) => each.querySelector("details").open);
  byId("transactions").replaceChildren(...payment.transactions.map(transaction));
  [...byId("transactions").querySelectorAll("details")].forEach((each, place) => { each.open = open[place] ?? false; });
  byId("raw").textContent = JSON.stringify(payment, null, 2);
  suggest("capture-amount", sums["Can be captured"]);
  suggest("refund-amount", sums["Can be refunded"]);
  suggest("merchant-amount", sums["Can be captured"].centAmount ? sums["Can be captured"] : sums["Can be refunded"]);
  if (payment.interfaceId) byId("dashboard").href = `${pspUrl}/#${encodeURIComponent(payment.interfaceId)}`;
}

// Never over what somebody has typed.
function suggest(field, amount) {
  const input = byId(field);
  if (!input.dataset.typed) input.value = plainAmount(amount);
}

let fading;
function say(text) {
  byId("message").textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { byId("message").textContent = ""; }, 8000);
}

async function refresh() {
  const found = await get(`${path}?after=${seen}`);
  if (found === null) return true;
  // Two refreshes can be under way at once, after a button.
  timeline.add(found.rows.filter(({ number }) => number > seen));
  if (found.seen < seen) return true;
  payment = found.payment;
  seen = found.seen;
  draw();
  return true;
}

async function perform(button, ask) {
  button.disabled = true;
  say("");
  try {
    say(await ask());
    for (const input of document.querySelectorAll("input")) delete input.dataset.typed;
    await refresh();
  } catch (error) {
    say(error.message);
  }
  button.disabled = false;
}

function typed(field) {
  const amount = amountFrom(byId(field).value, payment.amountPlanned.currencyCode);
  if (amount === null) throw new Error("Type an amount, such as 12.50.");
  return amount;
}

const WORDS = { approved: "approved", rejected: "rejected", received: "received: it will show below" };

function intent(buttonId, action, field) {
  byId(buttonId).addEventListener("click", () => perform(byId(buttonId), async () => {
    const amount = field ? { amount: typed(field) } : {};
    const { outcome, reason } = await post(`${path}/intents`, { action: { action, ...amount } });
    return `The connector answered: ${WORDS[outcome] ?? outcome}.${reason ? ` ${reason.message}` : ""}`;
  }));
}

intent("capture", "capturePayment", "capture-amount");
intent("refund", "refundPayment", "refund-amount");
intent("cancel", "cancelPayment");
intent("reverse", "reversePayment");
byId("add").addEventListener("click", () => perform(byId("add"), async () => {
  await post(`${path}/transactions`, { type: byId("merchant-type").value, amount: typed("merchant-amount") });
  return "Added in commercetools. Watch what the connector makes of it.";
}));
for (const input of document.querySelectorAll("input")) input.addEventListener("input", () => { input.dataset.typed = "1"; });

const outcome = new URLSearchParams(window.location.search).get("outcome");
if (Object.hasOwn(OUTCOMES, outcome ?? "")) {
  byId("outcome").textContent = OUTCOMES[outcome];
  byId("outcome").hidden = false;
}
byId("dashboard").href = `${pspUrl}/`;
let lost = false;
poll(refresh, { every: 500, failed: (text) => { if (text || lost) say(text); lost = Boolean(text); } });
