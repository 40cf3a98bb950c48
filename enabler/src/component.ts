// A component: a source of payment, a message for the shopper, and a pay button where one is wanted. It knows when to
// pay, when not to, and what to say; how it looks is `panel.ts`.

import { perform } from "./actions.js";
import type { Attempts } from "./attempts.js";
import { type Callback, contextOf, told } from "./callbacks.js";
import type {
  CardState,
  DropinOptions,
  EnablerOptions,
  PaymentComponent,
  PaymentResult,
  SubmitOptions,
} from "./contract.js";
import { placeOf } from "./element.js";
import { EnablerError, errorOf } from "./errors.js";
import { Panel } from "./panel.js";
import type { PspModule } from "./psp/port.js";
import type { MakeSource } from "./source.js";
import type { Texts } from "./texts.js";
import type { Action, Standing } from "./wire.js";

export interface Setup {
  psp: PspModule;
  attempts: Attempts;
  texts: Texts;
  on: Pick<EnablerOptions, "onComplete" | "onError" | "onActionRequired">;
  /** Ends of attempts that the shop has heard of. */
  told: WeakSet<object>;
  /** What `setStorePaymentDetails` said. */
  storesByDefault: () => boolean;
}

export interface Wanted {
  make: MakeSource;
  options: DropinOptions;
  /** With a heading, as a drop-in has it. */
  heading: boolean;
  /** Null: it can be paid with. Otherwise why not. */
  missing: string | null;
  /** At the server, too. */
  forget?: () => Promise<void>;
}

export class Component implements PaymentComponent {
  readonly #setup: Setup;
  readonly #wanted: Wanted;
  #panel: Panel | null = null;
  #paying: Promise<void> | null = null;
  #over: Standing | null = null;

  constructor(setup: Setup, wanted: Wanted) {
    this.#setup = setup;
    this.#wanted = wanted;
  }

