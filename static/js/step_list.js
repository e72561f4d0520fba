// The steps of a browser task as a readable list; one step is edited as JSON, where it stands.
import { button, h, icon } from "./dom.js";
import { selectorWords } from "./error_card.js";
import { field, select, textarea } from "./fields.js";
import { t } from "./i18n.js";
import { stepGlyph, stepSelectors, stepWords } from "./task_words.js";

const TEMPLATES = {
  navigate: { type: "navigate", url: "https://" },
  click: { type: "click", selectors: [["aria/"]], offsetX: 5, offsetY: 5 },
  change: { type: "change", selectors: [["#"]], value: "" },
  keyDown: { type: "keyDown", key: "Enter" },
  waitForElement: { type: "waitForElement", selectors: [["#"]] },
  waitForExpression: { type: "waitForExpression", expression: "document.readyState === 'complete'" },
  hover: { type: "hover", selectors: [["#"]] },
  scroll: { type: "scroll", x: 0, y: 600 },
  setViewport: {
    type: "setViewport",
    width: 1280,
    height: 720,
    deviceScaleFactor: 1,
    isMobile: false,
    hasTouch: false,
    isLandscape: false,
  },
  screenshot: { type: "customStep", name: "screenshot", parameters: { name: "page" } },
  extract: { type: "customStep", name: "extract", parameters: { name: "value", selectors: [["#"]] } },
  download: { type: "customStep", name: "download", parameters: { selectors: [["#"]] } },
  assertText: { type: "customStep", name: "assertText", parameters: { selectors: [["h1"]], text: "" } },
};

const choices = () => [
  ["navigate", t("Open an address")],
  ["click", t("Click")],
  ["change", t("Fill a field")],
  ["keyDown", t("Press a key")],
  ["waitForElement", t("Wait for an element")],
  ["waitForExpression", t("Wait for an expression")],
  ["hover", t("Move the pointer over")],
  ["scroll", t("Scroll")],
  ["setViewport", t("Set the window's size")],
  ["screenshot", t("Take a screenshot")],
  ["extract", t("Extract a value")],
  ["download", t("Download a file")],
  ["assertText", t("Check a text")],
];

export class StepList {
  #steps;
  #open = null; // {at, area, isNew, setError} while a step is edited

  constructor(path) {
    this.#steps = structuredClone(path);
    this.list = h("ol", { class: "steps" });
    this.empty = h(
      "p",
      { class: "small soft" },
      t("No steps yet. Add some, import a recording, or tick “Auto-generate paths” before you start."),
    );
    const kind = select(choices(), "click", { "aria-label": t("Kind of the new step") });
    const add = button({ label: t("Add a step"), glyph: "plus", kind: "small", on: () => this.#add(kind.value) });
    this.element = h(
      "fieldset",
      { class: "field", dataset: { field: "path" } },
      h("legend", {}, t("Steps")),
      this.empty,
      this.list,
      h("div", { class: "add-step" }, kind, add),
      (this.error = h("p", { class: "field-error" })),
    );
    this.element.setError = (text) =>
      this.error.replaceChildren(...(text ? [icon("failed"), h("span", {}, text)] : []));
    this.#draw();
  }

  get value() {
    return this.#steps;
  }

  get editing() {
    return this.#open !== null;
  }

  /** Take over an open editor's JSON; false (with the error shown) if it cannot be read. */
  finishEditing() {
    return this.#open ? this.#apply() : true;
  }

  #draw(focus) {
    this.empty.hidden = this.#steps.length > 0;
    this.list.replaceChildren(...this.#steps.map((step, at) => this.#line(step, at)));
    if (focus) this.list.children[focus.at]?.querySelector(focus.selector)?.focus();
  }

  #line(step, at) {
    const selectors = stepSelectors(step);
    const n = at + 1;
    const tool = (glyph, title, on, disabled, name) =>
      button({ title, glyph, kind: "quiet", on, disabled, "data-tool": name });
    const line = h(
      "div",
      { class: "step-line" },
      h("span", { class: "number" }, String(n)),
      icon(stepGlyph(step)),
      h(
        "div",
        { class: "words" },
        h("span", {}, stepWords(step)),
        tellsMore(selectors) && h("code", { title: selectorWords(selectors) }, selectorWords(selectors)),
      ),
      h(
        "div",
        { class: "tools" },
        tool("up", t("Move step {n} up", { n }), () => this.#move(at, -1), at === 0, "up"),
        tool("down", t("Move step {n} down", { n }), () => this.#move(at, 1), at === this.#steps.length - 1, "down"),
        tool("edit", t("Edit step {n}", { n }), () => this.#edit(at), false, "edit"),
        tool("trash", t("Delete step {n}", { n }), () => this.#remove(at), false, "trash"),
      ),
    );
    const element = h("li", { class: "step" }, line);
    if (this.#open?.at === at) element.append(this.#editor(step, n));
    return element;
  }

  #editor(step, n) {
    const open = this.#open;
    open.area = textarea({ class: "mono", rows: 8, value: open.text ?? JSON.stringify(step, null, 2) });
    const box = field({ name: "", label: t("Step {n} as JSON", { n }), control: open.area });
    delete box.dataset.field;
    open.setError = box.setError;
    open.area.addEventListener("input", () => (open.text = open.area.value));
    return h(
      "div",
      { class: "step-edit" },
      box,
      h(
        "div",
        { class: "actions" },
        button({ label: t("Apply"), kind: "small", on: () => this.#apply() }),
        button({ label: t("Discard"), kind: "quiet small", on: () => this.#discard() }),
      ),
    );
  }

  #edit(at) {
    if (!this.finishEditing()) return;
    this.#open = { at };
    this.#draw({ at, selector: "textarea" });
  }

  #apply() {
    const { at, area, setError } = this.#open;
    try {
      const step = JSON.parse(area.value);
      if (typeof step?.type !== "string") throw new SyntaxError(t("A step is an object with a “type”."));
      this.#steps[at] = step;
    } catch (error) {
      setError(error.message);
      area.focus();
      return false;
    }
    this.#open = null;
    this.#draw({ at, selector: "[data-tool=edit]" });
    return true;
  }

  #discard() {
    const { at, isNew } = this.#open;
    this.#open = null;
    if (isNew) this.#steps.splice(at, 1);
    this.#draw({ at, selector: "[data-tool=edit]" });
  }

  #add(kind) {
    if (!this.finishEditing()) return;
    this.#steps.push(structuredClone(TEMPLATES[kind]));
    this.#open = { at: this.#steps.length - 1, isNew: true };
    this.#draw({ at: this.#open.at, selector: "textarea" });
  }

  #move(at, by) {
    if (!this.finishEditing()) return;
    const [step] = this.#steps.splice(at, 1);
    this.#steps.splice(at + by, 0, step);
    const last = at + by === 0 || at + by === this.#steps.length - 1;
    this.#draw({ at: at + by, selector: last ? "[data-tool=edit]" : `[data-tool=${by < 0 ? "up" : "down"}]` });
  }

  #remove(at) {
    if (this.#open?.at !== at && !this.finishEditing()) return;
    this.#open = null;
    this.#steps.splice(at, 1);
    this.#draw({ at: Math.min(at, this.#steps.length - 1), selector: "[data-tool=trash]" });
  }
}

/** Whether the selectors say more than the words beside them, which name the best one. */
function tellsMore(selectors) {
  if (!selectors) return false;
  const flat = [selectors].flat(2);
  return flat.length > 1 || /^(aria|text)\//.test(flat[0]);
}
