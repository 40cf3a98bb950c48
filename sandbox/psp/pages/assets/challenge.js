// The challenge. In a frame it posts {type: "challenge", payment, result} to the page around it; as a page of its own it
// goes to the shop's return URL with `result` in the query.

import { formatMoney } from "./money.js";

const { payment, origin, state } = document.body.dataset;
const buttons = document.querySelectorAll("button");
const message = document.getElementById("message");
const framed = window.parent !== window;

function lock(text) {
  buttons.forEach((button) => { button.disabled = true; });
  message.textContent = text;
}

async function decide(decision) {
  lock("One moment …");
  const response = await fetch(`/challenge/${encodeURIComponent(payment)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ decision }),
  });
  if (!response.ok) {
    lock("This payment can no longer be confirmed. Please go back to the shop.");
    return;
  }
  const { result, redirect_url: redirectUrl } = await response.json();
  if (framed) {
    lock("Thank you. You can go on in the shop.");
    if (origin) window.parent.postMessage({ type: "challenge", payment, result }, origin);
  } else {
    lock("Thank you. We are taking you back to the shop …");
    window.location.assign(redirectUrl);
  }
}

document.querySelectorAll(".money").forEach((element) => {
  element.textContent = formatMoney(Number(element.dataset.amount), element.dataset.currency);
});
if (state === "closed") lock("This payment can no longer be confirmed. Please go back to the shop.");
document.getElementById("approve").addEventListener("click", () => decide("approve"));
document.getElementById("refuse").addEventListener("click", () => decide("refuse"));
// Before this line nobody would have heard a click.
if (state !== "closed") buttons.forEach((button) => { button.disabled = false; });
