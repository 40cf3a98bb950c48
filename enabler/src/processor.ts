// The processor over HTTP. Everything that may move money carries an idempotency key, so that a request whose reply got
// lost is simply sent again: the same key is the same attempt.

import type { StoredPaymentMethod } from "./contract.js";
import { EnablerError } from "./errors.js";
import { delays, pause } from "./pause.js";
import {
  type Configuration,
  type Method,
  type Standing,
  configurationOf,
  isObject,
  reasonOf,
  standingOf,
  storedMethodsOf,
  text,
} from "./wire.js";

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

interface Request<Reply> {
  method: "GET" | "POST" | "DELETE";
  path: string;
  key?: string;
  body?: unknown;
  /** Whether something of this attempt may have reached the processor before. */
  arrived?: boolean;
  /** Null: not a reply to this. */
  read: (document: unknown) => Reply | null;
}

export class Processor {
  readonly #url: string;
  readonly #sessionId: string;

  constructor({ url, sessionId }: { url: string; sessionId: string }) {
    this.#url = url.replace(/\/+$/, "");
    this.#sessionId = sessionId;
  }

  configuration(): Promise<Configuration> {
    return this.#send({ method: "GET", path: "/operations/config", read: configurationOf });
  }

  storedMethods(): Promise<StoredPaymentMethod[]> {
    return this.#send({ method: "GET", path: "/stored-payment-methods", read: storedMethodsOf });
  }

  async forget(id: string): Promise<void> {
    const path = `/stored-payment-methods/${encodeURIComponent(id)}`;
    await this.#send({ method: "DELETE", path, read: () => true }).catch((error: unknown) => {
      // It is not there: an earlier try of this one may have deleted it, and its reply got lost.
      if (!(error instanceof EnablerError && error.status === 404)) throw error;
    });
  }

  /** `arrived`: it may have been sent before, under this key. */
  pay({ method, key, arrived }: { method: Method; key: string; arrived: boolean }): Promise<Standing> {
    return this.#send({ method: "POST", path: "/payments", key, arrived, body: { paymentMethod: method }, read: standingOf });
  }

  /** Go on after the shopper's action. */
  complete({ operation, parameters, key }: { operation: string; parameters: object; key: string }): Promise<Standing> {
    const path = `/payments/${encodeURIComponent(operation)}/complete`;
    return this.#send({ method: "POST", path, key, arrived: true, body: { parameters }, read: standingOf });
  }

  status(operation: string): Promise<Standing> {
    const path = `/payments/${encodeURIComponent(operation)}`;
    return this.#send({ method: "GET", path, arrived: true, read: standingOf });
  }

  /** What became of a payment whose answer never came. Pending also where it never arrived. */
  find(key: string): Promise<Standing> {
    return this.#send({ method: "GET", path: "/payments", key, arrived: true, read: standingOf });
  }

  /** Ask until there is an end or an action. `isNews` tells an action apart from one that was done already, by seconds. */
  async follow(standing: Standing, isNews: (standing: Standing, afterS: number) => boolean): Promise<Standing> {
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1000;
    let latest = standing;
    for (const delay of delays({ first: 0.4, most: 3 })) {
      await pause(delay);
      latest = await this.status(standing.operation).catch((error: unknown) => {
        if (error instanceof EnablerError) error.paymentReference = latest.paymentReference;
        throw error;
      });
      if (isNews(latest, seconds())) return latest;
      if (latest.outcome === "pending" && latest.paymentReference && seconds() > SETTLES_LATER_S) return latest;
      if (seconds() > FOLLOW_S) break;
    }
    throw new EnablerError("unavailable", "The payment has not come to an end yet. Try again to ask after it.", {
      uncertain: true,
      paymentReference: latest.paymentReference,
    });
  }

  async #send<Reply>(request: Request<Reply>): Promise<Reply> {
    const begun = performance.now();
    let arrived = request.arrived ?? false;
    for (const delay of delays({ first: 0.5, most: 5 })) {
      let response: Response | null = null;
      let document: unknown = null;
      try {
        response = await fetch(this.#url + request.path, this.#options(request));
        const body = await response.text();
        document = body || !response.ok ? JSON.parse(body || "{}") : {};
      } catch {
        document = null; // No reply, or half of one.
      }
      const reply = response?.ok && document !== null ? request.read(document) : null;
      if (reply !== null) return reply;
      const error = response && !response.ok && document !== null ? response : null;
      if (error && !AGAIN.has(error.status)) {
        throw problem(error, document, arrived && !DEFINITE.has(error.status));
      }
      arrived ||= request.method === "POST";
      if ((performance.now() - begun) / 1000 > RESEND_S) {
        if (error) throw problem(error, document, arrived);
        throw new EnablerError("unreachable", "The processor cannot be reached.", { uncertain: arrived });
      }
      const asked = Math.min(Number(response?.headers.get("Retry-After")) || 0, RESEND_S);
      await pause(Math.max(delay, asked), { orOnline: response === null });
    }
    throw new Error("unreachable: delays never end");
  }

  #options({ method, key, body }: Request<unknown>): RequestInit {
    const headers: Record<string, string> = { "X-Session-Id": this.#sessionId, Accept: "application/json" };
    if (key) Object.assign(headers, { "Idempotency-Key": key, Prefer: `wait=${WAIT_S}` });
    if (body) headers["Content-Type"] = "application/json";
    return {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(REQUEST_S * 1000),
    };
  }
}

function problem({ status, headers }: Response, document: unknown, uncertain: boolean): EnablerError {
  const found = isObject(document) ? document : {};
  const first: unknown = Array.isArray(found["errors"]) ? found["errors"][0] : null;
  const code = isObject(first) ? String(first["code"]) : "General";
  const message = typeof found["message"] === "string" ? found["message"] : `The processor answered ${status}.`;
  const correlationId = headers.get("X-Correlation-ID") ?? undefined;
  const paymentReference = text(found["paymentReference"]);
  const reason = reasonOf(found["reason"]);
  return new EnablerError(code, message, { uncertain, status, correlationId, paymentReference, reason });
}
