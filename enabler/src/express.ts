// Express checkout: one button, and the wallet knows the rest. Cart and session come to be when it is pressed, so each
// press is a checkout of its own.

import { Attempts } from "./attempts.js";
import { perform } from "./actions.js";
import { contextOf, told } from "./callbacks.js";
import type { EnablerOptions, ExpressComponent, ExpressOptions } from "./contract.js";
import { inDialog } from "./dialog.js";
import { element, placeOf } from "./element.js";
import { EnablerError, errorOf } from "./errors.js";
import { Memory } from "./memory.js";
import { Panel } from "./panel.js";
import { Processor } from "./processor.js";
import type { PspModule, Wallet } from "./psp/port.js";
import type { Source } from "./source.js";
import type { Texts } from "./texts.js";

export interface ExpressSetup {
  type: string;
  psp: PspModule;
  /** Null: there is none here. */
  wallet: Wallet | null;
  texts: Texts;
  processorUrl: string;
  on: Pick<EnablerOptions, "onComplete" | "onError" | "onActionRequired">;
}

export class Express implements ExpressComponent {
  readonly #setup: ExpressSetup;
  readonly #shop: ExpressOptions;
  #panel: Panel | null = null;
  #paying: Promise<void> | null = null;
  /** The last one, where its end is not known. */
  #open: Attempts | null = null;
  /** What was said of a payment that succeeded: nothing more can be done here. */
  #over: string | null = null;

  constructor(setup: ExpressSetup, shop: ExpressOptions) {
    this.#setup = setup;
    this.#shop = shop;
  }

  async isAvailable(): Promise<boolean> {
    return this.#setup.wallet !== null;
  }

  async mount(where: string | Element): Promise<void> {
    const { wallet, texts } = this.#setup;
    const place = placeOf(where);
    if (place === null) throw new EnablerError("configuration", `There is no element ${String(where)} to mount into.`);
    if (wallet === null) throw new EnablerError("configuration", `There is no ${this.#setup.type} in this session.`);
    this.unmount();
    this.#panel = new Panel(place, {
      texts: { ...texts, pay: texts.payWith.replace("{wallet}", wallet.label) },
      make: () => nothing(),
      heading: false,
      button: true,
      onPay: () => void this.#once(),
      onGone: () => this.unmount(),
    });
    if (this.#over !== null) this.#sayOver(this.#over);
    else if (this.#paying !== null) this.#panel.busy();
    else this.#panel.enable({ unresolved: this.#open !== null });
  }

  unmount(): void {
    this.#panel?.remove();
    this.#panel = null;
  }

  #sayOver(text: string): void {
    this.#panel?.over();
    this.#panel?.say("good", text);
  }

  #once(): Promise<void> {
    if (this.#over !== null) return Promise.resolve();
    this.#paying ??= this.#pay().finally(() => {
      this.#paying = null;
    });
    return this.#paying;
  }

  async #pay(): Promise<void> {
    const { wallet, type, texts, on } = this.#setup;
    const panel = this.#panel;
    if (wallet === null || panel === null) return;
    panel.busy();
    try {
      const attempts = this.#open ?? (await this.#begin());
      this.#open = attempts;
      const standing = await attempts.pay({
        method: async () => {
          const { root, signal } = panel;
          const stage = { address: wallet.address, title: wallet.label, texts, root, signal };
          const paid = await inDialog(stage, (message, tell) => wallet.hear(message, tell, this.#shop));
          const { token, shippingAddress, billingAddress } = paid;
          await this.#shop.onPaymentSubmit({ shippingAddress, billingAddress });
          return { type: "card", token };
        },
        perform: async (action) => {
          await on.onActionRequired?.({ type: action.type });
          // Where the shop has mounted it again meanwhile, that is where the shopper looks.
          if (this.#panel === null) throw new EnablerError("abandoned", "The component was removed.");
          return perform(action, { panel: this.#panel, psp: this.#setup.psp, texts });
        },
      });
      this.#open = null;
      const { outcome, paymentReference } = standing;
      const isSuccess = outcome !== "rejected";
      if (isSuccess) {
        this.#over = outcome === "approved" ? texts.paid : texts.pending;
        this.#sayOver(this.#over);
      } else {
        this.#panel?.say("error", texts.declined);
        this.#panel?.enable({ unresolved: false });
      }
      await told(this.#shop.onComplete, { isSuccess, ...(paymentReference && { paymentReference }), method: { type } });
    } catch (thrown) {
      const error = errorOf(thrown);
      if (!error.uncertain) this.#open = null;
      const text = error.code === "abandoned" ? texts.abandoned : error.uncertain ? texts.unknown : texts.failed;
      this.#panel?.say("error", text);
      this.#panel?.enable({ unresolved: error.uncertain });
      await told(on.onError, error, contextOf(error));
    }
  }

  async #begin(): Promise<Attempts> {
    const { sessionId } = await this.#shop.onPayButtonClick();
    const processor = new Processor({ url: this.#setup.processorUrl, sessionId });
    return new Attempts({ processor, memory: new Memory(sessionId) });
  }
}

/** The button is all there is. */
function nothing(): Source {
  return {
    element: element("div", {}),
    ready: Promise.resolve(),
    method: () => Promise.reject(new Error("An express checkout pays with its wallet.")),
    isValid: () => true,
    showValidation: () => {},
    state: () => ({}),
    enable: () => {},
    disable: () => {},
    remove: () => {},
  };
}
