// An element with its properties, attributes and children, so that no HTML is ever parsed from text.

export function element(name, { class: className, text, on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  for (const [event, handle] of Object.entries(on)) made.addEventListener(event, handle);
  made.append(...children);
  return made;
}
