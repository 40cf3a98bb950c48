// The sandbox PSP's fields. Another PSP gets another module here with the same exports, named as in the configuration.
//
//   METHODS                        payment method types it has fields for
//   cardFields(options)            the fields: { element, ready, tokenize, focus, enable, disable, remove }
//   actionParameters(message)      what to complete a payment with, out of a message of its challenge page; or null

import { EnablerError } from "../errors.js";

export const METHODS = ["card"];

const READY_S = 20;
const TOKEN_S = 30;
// The fields page takes these, in these forms, and ignores all else.
const THEME = { accent: "--ctpay-accent", text: "--ctpay-text", background: "--ctpay-field", border: "--ctpay-border" };

// `on.change({ complete, brand, endDigits })` and `on.submit()`, which is the Enter key.
// The element has to be put into the page before `ready` can come.
export function cardFields({ config, locale, title, style, on }) {
  const url = fieldsUrl(config, locale, style);
  const iframe = document.createElement("iframe");
  Object.assign(iframe, { title, src: url.href, referrerPolicy: "origin" });
  iframe.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");

  const waiting = new Map(); // Tokenization id -> { resolve, reject }
  let ids = 0;
  let isReady;
  let isBroken;
  const ready = new Promise((resolve, reject) => {
    isReady = resolve;
    isBroken = reject;
  });
  ready.catch(() => {}); // Told to whoever mounts.
  const late = setTimeout(() => isBroken(new EnablerError("fields", "The card fields did not load.")), READY_S * 1000);

  const hear = {
    ready() {
      clearTimeout(late);
      isReady();
    },
    change: ({ complete, brand, last4 }) => on.change({ complete: complete === true, brand, endDigits: last4 }),
    submit: () => on.submit(),
    height: ({ height }) => { if (height > 0 && height < 2000) iframe.style.height = `${height}px`; },
    token: ({ id, token, card }) => waiting.get(id)?.resolve({ token, card }),
    error: ({ id, code, message }) => waiting.get(id)?.reject(new EnablerError(code, message, { shown: code === "incomplete" })),
  };

  function listen(event) {
    // Both: other frames share the origin, and the frame may have been led elsewhere.
    if (event.origin !== url.origin || event.source !== iframe.contentWindow) return;
    if (typeof event.data === "object" && event.data !== null && Object.hasOwn(hear, event.data.type)) {
      hear[event.data.type](event.data);
    }
  }
  window.addEventListener("message", listen);
  const tell = (message) => iframe.contentWindow?.postMessage(message, url.origin);

  return {
    element: iframe,
    ready,
    async tokenize() {
      const id = (ids += 1);
      const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      const overdue = setTimeout(
        () => waiting.get(id)?.reject(new EnablerError("fields", "The card fields did not answer.")),
        TOKEN_S * 1000,
      );
      tell({ type: "tokenize", id });
      try {
        return await answer;
      } finally {
        clearTimeout(overdue);
        waiting.delete(id);
      }
    },
    focus: () => tell({ type: "focus" }),
    enable: () => tell({ type: "enable" }),
    disable: () => tell({ type: "disable" }),
    clear: () => tell({ type: "clear" }),
    remove() {
      clearTimeout(late);
      window.removeEventListener("message", listen);
      iframe.remove();
      isBroken(new EnablerError("fields", "The card fields were removed."));
      for (const { reject } of waiting.values()) reject(new EnablerError("fields", "The card fields were removed."));
    },
  };
}

export function actionParameters(message) {
  return message?.type === "challenge" && typeof message.result === "string" ? { result: message.result } : null;
}

function fieldsUrl({ fieldsUrl: address, publishableKey }, locale, style) {
  const url = new URL(address);
  if (!["http:", "https:"].includes(url.protocol)) throw new EnablerError("configuration", "fieldsUrl is no web address.");
  url.searchParams.set("publishable_key", publishableKey);
  url.searchParams.set("origin", window.location.origin);
  url.searchParams.set("locale", locale);
  for (const [name, property] of Object.entries(THEME)) {
    const value = style.getPropertyValue(property).trim();
    if (/^#[0-9a-f]{6}$/i.test(value)) url.searchParams.set(name, value);
  }
  const radius = parseInt(style.getPropertyValue("--ctpay-radius"), 10);
  if (radius >= 0 && radius <= 24) url.searchParams.set("radius", String(radius));
  return url;
}
