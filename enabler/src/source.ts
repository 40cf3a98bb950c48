// What a payment is made with: card fields, a stored card, an invoice. A component shows one; a drop-in, a choice of them.

import type { CardState } from "./contract.js";
import type { Texts } from "./texts.js";
import type { Method } from "./wire.js";

export interface Source {
  readonly element: HTMLElement;
  /** The shopper can begin. Not before the element is in the page. */
  readonly ready: Promise<void>;
  /** How the shopper pays. `consent`: to storing it. Raises EnablerError. */
  method(consent: boolean): Promise<Method>;
  isValid(): boolean;
  /** Leads the shopper to what is missing. */
  showValidation(): void;
  state(): { card?: CardState };
  enable(): void;
  disable(): void;
  remove(): void;
}

/** What a source finds around itself. */
export interface Surroundings {
  texts: Texts;
  direction: string;
  /** Of the element that carries the theme. */
  style: CSSStyleDeclaration;
  /** The Enter key in a field. */
  submit: () => void;
}

export type MakeSource = (surroundings: Surroundings) => Source;
