// From a token to what the server says of the payment, whatever the network does in between.
//
// Law: an attempt whose end we do not know is resumed, never replaced. Its key, its token and how far it got are kept
// here until the server has said how it ended; only then does paying again mean a new attempt.

import { EnablerError } from "./errors.js";

const ENDS = new Set(["approved", "rejected"]);

export class Attempts {
  #processor;
  #perform;
  #open = null;

  // `perform(action)`: let the shopper do what the PSP asks, and give back the parameters for the completion.
  constructor({ processor, perform }) {
    this.#processor = processor;
    this.#perform = perform;
  }

  // Whether there is an attempt of unknown end, which `pay` would resume.
  get unresolved() {
    return this.#open !== null;
  }

  // `tokenize()` is asked for a token only where a new attempt begins. Raises EnablerError.
  async pay({ type, tokenize }) {
    const attempt = this.#open ?? { type, token: await tokenize(), key: crypto.randomUUID(), completion: null };
    this.#open = attempt;
    try {
      const standing = await this.#carryOn(attempt);
      this.#open = null;
      return standing;
    } catch (error) {
      if (!(error instanceof EnablerError && error.uncertain)) this.#open = null;
      throw error;
    }
  }

  async #carryOn(attempt) {
    let standing = await this.#next(attempt);
    while (standing.outcome === "action") {
      const { operation, action, paymentReference } = standing;
      const parameters = await this.#perform(action, { paymentReference });
      attempt.completion = { operation, parameters, key: crypto.randomUUID(), url: action.url };
      standing = await this.#next(attempt);
    }
    return standing;
  }

  async #next(attempt) {
    const { completion } = attempt;
    // Right after a completion, the status may still show the action that was just done.
    const isNews = ({ outcome, action }) =>
      ENDS.has(outcome) || (outcome === "action" && action.url !== completion?.url);
    const standing = completion ? await this.#processor.complete(completion) : await this.#processor.pay(attempt);
    const underWay = !standing.paymentReference || (standing.outcome === "action" && !isNews(standing));
    return underWay && !ENDS.has(standing.outcome) ? this.#processor.follow(standing, { isNews }) : standing;
  }
}
