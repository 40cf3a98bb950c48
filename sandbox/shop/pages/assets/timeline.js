// Rows of a payment's history, as the shop's backend tells them.

import { element, money, time } from "./dom.js";

export const badge = (state) => element("span", { class: `badge ${state.toLowerCase()}`, text: state });

// Kind of change -> what is shown. Small ones are details, for those who look closely.
const SHOWN = {
  payment: ({ amount }, row) => big(row.version === 1 ? "Payment created" : "Payment, as first seen here", ", ", money(amount), " planned"),
  transaction: ({ type, amount, after }) => big(strong(type), " of ", money(amount), " ", badge(after)),
  state: ({ type, before, after }) => big(strong(type), " ", badge(before), " → ", badge(after)),
  reference: ({ type, text, after }) => small(`${type}, ${text}: `, code(after)),
  field: ({ type, text, after }) => small(`${type}, ${text}: `, code(after)),
  status: ({ text, after }) => small(`${text}: `, code(after)),
  interaction: ({ text }) => small("Noted: ", text),
  request: ({ text }) => big(text),
};

const strong = (text) => element("strong", { text: text === "CancelAuthorization" ? "Cancel authorization" : text });
const code = (text) => element("code", { text });
const big = (...parts) => element("p", {}, ...parts);
const small = (...parts) => element("p", { class: "small" }, ...parts);

export function row(each) {
  const label = each.source === "request" ? "asked" : `v${each.version}`;
  return element("li", { class: `row ${each.source}` },
    element("div", { class: "when" }, element("span", { class: "version", text: label }), element("time", { text: time(each.at) })),
    element("div", { class: "what" }, ...each.changes.map((change) => SHOWN[change.kind](change, each))));
}

// The newest first, so that what happens now is where one looks. Rows are added and never drawn anew.
export class Timeline {
  #list = element("ol", { class: "timeline", reversed: "" });

  constructor(place) {
    place.append(this.#list);
  }

  add(rows) {
    for (const each of rows) this.#list.prepend(row(each));
  }

  clear() {
    this.#list.replaceChildren();
  }
}
