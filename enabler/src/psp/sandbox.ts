// The sandbox PSP's card fields, challenge and wallet.

import type { CardState } from "../contract.js";
import { webAddress } from "../element.js";
import { EnablerError } from "../errors.js";
import { isObject } from "../wire.js";
import type { CardFields, FieldsOptions, PspModule } from "./port.js";
import { framed } from "./framed.js";
import { wallet } from "./sandbox_wallet.js";

const READY_S = 20;
const TOKEN_S = 30;
// The fields page takes these, in these forms, and ignores all else.
const THEME = {
  accent: "--ctpay-accent",
  text: "--ctpay-text",
  background: "--ctpay-field",
  border: "--ctpay-border",
  error: "--ctpay-error",
};

interface Tokenization {
  resolve: (made: { token: string; card: CardState }) => void;
  reject: (error: EnablerError) => void;
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value ? value : undefined);

function cardFields(options: FieldsOptions): CardFields {
  const url = fieldsUrl(options);
  const waiting = new Map<unknown, Tokenization>();
  let ids = 0;
  let state: CardState & { complete: boolean } = { complete: false };
  let isReady: () => void;
  let isBroken: (error: EnablerError) => void;
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve;
    isBroken = reject;
  });
  ready.catch(() => {}); // Told to whoever mounts.
  const late = setTimeout(() => isBroken(new EnablerError("fields", "The card fields did not load.")), READY_S * 1000);

  const hear: Record<string, (message: Record<string, unknown>) => void> = {
    ready() {
      clearTimeout(late);
      isReady();
    },
    change({ complete, brand, last4 }) {
      state = { complete: complete === true, ...cardOf({ brand, last4 }) };
      options.onChange(state);
    },
    submit: () => options.onSubmit(),
    height({ height }) {
      if (Number(height) > 0 && Number(height) < 2000) frame.element.style.height = `${Number(height)}px`;
    },
    token: ({ id, token, card }) => waiting.get(id)?.resolve({ token: String(token), card: isObject(card) ? cardOf(card) : {} }),
    error: ({ id, code, message }) =>
      waiting.get(id)?.reject(new EnablerError(String(code), String(message), { shown: code === "incomplete" })),
  };
  const frame = framed({ url, title: options.title, hear });

  return {
    element: frame.element,
    ready,
    async tokenize() {
      const id = (ids += 1);
      const answer = new Promise<{ token: string; card: CardState }>((resolve, reject) => waiting.set(id, { resolve, reject }));
      const overdue = setTimeout(
        () => waiting.get(id)?.reject(new EnablerError("fields", "The card fields did not answer.")),
        TOKEN_S * 1000,
      );
      frame.tell({ type: "tokenize", id });
      try {
        return await answer;
      } finally {
        clearTimeout(overdue);
        waiting.delete(id);
      }
    },
    focus: () => frame.tell({ type: state.complete ? "focus" : "validate" }),
    enable: () => frame.tell({ type: "enable" }),
    disable: () => frame.tell({ type: "disable" }),
    remove() {
      clearTimeout(late);
      frame.remove();
      const removed = new EnablerError("fields", "The card fields were removed.");
      isBroken(removed);
      for (const { reject } of waiting.values()) reject(removed);
    },
  };
}

function cardOf({ brand, last4, expiry }: Record<string, unknown>): CardState {
  const found = { brand: textOf(brand), endDigits: textOf(last4), expiryDate: textOf(expiry) };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function fieldsUrl({ config, language, direction, style }: FieldsOptions): URL {
  const url = webAddress(config["fieldsUrl"]);
  if (url === null) throw new EnablerError("configuration", "The processor's fieldsUrl is no web address.");
  url.searchParams.set("publishable_key", String(config["publishableKey"]));
  url.searchParams.set("origin", window.location.origin);
  url.searchParams.set("locale", language);
  url.searchParams.set("dir", direction);
  for (const [name, property] of Object.entries(THEME)) {
    const value = style.getPropertyValue(property).trim();
    if (/^#[0-9a-f]{6}$/i.test(value)) url.searchParams.set(name, value);
  }
  const radius = parseInt(style.getPropertyValue("--ctpay-radius"), 10);
  if (radius >= 0 && radius <= 24) url.searchParams.set("radius", String(radius));
  return url;
}

export const sandbox: PspModule = {
  methods: ["card"],
  cardFields,
  actionParameters: (message) =>
    isObject(message) && message["type"] === "challenge" && typeof message["result"] === "string"
      ? { result: message["result"] }
      : null,
  wallets: ["wallet"],
  wallet,
};
