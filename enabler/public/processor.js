// The processor over HTTP. Everything that may move money carries an idempotency key, so that a request whose reply got
// lost is simply sent again: the same key is the same attempt.

import { EnablerError } from "./errors.js";
import { delays, pause } from "./pause.js";

// Seconds. How long the server may wait for the result, one request may take, and one resending may go on.
const WAIT_S = 10;
const REQUEST_S = 30;
const RESEND_S = 45;
// How long a payment is asked after: until it has an end, or, once the PSP has accepted it, until it is plain that it
// settles later.
const FOLLOW_S = 90;
const SETTLES_LATER_S = 15;

// Not an answer to what was asked: asking again may give one.
const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);
// These are answers to the attempt itself, whichever time it was sent. Others may speak of the caller alone.
const DEFINITE = new Set([400, 404, 422]);

export class Processor {
  #url;
  #sessionId;

  constructor({ url, sessionId }) {
    this.#url = url.replace(/\/+$/, "");
    this.#sessionId = sessionId;
  }

  config() {
    return this.#send("GET", "/operations/config");
  }

  // Pay with a token of the PSP's fields. Gives the standing: { outcome, operation, paymentReference, action?, reason? }.
  pay({ type, token, key }) {
    return this.#send("POST", "/payments", { key, body: { paymentMethod: { type, token } } });
  }

  // Go on after the shopper's action.
  complete({ operation, parameters, key }) {
    return this.#send("POST", `/payments/${encodeURIComponent(operation)}/complete`, { key, body: { parameters }, arrived: true });
  }

  // Ask until there is an end or an action. `isNews(standing)` tells an action apart from one that was done already.
  async follow(standing, { isNews }) {
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    let latest = standing;
    for (const delay of delays({ first: 0.4, most: 3 })) {
      await pause(delay);
      latest = await this.#send("GET", `/payments/${encodeURIComponent(standing.operation)}`, { arrived: true });
      if (isNews(latest)) return latest;
      if (latest.outcome === "pending" && latest.paymentReference && seconds() > SETTLES_LATER_S) return latest;
      if (seconds() > FOLLOW_S) break;
    }
    throw new EnablerError("unavailable", "The payment has not come to an end yet. Try again to ask after it.", {
      uncertain: true,
      paymentReference: latest.paymentReference ?? undefined,
    });
  }

  // `arrived`: whether something of this attempt may have reached the processor before.
  async #send(method, path, { key, body, arrived = false } = {}) {
    const begun = performance.now();
    for (const delay of delays({ first: 0.5, most: 5 })) {
      let response = null;
      let document = null;
      try {
        response = await fetch(this.#url + path, this.#request(method, key, body));
        document = await response.json();
      } catch {
        document = null; // No reply, or half of one.
      }
      if (response?.ok && document !== null) return document;
      if (response !== null && document !== null && !AGAIN.has(response.status)) {
        throw problem(response.status, document, { uncertain: arrived && !DEFINITE.has(response.status) });
      }
      arrived ||= method === "POST";
      if ((performance.now() - begun) / 1000 > RESEND_S) {
        if (response !== null && document !== null) throw problem(response.status, document, { uncertain: arrived });
        throw new EnablerError("unreachable", "The processor cannot be reached.", { uncertain: arrived });
      }
      await pause(Math.max(delay, Number(response?.headers.get("Retry-After")) || 0), { orOnline: response === null });
    }
    throw new Error("unreachable: delays never end");
  }

  #request(method, key, body) {
    const headers = { "X-Session-Id": this.#sessionId, Accept: "application/json" };
    if (key) Object.assign(headers, { "Idempotency-Key": key, Prefer: `wait=${WAIT_S}` });
    if (body) headers["Content-Type"] = "application/json";
    return {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(REQUEST_S * 1000),
    };
  }
}

function problem(status, document, { uncertain }) {
  const first = document.errors?.[0] ?? {};
  return new EnablerError(first.code ?? "General", document.message ?? `The processor answered ${status}.`, {
    uncertain,
    status,
  });
}
