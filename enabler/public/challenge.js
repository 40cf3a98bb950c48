// The bank's question to the shopper, in an iframe over the page. A native modal dialog keeps the focus in and the rest
// of the page inert; Escape and the cross ask before they stop a payment.

import { element } from "./element.js";
import { EnablerError } from "./errors.js";

// Gives what the PSP's module reads out of the challenge page's message. Raises EnablerError("abandoned"), also where
// `signal` says that the component has left the page.
export function challenge({ url, parametersOf, texts, root, signal }) {
  const address = new URL(url);
  if (!["http:", "https:"].includes(address.protocol)) {
    throw new EnablerError("configuration", "The challenge has no web address.");
  }
  const frame = element("iframe", { src: address.href, title: texts.challenge, referrerpolicy: "origin" });
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms allow-popups");
  const stay = element("button", { type: "button", class: "primary", text: texts.stay, on: { click: () => ask(false) } });
  const stop = element("button", { type: "button", class: "plain", text: texts.stop });
  const question = element(
    "div",
    { class: "question", role: "alertdialog", "aria-labelledby": "leave", "aria-describedby": "leave-text" },
    element("h3", { id: "leave", text: texts.leave }),
    element("p", { id: "leave-text", text: texts.leaveText }),
    element("div", { class: "choices" }, stay, stop),
  );
  const close = element("button", { type: "button", class: "close", "aria-label": texts.close, text: "×" });
  close.addEventListener("click", () => ask(true));
  const dialog = element(
    "dialog",
    { class: "challenge", "aria-labelledby": "challenge-title" },
    element("header", {}, element("h2", { id: "challenge-title", text: texts.challenge }), close),
    element("div", { class: "stage" }, frame, question),
  );

  function ask(asking) {
    question.hidden = !asking;
    frame.inert = asking;
    (asking ? stay : frame).focus();
  }

  return new Promise((resolve, reject) => {
    let over = false;
    const leave = () => end(reject, new EnablerError("abandoned", "The component was removed."));
    function end(settle, value) {
      over = true;
      signal.removeEventListener("abort", leave);
      window.removeEventListener("message", listen);
      dialog.close();
      dialog.remove();
      settle(value);
    }
    function listen(event) {
      if (event.origin !== address.origin || event.source !== frame.contentWindow) return;
      const parameters = parametersOf(event.data);
      if (parameters !== null) end(resolve, parameters);
    }
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      ask(question.hidden);
    });
    // A browser closes on a second Escape whatever we say; the payment is not over for that.
    dialog.addEventListener("close", () => {
      if (over) return;
      dialog.showModal();
      ask(true);
    });
    stop.addEventListener("click", () => end(reject, new EnablerError("abandoned", "The shopper stopped the payment.")));
    window.addEventListener("message", listen);
    signal.addEventListener("abort", leave);
    root.append(dialog);
    question.hidden = true;
    dialog.showModal();
    frame.focus();
  });
}

// The whole page goes to the PSP. Comes to an end only if the shopper steps back to a page the browser kept.
export function redirect({ url, signal }) {
  const address = new URL(url);
  if (!["http:", "https:"].includes(address.protocol)) {
    throw new EnablerError("configuration", "The redirect has no web address.");
  }
  return new Promise((_, reject) => {
    const back = ({ persisted }) => {
      if (persisted) reject(new EnablerError("abandoned", "The shopper came back without an answer."));
    };
    window.addEventListener("pageshow", back, { signal });
    window.location.assign(address.href);
  });
}
