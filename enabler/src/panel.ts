// How a component looks: a shadow root, so that neither its styles nor the page's reach the other, and ids are its own;
// colours and the like come in through the custom properties listed in styles.css.

import { element } from "./element.js";
import type { MakeSource, Source } from "./source.js";
import styles from "./styles.css";
import type { Texts } from "./texts.js";

export interface Look {
  texts: Texts;
  make: MakeSource;
  heading: boolean;
  button: boolean;
  onPay: () => void;
  /** The page has taken us out without asking us to go. */
  onGone: () => void;
}

/** `quiet`: only for those who hear the page, where the pay button says it to all others. */
export type Tone = "error" | "good" | "status" | "quiet";

let sheet: CSSStyleSheet | null = null;

/** One for all components of the page. Policies without `unsafe-inline` allow it. */
export function styleSheet(): CSSStyleSheet {
  if (sheet === null) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
  }
  return sheet;
}

export class Panel {
  readonly root: ShadowRoot;
  readonly source: Source;
  readonly #host: HTMLElement;
  readonly #texts: Texts;
  readonly #gone = new AbortController();
  // Two, since what is wrong must be heard at once, and all else when it suits.
  readonly #alert = element("p", { class: "message", attributes: { role: "alert" } });
  readonly #status = element("p", { class: "message", attributes: { role: "status" } });
  readonly #button: HTMLButtonElement | null;

  constructor(place: Element, { texts, make, heading, button, onPay, onGone }: Look) {
    this.#texts = texts;
    this.#host = element("div", { class: "ctpay", attributes: { lang: texts.language } });
    place.append(this.#host);
    this.root = this.#host.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [styleSheet()];
    const style = getComputedStyle(this.#host);
    this.#host.dataset["direction"] = style.direction;
    try {
      this.source = make({ texts, direction: style.direction, style, submit: onPay });
    } catch (error) {
      this.#host.remove();
      throw error;
    }
    this.#button = button
      ? element("button", { class: "pay primary", text: texts.pay, attributes: { type: "button" }, on: { click: onPay } })
      : null;
    if (this.#button) this.#button.disabled = true;
    if (heading) this.root.append(element("h2", { class: "heading", text: texts.heading }));
    this.root.append(this.source.element, this.#alert, this.#status);
    if (this.#button) this.root.append(this.#button);
    if (heading) this.root.append(element("p", { class: "safe", text: texts.safe }));
    this.#watch(onGone);
  }

  /** Storefronts that were written for others' components drop the place, and know of no `unmount`. */
  #watch(onGone: () => void): void {
    let wasThere = this.#host.isConnected;
    const observer = new MutationObserver(() => {
      if (wasThere && !this.#host.isConnected) onGone();
      wasThere = this.#host.isConnected;
    });
    const roots = new Set<Node>([document, this.#host.getRootNode()]);
    for (const root of roots) observer.observe(root, { childList: true, subtree: true });
    this.signal.addEventListener("abort", () => observer.disconnect());
  }

  /** Aborted when the component leaves the page. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  remove(): void {
    this.#gone.abort();
    this.source.remove();
    this.#host.remove();
  }

  say(tone: Tone, text: string): void {
    const [place, other] = tone === "error" ? [this.#alert, this.#status] : [this.#status, this.#alert];
    other.textContent = "";
    place.dataset["tone"] = tone;
    place.textContent = text;
  }

  busy(): void {
    this.say("quiet", "");
    if (this.#button === null) return;
    this.#button.disabled = true;
    this.#button.setAttribute("aria-busy", "true");
    this.#button.textContent = this.#texts.paying;
  }

  spokenFor(): void {
    this.source.disable();
    this.say("quiet", this.#texts.paying);
  }

  enable({ unresolved }: { unresolved: boolean }): void {
    if (unresolved) this.source.disable();
    else this.source.enable();
    if (this.#button === null) return;
    this.#button.disabled = false;
    this.#button.setAttribute("aria-busy", "false");
    this.#button.textContent = unresolved ? this.#texts.again : this.#texts.pay;
  }

  focusButton(): void {
    this.#button?.focus();
  }

  /** Paid: nothing more can be done here. */
  over(): void {
    this.source.disable();
    if (this.#button) this.#button.hidden = true;
  }
}
