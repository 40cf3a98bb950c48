// What the library needs of a PSP. Another PSP gets another module beside this one, and a line in `registry.ts`.

import type { CardState, ExpressAddress, ExpressOptions } from "../contract.js";

export interface FieldsOptions {
  /** Of `GET /operations/config`. */
  config: Readonly<Record<string, unknown>>;
  /** Two letters. */
  language: string;
  direction: string;
  /** The accessible name. */
  title: string;
  /** Where the theme's custom properties are read. */
  style: CSSStyleDeclaration;
  onChange: (state: CardState & { complete: boolean }) => void;
  /** The Enter key. */
  onSubmit: () => void;
}

/** The PSP's own fields, in a frame of its origin. */
export interface CardFields {
  element: HTMLElement;
  /** They can be typed into. Not before the element is in the page. */
  ready: Promise<void>;
  tokenize(): Promise<{ token: string; card: CardState }>;
  /** To the first field that is not complete; errors are shown there. */
  focus(): void;
  enable(): void;
  disable(): void;
  remove(): void;
}

/** What the shopper agreed to pay with, in a wallet. */
export interface WalletPayment {
  token: string;
  shippingAddress: ExpressAddress;
  billingAddress: ExpressAddress;
}

/** A wallet: a page of the PSP's in a dialog, which knows card and addresses of the shopper. */
export interface Wallet {
  label: string;
  address: URL;
  /** A message of the page, until the shopper has paid. */
  hear(message: unknown, tell: (message: object) => void, shop: ExpressOptions): WalletPayment | null;
}

export interface PspModule {
  /** Payment method types that it has fields for. */
  readonly methods: readonly string[];
  cardFields(options: FieldsOptions): CardFields;
  /** What to complete a payment with, out of a message of its challenge page; or null. */
  actionParameters(message: unknown): object | null;
  /** Express types that it knows. */
  readonly wallets: readonly string[];
  /** Null: not in this configuration. */
  wallet(config: Readonly<Record<string, unknown>>): Wallet | null;
}
