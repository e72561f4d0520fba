// Building elements. Text from the server goes in by textContent only: no function here takes HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** Make an element: attributes by name, `on: {click}` for listeners, `dataset`, `class`; children are nodes or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "value") element.value = value;
  else if (name === "class") element.className = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${className}`.trim());
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon. Without `label` text it shows the icon alone and `title` names it. */
export function button({ label, title, glyph, kind = "", on, ...rest }) {
  const attributes = { type: "button", class: `button ${kind}`.trim(), on: on && { click: on }, title, ...rest };
  if (!label && title) attributes["aria-label"] = title;
  return h("button", attributes, glyph && icon(glyph), label && h("span", {}, label));
}

/** Change text only when it differs, so that a selection and the screen reader stay undisturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Call `make` again only if `data` changed since the last call for `element`. */
const drawn = new WeakMap();
export function redraw(element, data, make) {
  const key = JSON.stringify(data) ?? "";
  if (drawn.get(element) === key) return;
  drawn.set(element, key);
  element.replaceChildren(...[make(data)].flat().filter(Boolean));
}
