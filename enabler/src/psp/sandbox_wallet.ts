// The sandbox PSP's wallet. Its page tells what the shopper chooses; the shop says what that means for the cart.

import type { ExpressAddress, ExpressOptions } from "../contract.js";
import { webAddress } from "../element.js";
import { isObject } from "../wire.js";
import type { Wallet, WalletPayment } from "./port.js";

export function wallet(config: Readonly<Record<string, unknown>>): Wallet | null {
  const address = webAddress(config["walletUrl"] ?? "");
  if (address === null) return null;
  address.searchParams.set("publishable_key", String(config["publishableKey"]));
  address.searchParams.set("origin", window.location.origin);
  return { label: "Sandbox Wallet", address, hear };
}

function hear(message: unknown, tell: (message: object) => void, shop: ExpressOptions): WalletPayment | null {
  if (!isObject(message)) return null;
  switch (message["type"]) {
    case "ready":
      tell({ type: "order", amount: shop.initialAmount, countries: shop.allowedCountries ?? [] });
      return null;
    case "address":
      void ship(message["address"] as ExpressAddress, tell, shop);
      return null;
    case "shipping":
      void choose(String(message["id"]), tell, shop);
      return null;
    case "paid":
      return {
        token: String(message["token"]),
        shippingAddress: message["shippingAddress"] as ExpressAddress,
        billingAddress: message["billingAddress"] as ExpressAddress,
      };
    default:
      return null;
  }
}

/** Nobody can pay before the shop's cart has the choice. */
async function choose(id: string, tell: (message: object) => void, shop: ExpressOptions): Promise<void> {
  try {
    await shop.onShippingMethodSelected({ shippingMethod: { id } });
    tell({ type: "shipped", id });
  } catch {
    tell({ type: "failed" });
  }
}

async function ship(address: ExpressAddress, tell: (message: object) => void, shop: ExpressOptions): Promise<void> {
  try {
    await shop.onShippingAddressSelected({ address });
    tell({ type: "shipping", methods: await shop.getShippingMethods({ address }) });
  } catch {
    tell({ type: "failed" });
  }
}
