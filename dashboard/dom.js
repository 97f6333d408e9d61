// Builds and changes elements. Everything that comes from the proxy goes in as text, never as markup.

/**
 * An element. `fields` are properties (`className`, `textContent`, `onclick`), attributes where the name has a dash or
 * is `role` or `for`, and `data` for data attributes. Children are elements or texts; empty ones are left out.
 */
export function el(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Sets a text if it differs: what does not change must cost nothing and must not be read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets an attribute if it differs; `null` takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

/** Rebuilds the children only when `key` (whatever they show, as text) has changed since the last call. */
export function rebuild(element, key, build) {
  if (element.shownKey === key) return;
  element.shownKey = key;
  element.replaceChildren(...build());
}

/** A section with a heading, the frame of every part. */
export function card(title, className, ...children) {
  const heading = el("h2", { textContent: title });
  return Object.assign(el("section", { className: `card ${className}` }, heading, ...children), { heading });
}
