// A card, in the PSP's own fields. What we get is a token.

import type { CardState } from "./contract.js";
import { element } from "./element.js";
import type { PspModule } from "./psp/port.js";
import type { MakeSource } from "./source.js";
import type { Configuration } from "./wire.js";

/** `asks`: whether to ask the shopper for consent to storing the card; otherwise that is the page's part. */
export function card(psp: PspModule, config: Configuration, { asks }: { asks: boolean }): MakeSource {
  return ({ texts, direction, style, submit }) => {
    let state: CardState & { complete: boolean } = { complete: false };
    const fields = psp.cardFields({
      config: config.of,
      language: texts.language,
      direction,
      title: texts.fields,
      style,
      onChange: (changed) => {
        state = changed;
      },
      onSubmit: submit,
    });
    const frame = element("div", { class: "fields", attributes: { "aria-busy": "true" } }, fields.element);
    const box = element("input", { attributes: { type: "checkbox", autocomplete: "off" } });
    const consented = asks && config.storesMethods;
    const place = element("div", {}, frame);
    if (consented) place.append(element("label", { class: "consent" }, box, texts.consent));
    const ready = fields.ready.then(() => frame.removeAttribute("aria-busy"));
    ready.catch(() => {}); // Told to whoever mounts.
    return {
      element: place,
      ready,
      async method(consent) {
        await ready;
        const made = await fields.tokenize();
        state = { ...state, ...made.card };
        const store = config.storesMethods && (consent || (consented && box.checked));
        return { type: "card", token: made.token, ...(store && { storePaymentMethod: true }) };
      },
      isValid: () => state.complete,
      showValidation: () => fields.focus(),
      state() {
        const { complete: _, ...shown } = state;
        return { card: shown };
      },
      enable() {
        box.disabled = false;
        fields.enable();
      },
      disable() {
        box.disabled = true;
        fields.disable();
      },
      remove: () => fields.remove(),
    };
  };
}