  async mount(where: string | Element): Promise<void> {
    const place = placeOf(where);
    if (place === null) throw new EnablerError("configuration", `There is no element ${String(where)} to mount into.`);
    if (this.#wanted.missing !== null) throw new EnablerError("configuration", this.#wanted.missing);
    this.unmount();
    const { make, options, heading } = this.#wanted;
    const panel = new Panel(place, {
      texts: this.#setup.texts,
      make,
      heading,
      button: options.showPayButton === true,
      onPay: () => void this.#pressed(),
      onGone: () => this.unmount(),
    });
    this.#panel = panel;
    try {
      const [left] = await Promise.all([this.#setup.attempts.recover().catch(() => null), panel.source.ready]);
      if (this.#panel !== panel) return; // Taken out meanwhile.
      this.#enable();
      if (this.#over !== null) this.#sayOver(this.#over);
      else if (left !== null) await this.#end(left);
      else if (this.#setup.attempts.unresolved) void this.submit();
    } catch (error) {
      if (this.#panel !== panel) return; // Its fields went with it: nothing is wrong.
      panel.say("error", this.#setup.texts.unavailable);
      this.#enable(); // A drop-in has other ways to pay.
      throw error;
    }
    await options.onDropinReady?.();
  }

  unmount(): void {
    this.#panel?.remove();
    this.#panel = null;
  }

  async remove(): Promise<void> {
    await this.#wanted.forget?.();
    this.unmount();
  }

  submit(asked: SubmitOptions = {}): Promise<void> {
    return this.#once(() => Promise.resolve(asked));
  }

  isValid(): boolean {
    return this.#panel?.source.isValid() ?? false;
  }

  async showValidation(): Promise<void> {
    this.#panel?.source.showValidation();
  }

  getState(): { card?: CardState } {
    return this.#panel?.source.state() ?? {};
  }

  async isAvailable(): Promise<boolean> {
    return this.#wanted.missing === null;
  }

  /** Our own button, or the Enter key. */
  #pressed(): Promise<void> {
    const { onPayButtonClick } = this.#wanted.options;
    return this.#once(async () => (await onPayButtonClick?.()) ?? {});
  }

  /** One payment at a time: while one is under way, this is the same one. */
  #once(ask: () => Promise<SubmitOptions>): Promise<void> {
    if (this.#over !== null) return Promise.resolve();
    this.#paying ??= this.#pay(ask).finally(() => {
      this.#paying = null;
    });
    return this.#paying;
  }

  async #pay(ask: () => Promise<SubmitOptions>): Promise<void> {
    const { attempts, on, storesByDefault } = this.#setup;
    const panel = this.#panel;
    panel?.busy();
    let asked: SubmitOptions;
    try {
      asked = await ask();
    } catch {
      this.#enable(); // The page said no, and knows why.
      return;
    }
    try {
      if (panel === null) throw new EnablerError("configuration", "Mount the component before it is submitted.");
      if (attempts.unresolved) panel.say("quiet", this.#setup.texts.checking);
      const standing = await attempts.pay({
        method: async () => {
          const method = await panel.source.method((asked.storePaymentDetails ?? storesByDefault()) === true);
          // From here on the fields are spoken for, until the server has said what became of them.
          panel.spokenFor();
          return method;
        },
        perform: (action) => this.#perform(panel, action),
      });
      await this.#end(standing);
    } catch (thrown) {
      const error = errorOf(thrown);
      this.#failed(error);
      await this.#tell(error, on.onError, error, contextOf(error));
    }
  }

  async #perform(panel: Panel, action: Action): Promise<object> {
    const { on, psp, texts } = this.#setup;
    await on.onActionRequired?.({ type: action.type });
    if (this.#panel !== panel) throw new EnablerError("abandoned", "The component was removed.");
    return perform(action, { panel, psp, texts });
  }

  /** The server has said how it ended. */
  async #end(standing: Standing): Promise<void> {
    const { on, texts } = this.#setup;
    const { outcome, reason } = standing;
    const panel = this.#panel;
    if (outcome === "rejected") {
      panel?.say("error", texts.declines[reason?.code ?? ""] ?? texts.declined);
      this.#enable();
      panel?.focusButton();
    } else {
      this.#over = standing;
      this.#sayOver(standing);
    }
    await this.#tell(standing, on.onComplete, resultOf(standing));
  }

  #sayOver({ outcome }: Standing): void {
    const { texts } = this.#setup;
    this.#panel?.over();
    this.#panel?.say("good", outcome === "approved" ? texts.paid : texts.pending);
  }

  #failed(error: EnablerError): void {
    const { texts } = this.#setup;
    const byStatus: Record<number, string> = { 401: texts.expired, 429: texts.busy };
    const byCode: Record<string, string> = { abandoned: texts.abandoned, fields: texts.unavailable };
    const known = texts.refusals[error.reason?.code ?? ""] ?? byStatus[error.status ?? 0] ?? byCode[error.code];
    const text = known ?? (error.uncertain ? texts.unknown : texts.failed);
    this.#panel?.say("error", error.shown ? "" : text);
    this.#enable();
    if (!error.shown) this.#panel?.focusButton();
  }

  /** Once for each end, although several components may have waited for it. */
  async #tell<Given extends unknown[]>(end: object, callback: Callback<Given>, ...given: Given): Promise<void> {
    if (this.#setup.told.has(end)) return;
    this.#setup.told.add(end);
    await told(callback, ...given);
  }

  #enable(): void {
    if (this.#over === null) this.#panel?.enable({ unresolved: this.#setup.attempts.unresolved });
  }
}

function resultOf({ outcome, paymentReference, reason }: Standing): PaymentResult {
  const reference = paymentReference === undefined ? {} : { paymentReference };
  if (outcome === "rejected") return { isSuccess: false, outcome, ...reference, ...(reason && { reason }) };
  return {
    isSuccess: true,
    outcome: outcome === "approved" ? "approved" : "pending",
    paymentReference: paymentReference ?? "",
  };
}
