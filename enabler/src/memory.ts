// What a page that is loaded again must know: that there is a payment whose end it has not heard. Neither token nor
// session is kept, only the attempt's key and its operation, for as long as the tab lives.

const NAME = "ctpay-attempt";
// Enough of the session's id to tell it from the tab's next session, and too little to use it.
const TAIL = 8;

export interface Note {
  key: string;
  operation?: string | undefined;
}

export class Memory {
  readonly #session: string;

  constructor(sessionId: string) {
    this.#session = sessionId.slice(-TAIL);
  }

  read(): Note | null {
    try {
      const { session, key, operation } = JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Record<string, unknown>;
      if (session !== this.#session || typeof key !== "string") return null;
      return { key, operation: typeof operation === "string" ? operation : undefined };
    } catch {
      return null; // No storage for us, or somebody else's words in it.
    }
  }

  write({ key, operation }: Note): void {
    this.#try(() => sessionStorage.setItem(NAME, JSON.stringify({ session: this.#session, key, operation })));
  }

  clear(): void {
    this.#try(() => sessionStorage.removeItem(NAME));
  }

  #try(step: () => void): void {
    try {
      step();
    } catch {
      // A browser that keeps nothing for us: the attempt lives as long as the page.
    }
  }
}
