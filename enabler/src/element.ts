// An element with its properties, attributes and children, so that no HTML is ever parsed from text.

interface Properties {
  class?: string;
  text?: string;
  on?: Record<string, (event: Event) => void>;
  /** Absent where false or undefined, empty where true. */
  attributes?: Record<string, string | boolean | undefined>;
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  { class: className, text, on = {}, attributes = {} }: Properties = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(attribute, value === true ? "" : value);
  }
  for (const [event, handle] of Object.entries(on)) made.addEventListener(event, handle);
  made.append(...children);
  return made;
}

/** The element that the selector finds. */
export function placeOf(place: string | Element): Element | null {
  if (typeof place !== "string") return place;
  try {
    return document.querySelector(place);
  } catch {
    // No selector at all names no element either.
    return null;
  }
}

/** A web address, and not a script that looks like one. Null where it is none. */
export function webAddress(text: unknown): URL | null {
  try {
    const url = new URL(String(text));
    return ["http:", "https:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}
