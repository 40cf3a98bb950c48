// A choice of sources, as radio buttons. Each is made when it is first chosen: nobody loads card fields to pay by invoice.

import { element } from "./element.js";
import type { MakeSource, Source } from "./source.js";

export interface Option {
  label: string;
  make: MakeSource;
}

/** At least one option; the first is chosen. One alone is shown without a question. */
export function choice(options: readonly [Option, ...Option[]]): MakeSource {
  return (surroundings) => {
    const made = new Map<Option, Source>();
    let chosen: Option = options[0];
    let isDisabled = false;
    const source = (): Source => {
      const found = made.get(chosen) ?? chosen.make(surroundings);
      made.set(chosen, found);
      return found;
    };
    if (options.length === 1) return source();

    const panels = element("div", { class: "panels" }, source().element);
    const radios = options.map((option, index) => {
      const radio = element("input", {
        attributes: { type: "radio", name: "method", id: `method-${index}`, autocomplete: "off" },
        on: { change: () => choose(option) },
      });
      radio.checked = option === chosen;
      return radio;
    });
    const place = element(
      "div",
      { class: "choice" },
      element(
        "fieldset",
        {},
        element("legend", { text: surroundings.texts.methods }),
        ...options.map(({ label }, index) =>
          element("label", { class: "option", attributes: { for: `method-${index}` } }, radios[index] ?? "", label),
        ),
      ),
      panels,
    );
    function choose(option: Option): void {
      for (const each of made.values()) each.element.hidden = true;
      chosen = option;
      const { element: shown, ready } = source();
      // A frame that moves in the document is loaded anew: each keeps its place.
      if (!panels.contains(shown)) panels.append(shown);
      shown.hidden = false;
      ready.then(
        () => (isDisabled ? source().disable() : source().enable()),
        () => {},
      );
    }
    function setDisabled(disabled: boolean): void {
      isDisabled = disabled;
      for (const radio of radios) radio.disabled = disabled;
      for (const each of made.values()) disabled ? each.disable() : each.enable();
    }
    return {
      element: place,
      ready: source().ready,
      method: (consent) => source().method(consent),
      isValid: () => source().isValid(),
      showValidation: () => source().showValidation(),
      state: () => source().state(),
      enable: () => setDisabled(false),
      disable: () => setDisabled(true),
      remove: () => {
        for (const each of made.values()) each.remove();
      },
    };
  };
}
