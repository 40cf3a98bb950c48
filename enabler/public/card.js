// The card component: the PSP's fields, a message for the shopper, and a pay button where one is wanted.
//
// It lives in a shadow root, so that neither its styles nor the page's reach the other; colours and the like come in
// through the custom properties listed in connector-enabler.css.

import { Attempts } from "./attempts.js";
import { challenge, redirect } from "./challenge.js";
import { element } from "./element.js";
import { EnablerError } from "./errors.js";

const STYLES = new URL("./connector-enabler.css", import.meta.url).href;
const ACTIONS = { challenge, redirect };

export class CardComponent {
  #setup;
  #attempts;
  #host = null;
  #fields = null;
  #parts = null;
  #mounted = null; // Aborted when the component leaves the page.
  #state = { complete: false };
  #paying = null;
  #over = false;

  // `asked`: what the page gave to `build`. `on`: complete, error, action, ready.
  constructor(setup) {
    this.#setup = setup;
    this.#attempts = new Attempts({
      processor: setup.processor,
      perform: (action, context) => this.#perform(action, context),
    });
  }

  // Into the element that the selector finds. Resolves once the fields can be typed into.
  async mount(selector) {
    const place = typeof selector === "string" ? document.querySelector(selector) : selector;
    if (!place) throw new EnablerError("configuration", `There is no element ${selector} to mount into.`);
    this.unmount();
    this.#draw(place);
    try {
      await this.#fields.ready;
    } catch (error) {
      if (this.#parts) this.#say("error", this.#setup.texts.unavailable);
      throw error;
    }
    this.#parts.fields.removeAttribute("aria-busy");
    this.#enable();
    this.#setup.on.ready?.();
  }

  unmount() {
    this.#mounted?.abort();
    this.#fields?.remove();
    this.#host?.remove();
    this.#host = this.#fields = this.#parts = null;
    this.#state = { complete: false };
  }

  remove() {
    this.unmount();
  }

  // Pay. One payment at a time: while one is under way, this is the same one. Resolves when `onComplete` or `onError`
  // has been called, and never rejects for what those tell.
  submit() {
    if (this.#over) return Promise.resolve();
    this.#paying ??= this.#pay().finally(() => { this.#paying = null; });
    return this.#paying;
  }

  isValid() {
    return this.#state.complete;
  }

  // Leads the shopper to what is missing.
  async showValidation() {
    this.#fields?.focus();
  }

  getState() {
    const { brand, endDigits, expiryDate } = this.#state;
    return { card: { brand, endDigits, expiryDate } };
  }

  isAvailable() {
    return Promise.resolve(true);
  }

  async #pay() {
    const { on, texts } = this.#setup;
    if (!this.#fields) throw new EnablerError("configuration", "Mount the component before it is submitted.");
    this.#busy();
    try {
      await this.#setup.asked.onPayButtonClick?.();
      const standing = await this.#attempts.pay({ type: "card", tokenize: () => this.#tokenize() });
      this.#done(standing);
      await on.complete?.(resultOf(standing));
    } catch (error) {
      this.#failed(error);
      await on.error?.(error, { paymentReference: error.paymentReference });
    } finally {
      this.#parts?.button?.setAttribute("aria-busy", "false");
    }
  }

  async #tokenize() {
    const { token, card } = await this.#fields.tokenize();
    this.#state = { ...this.#state, brand: card.brand, endDigits: card.last4, expiryDate: card.expiry };
    // From here on the fields are spoken for, until the server has said what became of them.
    this.#fields.disable();
    this.#say("quiet", this.#setup.texts.paying);
    return token;
  }

  async #perform(action, { paymentReference }) {
    const { on, psp, texts } = this.#setup;
    const begin = ACTIONS[action.type];
    if (!begin) throw new EnablerError("configuration", `There is no action ${action.type} here.`, { paymentReference });
    await on.action?.({ type: action.type });
    if (!this.#parts) throw new EnablerError("abandoned", "The component was removed.", { paymentReference });
    if (action.type === "redirect") this.#say("info", texts.redirect);
    const { root } = this.#parts;
    const { signal } = this.#mounted;
    try {
      return await begin({ url: action.url, parametersOf: psp.actionParameters, texts, root, signal });
    } catch (error) {
      error.paymentReference ??= paymentReference;
      throw error;
    }
  }

  #draw(place) {
    const { asked, config, psp, texts } = this.#setup;
    this.#host = element("div", { class: "ctpay", lang: texts.language });
    place.append(this.#host);
    const root = this.#host.attachShadow({ mode: "open" });
    this.#fields = psp.cardFields({
      config,
      locale: texts.language,
      title: texts.fields,
      style: getComputedStyle(this.#host),
      on: { change: (state) => { this.#state = { ...this.#state, ...state }; }, submit: () => this.submit() },
    });
    const fields = element("div", { class: "fields", "aria-busy": "true" }, this.#fields.element);
    const message = element("p", { class: "message", role: "alert" });
    const parts = { root, fields, message, button: null };
    root.append(element("link", { rel: "stylesheet", href: STYLES }));
    if (asked.showHeading) root.append(element("h2", { class: "heading", text: texts.heading }));
    root.append(fields, message);
    if (asked.showPayButton) {
      parts.button = element("button", { type: "button", class: "pay primary", text: texts.pay });
      parts.button.addEventListener("click", () => this.submit());
      root.append(parts.button);
    }
    if (asked.showHeading) root.append(element("p", { class: "safe", text: texts.safe }));
    this.#parts = parts;
    this.#mounted = new AbortController();
    if (parts.button) parts.button.disabled = true;
  }

  #busy() {
    const { button } = this.#parts;
    this.#say("none", "");
    if (!button) return;
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    button.textContent = this.#setup.texts.paying;
  }

  #enable() {
    if (this.#over || !this.#parts) return;
    const { unresolved } = this.#attempts;
    if (!unresolved) this.#fields.enable();
    const { button } = this.#parts;
    if (!button) return;
    button.disabled = false;
    button.textContent = unresolved ? this.#setup.texts.again : this.#setup.texts.pay;
  }

  #done({ outcome, reason }) {
    const { texts } = this.#setup;
    if (outcome === "rejected") {
      this.#say("error", texts.declines[reason?.code] ?? texts.declined);
      this.#enable();
      this.#parts?.button?.focus();
      return;
    }
    this.#over = true;
    this.#say("good", outcome === "approved" ? texts.paid : texts.pending);
    if (this.#parts?.button) this.#parts.button.hidden = true;
  }

  #failed(error) {
    if (!this.#parts) return;
    const { texts } = this.#setup;
    const byCode = { abandoned: texts.abandoned, fields: texts.unavailable };
    const known = error.status === 401 ? texts.expired : byCode[error.code];
    const text = known ?? (error.uncertain ? texts.unknown : texts.failed);
    this.#say(error.shown ? "none" : "error", error.shown ? "" : text);
    this.#enable();
    if (!error.shown) this.#parts.button?.focus();
  }

  #say(kind, text) {
    if (!this.#parts) return;
    this.#parts.message.dataset.kind = kind;
    this.#parts.message.textContent = text;
  }
}

function resultOf({ outcome, paymentReference, reason }) {
  const result = { isSuccess: outcome !== "rejected", outcome, paymentReference };
  return reason ? { ...result, reason } : result;
}
