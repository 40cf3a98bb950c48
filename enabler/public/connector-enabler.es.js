// ctpay in the browser: what a storefront imports.
//
//   const enabler = new Enabler({ processorUrl, sessionId, locale, onComplete, onError, onActionRequired });
//   const builder = await enabler.createDropinBuilder("embedded");
//   await builder.build({}).mount("#payment");
//
// Law: no card number ever enters this page. The fields are the PSP's own, in an iframe of its origin; what we get is a
// token. And `onComplete` says what the server said: `outcome` is its word, `isSuccess` is true unless it was "rejected".

import { CardComponent } from "./card.js";
import { EnablerError } from "./errors.js";
import { Processor } from "./processor.js";
import { textsFor } from "./texts.js";

const REQUIRED = ["processorUrl", "sessionId"];
// The PSP's name becomes part of a module's address.
const PSP_NAME = /^[a-z][a-z0-9-]{0,30}$/;

export { EnablerError };

export class Enabler {
  #options;
  #processor;
  #setup;

  // onComplete({ isSuccess, outcome, paymentReference, reason? }), onError(error, { paymentReference? }) and
  // onActionRequired({ type }) are optional; a promise from the last is waited for before the action begins.
  constructor(options) {
    for (const name of REQUIRED) {
      if (!options?.[name]) throw new EnablerError("configuration", `Give the Enabler a ${name}.`);
    }
    this.#options = options;
    this.#processor = new Processor({ url: options.processorUrl, sessionId: options.sessionId });
    this.#setup = this.#load();
    this.#setup.catch(() => {}); // Told to whoever creates a builder.
  }

  // "card": fields and, if asked for, a pay button; or the page has its own and calls `submit`.
  async createComponentBuilder(type) {
    const setup = await this.#setup;
    if (!setup.config.paymentMethods.includes(type) || !setup.psp.METHODS.includes(type)) {
      throw new EnablerError("configuration", `There is no component for ${type} in this session.`);
    }
    return { componentHasSubmit: true, build: (config = {}) => this.#component(setup, config) };
  }

  // "embedded": everything that is needed to pay, with a pay button of its own.
  async createDropinBuilder(type) {
    if (type !== "embedded") throw new EnablerError("configuration", `There is no drop-in of type ${type}.`);
    const setup = await this.#setup;
    return {
      dropinHasSubmit: true,
      build: (config = {}) => this.#component(setup, { showPayButton: true, showHeading: true, ...config }),
    };
  }

  async isStoredPaymentMethodsEnabled() {
    return (await this.#setup).config.storedPaymentMethodsConfig?.isEnabled === true;
  }

  async #load() {
    const config = await this.#processor.config();
    if (!PSP_NAME.test(config.psp)) throw new EnablerError("configuration", "The processor names no PSP we know.");
    const psp = await import(`./psp/${config.psp}.js`);
    return { psp, config: { paymentMethods: psp.METHODS, ...config } };
  }

  #component({ psp, config }, asked) {
    const { locale, onComplete, onError, onActionRequired } = this.#options;
    return new CardComponent({
      psp,
      config,
      processor: this.#processor,
      texts: textsFor(locale ?? document.documentElement.lang),
      asked,
      on: { complete: onComplete, error: onError, action: onActionRequired, ready: asked.onDropinReady },
    });
  }
}
