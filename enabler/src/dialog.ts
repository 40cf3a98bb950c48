// A page of the PSP's over the shop's. A native modal dialog keeps the focus in and the rest of the page inert; Escape
// and the cross ask before they stop a payment.

import { element } from "./element.js";
import { EnablerError } from "./errors.js";
import type { Texts } from "./texts.js";

export interface Stage {
  /** Of the page in the frame. */
  address: URL;
  title: string;
  texts: Texts;
  /** The dialog is put in here. */
  root: ShadowRoot;
  /** Aborted when the component leaves the page. */
  signal: AbortSignal;
}

export type Tell = (message: object) => void;

/** What `hear` makes of the page's messages, once that is not null. Raises EnablerError("abandoned"). */
export function inDialog<Result extends object>(
  { address, title, texts, root, signal }: Stage,
  hear: (message: unknown, tell: Tell) => Result | null,
): Promise<Result> {
  const frame = element("iframe", {
    attributes: {
      src: address.href,
      title,
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
    element("header", {}, element("h2", { text: title, attributes: { id: "challenge-title" } }), close),
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
    const tell = (message: object) => frame.contentWindow?.postMessage(message, address.origin);
    window.addEventListener(
      "message",
      (event) => {
        // Both: other frames share the origin, and the frame may have been led elsewhere.
        if (event.origin !== address.origin || event.source !== frame.contentWindow) return;
        const result = hear(event.data, tell);
        if (result !== null) end(() => resolve(result));
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
    if (signal.aborted) return leave("The component was removed.");
    root.append(dialog);
    question.hidden = true;
    dialog.showModal();
    frame.focus();
  });
}
