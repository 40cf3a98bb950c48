// Elements without HTML from text, money and times for people.

export function element(name, { class: className, text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  for (const [event, handle] of Object.entries(on)) made.addEventListener(event, handle);
  made.append(...children.filter((child) => child !== null));
  return made;
}

export const byId = (id) => document.getElementById(id);

export function money({ centAmount, currencyCode }) {
  const format = new Intl.NumberFormat("en", { style: "currency", currency: currencyCode });
  return format.format(centAmount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function plainAmount({ centAmount, currencyCode }) {
  const digits = digitsOf(currencyCode);
  return (centAmount / 10 ** digits).toFixed(digits);
}

// What a person typed, as commercetools' Money; null if it is no amount.
export function amountFrom(text, currencyCode) {
  const digits = digitsOf(currencyCode);
  const typed = text.trim().replace(",", ".");
  if (!/^\d{1,9}(\.\d+)?$/.test(typed)) return null;
  return { centAmount: Math.round(Number(typed) * 10 ** digits), currencyCode };
}

const digitsOf = (currency) =>
  new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;

export function time(text) {
  const at = new Date(text);
  return `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
