// What the processor says, checked before it is believed: a reply that is none of these is no reply.

import type { Reason, StoredPaymentMethod } from "./contract.js";

export interface Action {
  type: string;
  url: string;
}

/** Where a payment stands. */
export interface Standing {
  outcome: "approved" | "rejected" | "pending" | "action";
  /** For the status and the completion. */
  operation: string;
  /** Absent while no worker has taken it up. */
  paymentReference: string | undefined;
  action: Action | undefined;
  reason: Reason | undefined;
}

export interface Configuration {
  psp: string;
  /** That may be used in this session. */
  paymentMethods: string[];
  storesMethods: boolean;
  /** The PSP's own, for its module. */
  of: Readonly<Record<string, unknown>>;
}

/** How the shopper pays, as `POST /payments` takes it. */
export interface Method {
  type: string;
  token?: string;
  storedPaymentMethodId?: string;
  storePaymentMethod?: true;
  poNumber?: string;
  invoiceMemo?: string;
}

const OUTCOMES: readonly string[] = ["approved", "rejected", "pending", "action"];

export const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
export const text = (value: unknown): string | undefined => (typeof value === "string" && value ? value : undefined);

/** Null where it is none. */
export function standingOf(document: unknown): Standing | null {
  if (!isObject(document)) return null;
  const { outcome, operation, paymentReference, action, reason } = document;
  if (typeof outcome !== "string" || !OUTCOMES.includes(outcome) || !text(operation)) return null;
  const open = isObject(action) ? { type: String(action["type"]), url: String(action["url"]) } : undefined;
  if (outcome === "action" && open === undefined) return null;
  return {
    outcome: outcome as Standing["outcome"],
    operation: String(operation),
    paymentReference: text(paymentReference),
    action: outcome === "action" ? open : undefined,
    reason: reasonOf(reason),
  };
}

export function reasonOf(reason: unknown): Reason | undefined {
  if (!isObject(reason)) return undefined;
  return { code: String(reason["code"] ?? ""), message: String(reason["message"] ?? "") };
}

export function configurationOf(document: unknown): Configuration | null {
  if (!isObject(document)) return null;
  const { psp, paymentMethods, storedPaymentMethodsConfig: stored } = document;
  const methods = Array.isArray(paymentMethods) ? paymentMethods.filter((one) => typeof one === "string") : ["card"];
  return {
    psp: String(psp),
    paymentMethods: methods,
    storesMethods: isObject(stored) && stored["isEnabled"] === true,
    of: document,
  };
}

/** Field by field, so that nothing that only the server should know gets any further. */
export function storedMethodsOf(document: unknown): StoredPaymentMethod[] | null {
  if (!isObject(document) || !Array.isArray(document["storedPaymentMethods"])) return null;
  return document["storedPaymentMethods"].filter(isObject).map((one) => {
    const shown = isObject(one["displayOptions"]) ? one["displayOptions"] : {};
    const brand = isObject(shown["brand"]) ? text(shown["brand"]["key"]) : undefined;
    const { expiryMonth, expiryYear } = shown;
    const endDigits = text(shown["endDigits"]);
    const logoUrl = text(shown["logoUrl"]);
    return {
      id: String(one["id"]),
      type: String(one["type"]),
      createdAt: String(one["createdAt"]),
      isDefault: one["isDefault"] === true,
      displayOptions: {
        ...(endDigits && { endDigits }),
        ...(brand && { brand: { key: brand } }),
        ...(typeof expiryMonth === "number" && { expiryMonth }),
        ...(typeof expiryYear === "number" && { expiryYear }),
        ...(logoUrl && { logoUrl }),
      },
    };
  });
}
