// Form fields with a label, a hint and a place for an error, tied together for assistive technology.
import { h, icon } from "./dom.js";

let counter = 0;

/** A labelled control. The returned element has `.control` and `.setError(text)`; `name` finds it again. */
export function field({ name, label, hint, control }) {
  counter += 1;
  control.id ||= `field-${counter}`;
  const error = h("span", { class: "field-error", id: `${control.id}-error` });
  const note = hint && h("span", { class: "hint", id: `${control.id}-hint` }, hint);
  const describedBy = [note?.id, error.id].filter(Boolean).join(" ");
  control.setAttribute("aria-describedby", describedBy);
  const element = h(
    "div",
    { class: "field", dataset: { field: name } },
    h("label", { for: control.id }, label),
    control,
    note,
    error,
  );
  element.control = control;
  element.setError = (text) => {
    error.replaceChildren(...(text ? [icon("failed"), h("span", {}, text)] : []));
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  return element;
}

export const input = (attributes) => h("input", { type: "text", autocomplete: "off", ...attributes });

export function textarea(attributes) {
  return h("textarea", { spellcheck: "false", autocapitalize: "off", ...attributes });
}

/** options: [[value, label]] */
export function select(options, chosen, attributes = {}) {
  const control = h(
    "select",
    attributes,
    options.map(([value, label]) => h("option", { value }, label)),
  );
  control.value = chosen;
  return control;
}

export function checkbox(label, checked, hint, attributes = {}) {
  const control = h("input", { type: "checkbox", ...attributes });
  control.checked = checked;
  const element = h(
    "label",
    { class: "check" },
    control,
    h("span", {}, label, hint && h("span", { class: "hint" }, hint)),
  );
  return element; // a label knows its `.control` by itself
}

/** ISO date to the value of a datetime-local input in this device's time zone, and back to UTC. */
export function toLocal(iso) {
  if (!iso) return "";
  const date = new Date(iso);
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export function fromLocal(value) {
  return value ? new Date(value).toISOString() : null;
}

/** Show each problem at its field and the rest in `summary`; the first wrong field gets the focus. */
export function showProblems(root, problems, summary) {
  const rest = new Map(problems);
  let first = null;
  for (const element of root.querySelectorAll("[data-field]")) {
    const message = rest.get(element.dataset.field) ?? "";
    rest.delete(element.dataset.field);
    element.setError?.(message);
    if (message) first ??= element;
  }
  first?.closest("details")?.setAttribute("open", "");
  (first?.control ?? first?.querySelector("input, textarea, select"))?.focus();
  summary.replaceChildren(
    ...[...rest.values()].map((message) => h("p", { class: "field-error" }, icon("failed"), h("span", {}, message))),
  );
}
