// What goes wrong, in a form a storefront can act on.

import type { Reason } from "./contract.js";

export interface Circumstances {
  /** The payment may have been made all the same. The attempt is kept, and paying again resumes it. */
  uncertain?: boolean;
  /** Of the processor's answer. */
  status?: number | undefined;
  paymentReference?: string | undefined;
  /** Why the processor refused. */
  reason?: Reason | undefined;
  /** Of the processor's answer, for whoever looks into its logs. */
  correlationId?: string | undefined;
  /** The shopper has seen it already, in the fields. */
  shown?: boolean;
}

export class EnablerError extends Error {
  override readonly name = "EnablerError";
  /** One of ours ("configuration", "unavailable", "unreachable", "fields", "incomplete", "abandoned", "shop") or the processor's. */
  readonly code: string;
  readonly uncertain: boolean;
  readonly status: number | undefined;
  readonly reason: Reason | undefined;
  readonly correlationId: string | undefined;
  readonly shown: boolean;
  paymentReference: string | undefined;

  constructor(code: string, message: string, circumstances: Circumstances = {}) {
    super(message);
    this.code = code;
    this.uncertain = circumstances.uncertain ?? false;
    this.status = circumstances.status;
    this.reason = circumstances.reason;
    this.correlationId = circumstances.correlationId;
    this.shown = circumstances.shown ?? false;
    this.paymentReference = circumstances.paymentReference;
  }
}

/** Whatever was thrown: what is not ours is the shop's. */
export const errorOf = (thrown: unknown): EnablerError =>
  thrown instanceof EnablerError ? thrown : new EnablerError("shop", String(thrown));
