// Telling the shop.

import type { ErrorContext } from "./contract.js";
import type { EnablerError } from "./errors.js";

export type Callback<Given extends unknown[]> = ((...given: Given) => Promise<void> | void) | undefined;

/** A shop's callback that throws is the shop's fault, and changes nothing about the payment. */
export async function told<Given extends unknown[]>(
  callback: Callback<Given>,
  ...given: Given
): Promise<void> {
  try {
    await callback?.(...given);
  } catch (error) {
    reportError(error);
  }
}

export const contextOf = ({ paymentReference }: EnablerError): ErrorContext =>
  paymentReference === undefined ? {} : { paymentReference };
