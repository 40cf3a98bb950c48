// What a page that is loaded again must know: that there is a payment whose end it has not heard. Neither token nor
// session is kept, only the attempt's key and its operation, for as long as the tab lives.

const NAME = "ctpay-attempt-";
// Enough of the session's id to tell it from the tab's other sessions, and too little to use it.
const TAIL = 8;

export interface Note {
  key: string;
  operation?: string | undefined;
  /** Whether the page was left for the bank's. */
  left?: boolean | undefined;
}

export class Memory {
  /** One for each session, so that an express checkout beside a card's does not make it forget. */
  readonly #name: string;

  constructor(sessionId: string) {
    this.#name = NAME + sessionId.slice(-TAIL);
  }

  read(): Note | null {
    try {
      const { key, operation, left } = JSON.parse(sessionStorage.getItem(this.#name) ?? "{}") as Record<string, unknown>;
      if (typeof key !== "string") return null;
      return { key, operation: typeof operation === "string" ? operation : undefined, left: left === true };
    } catch {
      return null; // No storage for us, or somebody else's words in it.
    }
  }

  write({ key, operation, left }: Note): void {
    this.#try(() => sessionStorage.setItem(this.#name, JSON.stringify({ key, operation, left })));
  }

  clear(): void {
    this.#try(() => sessionStorage.removeItem(this.#name));
  }

  #try(step: () => void): void {
    try {
      step();
    } catch {
      // A browser that keeps nothing for us: the attempt lives as long as the page.
    }
  }
}
