// The entry: options in, builders out.
//
// Law: no card number ever enters this page. The fields are the PSP's own, in an iframe of its origin; what we get is a
// token. And `onComplete` says what the server said: `outcome` is its word, `isSuccess` is true unless it was "rejected".

import { Attempts } from "./attempts.js";
import { card } from "./card.js";
import { type Option, choice } from "./choice.js";
import { Component, type Setup, type Wanted } from "./component.js";
import type {
  ComponentBuilder,
  DropinBuilder,
  EnablerOptions,
  ExpressBuilder,
  StoredComponentBuilder,
  StoredPaymentMethod,
} from "./contract.js";
import { EnablerError } from "./errors.js";
import { Express } from "./express.js";
import { invoice, purchaseOrder } from "./invoice.js";
import { Memory } from "./memory.js";
import { Processor } from "./processor.js";
import { pspOf } from "./psp/registry.js";
import type { MakeSource } from "./source.js";
import { nameOf, stored } from "./stored.js";
import { textsFor } from "./texts.js";
import type { Configuration } from "./wire.js";

interface Ready extends Setup {
  config: Configuration;
  stored: StoredPaymentMethod[];
}

const REQUIRED = ["processorUrl", "sessionId"] as const;

export class Enabler {
  readonly #options: EnablerOptions;
  readonly #processor: Processor;
  readonly #ready: Promise<Ready>;
  #stores = false;

  /** Raises EnablerError("configuration") for options that are missing. Whatever else is wrong, the builders tell. */
  constructor(options: EnablerOptions) {
    for (const name of REQUIRED) {
      if (!options?.[name]) throw new EnablerError("configuration", `Give the Enabler a ${name}.`);
    }
    this.#options = options;
    this.#processor = new Processor({ url: options.processorUrl, sessionId: options.sessionId });
    this.#ready = this.#load();
    this.#ready.catch(() => {}); // Told to whoever creates a builder.
  }

  /** "card", "invoice", "purchaseorder": fields and, if asked for, a pay button; or the page has its own and calls `submit`. */
  async createComponentBuilder(type: string): Promise<ComponentBuilder> {
    const ready = await this.#ready;
    const make = sourceOf(type, ready, { asks: false });
    if (make === null) throw new EnablerError("configuration", `There is no component for ${type}.`);
    const missing = ready.config.paymentMethods.includes(type) ? null : `This session does not allow ${type}.`;
    return {
      componentHasSubmit: true,
      build: (options = {}) => this.#component(ready, { make, options, heading: false, missing }),
    };
  }

  /** "embedded": everything that is needed to pay, with a pay button of its own. */
  async createDropinBuilder(type: string): Promise<DropinBuilder> {
    if (type !== "embedded") throw new EnablerError("configuration", `There is no drop-in of type ${type}.`);
    const ready = await this.#ready;
    const [first, ...others] = optionsOf(ready);
    const missing = first ? null : "This session allows no payment method that there are components for.";
    const make: MakeSource = first ? choice([first, ...others]) : invoice;
    return {
      dropinHasSubmit: false,
      build: (options = {}) => {
        const { showPayButton = true } = options;
        return this.#component(ready, { make, options: { ...options, showPayButton }, heading: true, missing });
      },
    };
  }

  /** "card": one of the methods that `getStoredPaymentMethods` lists. */
  async createStoredPaymentMethodBuilder(type: string): Promise<StoredComponentBuilder> {
    const ready = await this.#ready;
    if (!ready.config.storesMethods) throw new EnablerError("configuration", "Stored payment methods are not enabled.");
    return {
      componentHasSubmit: true,
      build: (options) => {
        const method = ready.stored.find((one) => one.id === options.id && one.type === type);
        return this.#component(ready, {
          make: method ? stored(method) : invoice,
          options,
          heading: false,
          missing: method ? null : "The shopper has no such stored payment method.",
          ...(method && { forget: () => this.#forget(ready, method) }),
        });
      },
    };
  }

  /** A wallet's button, with the shopper's address and card behind it. `isAvailable` tells whether there is one here. */
  async createExpressBuilder(type: string): Promise<ExpressBuilder> {
    const { psp, config, texts, on } = await this.#ready;
    if (!psp.wallets.includes(type)) throw new EnablerError("configuration", `There is no express checkout of type ${type}.`);
    const { processorUrl } = this.#options;
    const wallet = config.paymentMethods.includes("card") ? psp.wallet(config.of) : null;
    return { build: (shop) => new Express({ type, psp, wallet, texts, processorUrl, on }, shop) };
  }

  async isStoredPaymentMethodsEnabled(): Promise<boolean> {
    return (await this.#ready).config.storesMethods;
  }

  async getStoredPaymentMethods({ allowedMethodTypes }: { allowedMethodTypes?: string[] } = {}): Promise<{
    storedPaymentMethods?: StoredPaymentMethod[];
  }> {
    const { config, stored: all } = await this.#ready;
    if (!config.storesMethods) return {};
    return { storedPaymentMethods: all.filter(({ type }) => allowedMethodTypes?.includes(type) ?? true) };
  }

  /** The shopper's consent, for payments that do not tell it themselves. Nothing is stored unless it is `true`. */
  setStorePaymentDetails(consent: boolean): void {
    this.#stores = consent === true;
  }

  async #load(): Promise<Ready> {
    const { sessionId, locale } = this.#options;
    const config = await this.#processor.configuration();
    const psp = pspOf(config.psp);
    if (psp === undefined) throw new EnablerError("configuration", "The processor names no PSP we know.");
    return {
      config,
      psp,
      // A shopper who cannot be shown a stored card can still pay with another.
      stored: config.storesMethods ? await this.#processor.storedMethods().catch(() => []) : [],
      attempts: new Attempts({ processor: this.#processor, memory: new Memory(sessionId) }),
      texts: textsFor(locale || document.documentElement.lang || "en"),
      on: this.#options,
      told: new WeakSet(),
      storesByDefault: () => this.#stores,
    };
  }

  #component(ready: Ready, wanted: Wanted): Component {
    return new Component(ready, wanted);
  }

  async #forget(ready: Ready, method: StoredPaymentMethod): Promise<void> {
    await this.#processor.forget(method.id);
    ready.stored = ready.stored.filter((one) => one !== method);
  }
}

/** Null: there is none. */
function sourceOf(type: string, { psp, config }: Ready, { asks }: { asks: boolean }): MakeSource | null {
  if (type === "invoice") return invoice;
  if (type === "purchaseorder") return purchaseOrder;
  return type === "card" && psp.methods.includes(type) ? card(psp, config, { asks }) : null;
}

/** What a drop-in offers, in this order: what is stored (the shopper's default first), then the rest. */
function optionsOf(ready: Ready): Option[] {
  const { texts, config } = ready;
  const known = ready.stored.filter(({ type }) => config.paymentMethods.includes(type));
  const kept = [...known].sort((one, other) => Number(other.isDefault) - Number(one.isDefault));
  const labels: Record<string, string> = {
    card: kept.length > 0 ? texts.otherCard : texts.card,
    invoice: texts.invoice,
    purchaseorder: texts.purchaseOrder,
  };
  const fresh = Object.entries(labels).flatMap(([type, label]) => {
    const make = config.paymentMethods.includes(type) ? sourceOf(type, ready, { asks: true }) : null;
    return make === null ? [] : [{ label, make }];
  });
  return [...kept.map((method) => ({ label: nameOf(method, texts), make: stored(method) })), ...fresh];
}
