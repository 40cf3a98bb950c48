// A method that the shopper stored earlier. Its token stays at the server; we have its id and what to show of it.

import type { CardState, StoredPaymentMethod } from "./contract.js";
import { element } from "./element.js";
import type { MakeSource } from "./source.js";
import type { Texts } from "./texts.js";

/** "Visa •••• 4242, expires 12/34" */
export function nameOf({ type, displayOptions }: StoredPaymentMethod, texts: Texts): string {
  const { endDigits, brand } = displayOptions;
  const name = `${brand?.key ?? (type === "card" ? texts.card : type)}${endDigits ? ` •••• ${endDigits}` : ""}`;
  const date = expiryOf(displayOptions);
  return date ? `${name}, ${texts.expires.replace("{date}", date)}` : name;
}

export function stored(method: StoredPaymentMethod): MakeSource {
  return ({ texts }) => ({
    element: element("p", { class: "chosen", text: nameOf(method, texts) }),
    ready: Promise.resolve(),
    method: () => Promise.resolve({ type: method.type, storedPaymentMethodId: method.id }),
    isValid: () => true,
    showValidation: () => {},
    state: () => ({ card: stateOf(method) }),
    enable: () => {},
    disable: () => {},
    remove: () => {},
  });
}

function stateOf({ displayOptions }: StoredPaymentMethod): CardState {
  const { endDigits, brand } = displayOptions;
  const expiryDate = expiryOf(displayOptions);
  return { ...(endDigits && { endDigits }), ...(brand && { brand: brand.key }), ...(expiryDate && { expiryDate }) };
}

function expiryOf({ expiryMonth, expiryYear }: StoredPaymentMethod["displayOptions"]): string {
  if (!expiryMonth || !expiryYear) return "";
  return `${String(expiryMonth).padStart(2, "0")}/${String(expiryYear % 100).padStart(2, "0")}`;
}
