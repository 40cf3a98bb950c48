// The card fields. What is typed here goes to our own server and nowhere else; the page around us gets a token.
//
// Messages, both ways only to and from the one origin the server put into the page:
//   in   {type: "tokenize", id} {type: "focus"} {type: "validate"} {type: "clear"} {type: "disable"} {type: "enable"}
//   out  ready, change {complete, brand, last4}, submit, height {height},
//        token {id, token, card: {brand, last4, expiry}}, error {id, code, message, fields}

const { origin, key } = document.body.dataset;
const labels = JSON.parse(document.body.dataset.labels);
const theme = JSON.parse(document.body.dataset.theme);
const form = document.getElementById("card");
const fields = { number: form.elements.number, expiry: form.elements.expiry, cvc: form.elements.cvc };
const brandLabel = document.getElementById("brand");

const tell = (message) => window.parent.postMessage(message, origin);
const digits = (text) => text.replace(/\D/g, "");

const BRANDS = [
  { name: "Visa", starts: /^4/, lengths: [16, 19], cvc: 3, groups: [4, 4, 4, 4, 3] },
  { name: "Mastercard", starts: /^(5[1-5]|2[2-7])/, lengths: [16], cvc: 3, groups: [4, 4, 4, 4] },
  { name: "American Express", starts: /^3[47]/, lengths: [15], cvc: 4, groups: [4, 6, 5] },
];
const UNKNOWN = { name: "", lengths: [14, 15, 16, 17, 18, 19], cvc: 3, groups: [4, 4, 4, 4, 3] };
const brand = () => BRANDS.find((each) => each.starts.test(digits(fields.number.value))) ?? UNKNOWN;

function passesLuhn(number) {
  const sum = [...number].reverse().reduce((total, digit, place) => {
    const value = Number(digit) * (place % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function expiry() {
  const text = digits(fields.expiry.value);
  return { month: Number(text.slice(0, 2)), year: 2000 + Number(text.slice(2, 4)), complete: text.length === 4 };
}

const valid = {
  number() {
    const number = digits(fields.number.value);
    return brand().lengths.includes(number.length) && passesLuhn(number);
  },
  expiry() {
    const { month, year, complete } = expiry();
    const now = new Date();
    return complete && month >= 1 && month <= 12 && year * 12 + month > now.getFullYear() * 12 + now.getMonth();
  },
  cvc: () => digits(fields.cvc.value).length === brand().cvc,
};
const wrongFields = () => Object.keys(fields).filter((name) => !valid[name]());

function grouped(number, groups) {
  const parts = [];
  let start = 0;
  for (const size of groups) {
    if (start >= number.length) break;
    parts.push(number.slice(start, start + size));
    start += size;
  }
  return parts.join(" ");
}

// Formatting must not move the caret of somebody who corrects a digit in the middle.
function rewrite(input, format) {
  const before = digits(input.value.slice(0, input.selectionStart)).length;
  input.value = format(digits(input.value));
  let caret = 0;
  for (let seen = 0; caret < input.value.length && seen < before; caret += 1) {
    if (/\d/.test(input.value[caret])) seen += 1;
  }
  if (before === digits(input.value).length) caret = input.value.length;
  input.setSelectionRange(caret, caret);
}

function mark(name, wrong) {
  fields[name].setAttribute("aria-invalid", String(wrong));
  document.getElementById(`${name}-error`).textContent = wrong ? labels[`wrong_${name}`] : "";
}

let lastChange = "";
function changed() {
  const number = digits(fields.number.value);
  const message = { type: "change", complete: wrongFields().length === 0, brand: brand().name || null };
  if (valid.number()) message.last4 = number.slice(-4);
  const text = JSON.stringify(message);
  if (text !== lastChange) tell(message);
  lastChange = text;
}

function onInput(event) {
  const name = event.target.name;
  if (name === "number") {
    const longest = Math.max(...brand().lengths);
    rewrite(fields.number, (text) => grouped(text.slice(0, longest), brand().groups));
    brandLabel.textContent = brand().name;
  } else if (name === "expiry") {
    const padded = (text) => (/^[2-9]/.test(text) ? `0${text}` : text).slice(0, 4);
    const deleting = event.inputType?.startsWith("delete");
    rewrite(fields.expiry, (text) => {
      const value = padded(text);
      return value.length > 2 || (value.length === 2 && !deleting) ? `${value.slice(0, 2)} / ${value.slice(2)}` : value;
    });
    if (padded(digits(fields.expiry.value)).length === 2 && !deleting) {
      fields.expiry.setSelectionRange(fields.expiry.value.length, fields.expiry.value.length);
    }
  } else {
    rewrite(fields.cvc, (text) => text.slice(0, brand().cvc));
  }
  if (valid[name]()) mark(name, false);
  changed();
}

function validate() {
  const wrong = wrongFields();
  Object.keys(fields).forEach((name) => mark(name, wrong.includes(name)));
  if (wrong.length > 0) fields[wrong[0]].focus();
  return wrong;
}

async function tokenize(id) {
  const wrong = validate();
  if (wrong.length > 0) {
    tell({ type: "error", id, code: "incomplete", message: labels[`wrong_${wrong[0]}`], fields: wrong });
    return;
  }
  const { month, year } = expiry();
  try {
    const response = await fetch("/v1/tokens", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
      body: JSON.stringify({
        number: digits(fields.number.value),
        exp_month: month,
        exp_year: year,
        cvc: digits(fields.cvc.value),
        origin,
      }),
    });
    const body = await response.json();
    if (!response.ok) {
      tell({ type: "error", id, code: body.error.code, message: body.error.message, fields: [] });
      return;
    }
    const end = `${String(body.card.exp_month).padStart(2, "0")}/${String(body.card.exp_year).slice(-2)}`;
    tell({ type: "token", id, token: body.id, card: { brand: body.card.brand, last4: body.card.last4, expiry: end } });
  } catch {
    tell({ type: "error", id, code: "unavailable", message: labels.unavailable, fields: [] });
  }
}

function disable(disabled) {
  Object.values(fields).forEach((field) => { field.disabled = disabled; });
}

const ORDERS = {
  tokenize: (message) => tokenize(message.id),
  focus: () => fields[wrongFields()[0] ?? "number"].focus(),
  validate,
  clear() { form.reset(); brandLabel.textContent = ""; Object.keys(fields).forEach((name) => mark(name, false)); changed(); },
  disable: () => disable(true),
  enable: () => disable(false),
};

window.addEventListener("message", (event) => {
  if (event.origin !== origin || event.source !== window.parent) return;
  if (typeof event.data !== "object" || event.data === null) return;
  if (Object.hasOwn(ORDERS, event.data.type)) ORDERS[event.data.type](event.data);
});

const style = document.documentElement.style;
const UNITS = { radius: "px", size: "px" };
for (const [name, value] of Object.entries(theme)) style.setProperty(`--${name}`, `${value}${UNITS[name] ?? ""}`);

form.addEventListener("input", onInput);
form.addEventListener("focusout", (event) => {
  const name = event.target.name;
  if (fields[name]?.value) mark(name, !valid[name]());
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); tell({ type: "submit" }); }
});
form.addEventListener("submit", (event) => event.preventDefault());
// Above and below, so that the outline of a focused field is not cut off.
new ResizeObserver(() => tell({ type: "height", height: Math.ceil(form.getBoundingClientRect().height) + 2 })).observe(form);
tell({ type: "ready" });
