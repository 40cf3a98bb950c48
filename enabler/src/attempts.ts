// From a token to what the server says of the payment, whatever the network does in between.
//
// Law: an attempt whose end we do not know is resumed, never replaced. Its key, its token and how far it got are kept
// until the server has said how it ended; only then does paying again mean a new attempt. All components of an Enabler
// share this, since they pay for one cart.

import { EnablerError, errorOf } from "./errors.js";
import type { Memory } from "./memory.js";
import type { Processor } from "./processor.js";
import type { Action, Method, Standing } from "./wire.js";

export interface Payer {
  /** Asked only where a new attempt begins. */
  method: () => Promise<Method>;
  /** Let the shopper do what the PSP asks, and give back the parameters for the completion. */
  perform: (action: Action) => Promise<object>;
}

interface Attempt {
  key: string;
  /** Null: begun by a page that is gone. */
  method: Method | null;
  /** Whether the processor may have heard of it. */
  arrived: boolean;
  operation?: string | undefined;
  /** Once the server has told it. */
  paymentReference?: string | undefined;
  completion: { operation: string; parameters: object; key: string; url: string } | null;
  /** The bank's address from which the shopper has come back to a page that is new. */
  visited?: string | undefined;
}

// Seconds for which the status may show an action that was done already.
const SHOWN_AFTERWARDS_S = 15;

const isEnd = ({ outcome }: Standing) => outcome === "approved" || outcome === "rejected";

export class Attempts {
  readonly #processor: Processor;
  readonly #memory: Memory;
  #open: Attempt | null = null;
  #running: Promise<Standing> | null = null;
  #recovering: Promise<Standing | null> | null = null;
  #done: Standing | null = null;

  constructor({ processor, memory }: { processor: Processor; memory: Memory }) {
    this.#processor = processor;
    this.#memory = memory;
  }

  /** Whether there is an attempt of unknown end that `pay` would carry on without asking for a method. */
  get unresolved(): boolean {
    return this.#open !== null && (this.#open.method !== null || this.#open.operation !== undefined);
  }

  /** Take up what this tab left open before the page was loaded again; its end, if it has one by now. */
  recover(): Promise<Standing | null> {
    if (this.#done !== null) return Promise.resolve(this.#done);
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = null;
    });
    return this.#recovering;
  }

  async #recover(): Promise<Standing | null> {
    const note = this.#open === null ? this.#memory.read() : null;
    if (note === null) return null;
    this.#open = { key: note.key, method: null, arrived: true, completion: null };
    const { key, operation, left } = note;
    const standing = await (operation === undefined ? this.#processor.find(key) : this.#processor.status(operation)).catch(
      (error: unknown) => {
        // The server has nothing of it to go on with; that we could not ask proves nothing.
        const isGone = error instanceof EnablerError && !error.uncertain && error.status !== undefined;
        if (isGone && operation !== undefined) this.#close();
        throw error;
      },
    );
    this.#open.paymentReference = standing.paymentReference;
    if (standing.outcome === "pending") {
      // Where nobody has taken it up it may never have arrived: then it is sent again, under its key.
      if (operation !== undefined || standing.paymentReference !== undefined) this.#open.operation = standing.operation;
      return null;
    }
    if (standing.action !== undefined && left === true && operation !== undefined) {
      // Back from the bank: what the shopper answered there may still be on its way to the status.
      Object.assign(this.#open, { operation, visited: standing.action.url });
      return null;
    }
    this.#close();
    if (standing.outcome === "approved") this.#done = standing;
    // What was given up in the middle of a challenge is over: the next try is a new attempt.
    return isEnd(standing) ? standing : null;
  }

  /** One at a time: while one is under way, this is the same one. Raises EnablerError. */
  pay(payer: Payer): Promise<Standing> {
    this.#running ??= this.#pay(payer).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #pay(payer: Payer): Promise<Standing> {
    if (this.#done !== null) return this.#done;
    // What another page of this tab left open comes first, and its end is told once.
    const left = await this.#recovering?.catch(() => null);
    if (left) return left;
    const attempt = this.#open ?? { key: newKey(), method: null, arrived: false, completion: null };
    if (attempt.operation === undefined) attempt.method ??= await payer.method();
    this.#open = attempt;
    this.#memory.write(attempt);
    try {
      const standing = await this.#carryOn(attempt, payer);
      this.#close();
      if (standing.outcome !== "rejected") this.#done = standing;
      return standing;
    } catch (thrown) {
      const error = errorOf(thrown);
      error.paymentReference ??= attempt.paymentReference;
      if (!error.uncertain) this.#close();
      throw error;
    }
  }

  #close(): void {
    this.#open = null;
    this.#memory.clear();
  }

  async #carryOn(attempt: Attempt, { perform }: Payer): Promise<Standing> {
    let standing = await this.#next(attempt);
    while (standing.action !== undefined) {
      const { operation, action } = standing;
      if (action.url === attempt.visited) throw new EnablerError("abandoned", "The shopper came back without an answer.");
      if (action.type === "redirect") this.#memory.write({ ...attempt, left: true });
      const parameters = await perform(action);
      attempt.completion = { operation, parameters, key: newKey(), url: action.url };
      standing = await this.#next(attempt);
    }
    return standing;
  }

  async #next(attempt: Attempt): Promise<Standing> {
    const done = attempt.completion?.url ?? attempt.visited;
    // Right after a completion, the status may still show the action that was just done. Not for long, and not the
    // completion's own answer: then the bank asks once more.
    const isNews = (standing: Standing, afterS: number) =>
      isEnd(standing) ||
      (standing.action !== undefined && (standing.action.url !== done || afterS > SHOWN_AFTERWARDS_S));
    const standing = await this.#ask(attempt);
    attempt.operation = standing.operation;
    attempt.paymentReference = standing.paymentReference ?? attempt.paymentReference;
    this.#memory.write(attempt);
    const underWay = standing.paymentReference === undefined && standing.action === undefined;
    return underWay && !isEnd(standing) ? this.#processor.follow(standing, isNews) : standing;
  }

  async #ask(attempt: Attempt): Promise<Standing> {
    const { completion, method, key, arrived, operation } = attempt;
    if (completion !== null) return this.#processor.complete(completion);
    if (method !== null) {
      attempt.arrived = true;
      return this.#processor.pay({ method, key, arrived });
    }
    // Begun by a page that is gone. What the server accepted, it finishes; we only have to hear how.
    const standing = await this.#processor.status(String(operation));
    const isNew = standing.action !== undefined && standing.action.url !== attempt.visited;
    return isEnd(standing) || isNew ? standing : { ...standing, action: undefined, paymentReference: undefined };
  }
}

/** 128 bits of chance. `randomUUID` would do, but is missing on pages without TLS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
