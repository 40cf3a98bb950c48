// The bank's question to the shopper, in an iframe over the page. A native modal dialog keeps the focus in and the rest
// of the page inert; Escape and the cross ask before they stop a payment.

import { element, webAddress } from "./element.js";
import { EnablerError } from "./errors.js";
import type { Texts } from "./texts.js";

export interface Stage {
  url: string;
  texts: Texts;
  /** The dialog is put in here. */
  root: ShadowRoot;
  /** Aborted when the component leaves the page. */
  signal: AbortSignal;
  parametersOf: (message: unknown) => object | null;
}

/** Gives what the PSP's module reads out of the challenge page's message. Raises EnablerError("abandoned"). */
export function challenge({ url, parametersOf, texts, root, signal }: Stage): Promise<object> {
  const address = webAddress(url);
  if (address === null) throw new EnablerError("configuration", "The challenge has no web address.");
  const frame = element("iframe", {
    attributes: {
      src: address.href,
      title: texts.challenge,
      referrerpolicy: "origin",
      sandbox: "allow-scripts allow-same-origin allow-forms allow-popups",
    },
  });
  const stay = element("button", {
    class: "primary",
    text: texts.stay,
    attributes: { type: "button" },
    on: { click: () => ask(false) },
  });
  const stop = element("button", { class: "plain", text: texts.stop, attributes: { type: "button" } });
  const question = element(
    "div",
    { class: "question", attributes: { role: "alertdialog", "aria-labelledby": "leave", "aria-describedby": "leave-text" } },
    element("h3", { text: texts.leave, attributes: { id: "leave" } }),
    element("p", { text: texts.leaveText, attributes: { id: "leave-text" } }),
    element("div", { class: "choices" }, stay, stop),
  );
  const close = element("button", {
    class: "close",
    text: "×",
    attributes: { type: "button", "aria-label": texts.close },
    on: { click: () => ask(true) },
  });
  const dialog = element(
    "dialog",
    { class: "challenge", attributes: { "aria-labelledby": "challenge-title" } },
    element("header", {}, element("h2", { text: texts.challenge, attributes: { id: "challenge-title" } }), close),
    element("div", { class: "stage" }, frame, question),
  );

  function ask(asking: boolean): void {
    question.hidden = !asking;
    frame.inert = asking;
    (asking ? stay : frame).focus();
  }

  return new Promise((resolve, reject) => {
    const over = new AbortController();
    function end(settle: () => void): void {
      over.abort();
      dialog.close();
      dialog.remove();
      settle();
    }
    const leave = (why: string) => end(() => reject(new EnablerError("abandoned", why)));
    const { signal: ended } = over;
    window.addEventListener(
      "message",
      (event) => {
        if (event.origin !== address.origin || event.source !== frame.contentWindow) return;
        const parameters = parametersOf(event.data);
        if (parameters !== null) end(() => resolve(parameters));
      },
      { signal: ended },
    );
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      ask(question.hidden === true);
    });
    // A browser closes on a second Escape whatever we say; the payment is not over for that.
    dialog.addEventListener(
      "close",
      () => {
        dialog.showModal();
        ask(true);
      },
      { signal: ended },
    );
    stop.addEventListener("click", () => leave("The shopper stopped the payment."));
    signal.addEventListener("abort", () => leave("The component was removed."), { signal: ended });
    root.append(dialog);
    question.hidden = true;
    dialog.showModal();
    frame.focus();
  });
}

/** The whole page goes to the PSP. Comes to an end only if the shopper steps back to a page that the browser kept. */
export function redirect({ url, signal }: Stage): Promise<object> {
  const address = webAddress(url);
  if (address === null) throw new EnablerError("configuration", "The redirect has no web address.");
  return new Promise((_, reject) => {
    const back = ({ persisted }: PageTransitionEvent) => {
      if (persisted) reject(new EnablerError("abandoned", "The shopper came back without an answer."));
    };
    window.addEventListener("pageshow", back, { signal });
    window.location.assign(address.href);
  });
}
