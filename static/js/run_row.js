// One task of the run: a line that unfolds. It opens by itself while it runs, when it fails, when it
// asks, and in a short run when it has results to show.
import { h, icon, redraw, setText } from "./dom.js";
import { clock, duration, percent, t, tn } from "./i18n.js";
import { rowPanel } from "./run_row_panel.js";
import { skipReason, taskState } from "./status_words.js";

let counter = 0;

export class RunRow {
  #open = null; // what the person chose; null while it is up to us
  #data = null;
  #context = null;

  constructor(runId, actions) {
    counter += 1;
    this.runId = runId;
    this.actions = actions;
    this.chevron = icon("chevron", "chevron");
    this.state = h("span", {});
    this.name = h("b");
    this.sub = h("span");
    this.progress = h("span", { class: "progress" });
    this.time = h("span", { class: "time" });
    this.panel = h("div", { class: "row-panel", id: `row-panel-${counter}` });
    this.head = h(
      "button",
      { type: "button", class: "row-head", "aria-controls": this.panel.id, on: { click: () => this.#toggle() } },
      this.chevron,
      this.state,
      h("span", { class: "what" }, this.name, this.sub),
      this.progress,
      this.time,
    );
    this.element = h("li", { class: "row" }, h("h3", { class: "row-title" }, this.head), this.panel);
  }

  update(data, context) {
    this.#data = data;
    this.#context = context;
    this.element.dataset.task = data.id;
    this.element.dataset.status = data.status;
    redraw(this.state, [data.status, context.canRun], ([status, over]) => taskState(status, over));
    setText(this.name, data.name || t("Task {n}", { n: data.index + 1 }));
    setText(this.sub, subtitle(data, this.actions.describeStep));
    setText(this.progress, data.status === "running" ? percent(data.progress) : "");
    this.tick(context.now);
    this.#draw();
  }

  tick(now) {
    const { status, started_at: started, duration: took } = this.#data;
    const running = status === "running" && started;
    setText(this.time, running ? clock((now - Date.parse(started)) / 1000) : duration(took));
  }

  remove() {
    this.element.remove();
  }

  get #isOpen() {
    const { status } = this.#data;
    return (
      this.#open ??
      (["running", "failed", "asking"].includes(status) ||
        (this.#context.few && status === "completed" && hasResults(this.#data)))
    );
  }

  #toggle() {
    this.#open = !this.#isOpen;
    this.#draw();
  }

  #draw() {
    const open = this.#isOpen;
    this.head.setAttribute("aria-expanded", String(open));
    this.panel.hidden = !open;
    this.sub.hidden = open && this.#data.status === "failed"; // the card says it
    if (open) rowPanel(this.panel, this.#data, { ...this.#context, ...this.actions });
  }
}

function subtitle(data, describeStep) {
  if (data.status === "skipped") return skipReason(data.reason);
  if (data.status === "running" && data.step) {
    return t("Step {step} of {total}: {label}", {
      step: data.step,
      total: data.total_steps,
      label: describeStep(data.id, data.step) || (data.step_label ?? ""),
    });
  }
  if (data.status === "failed") return data.error?.message ?? "";
  const count = (kind) => data.artifacts.filter((artifact) => artifact.kind === kind).length;
  const [shots, files] = [count("screenshot"), count("download")];
  return [
    data.attempt > 1 && t("Attempt {n}", { n: data.attempt }),
    shots && tn(shots, "{n} screenshot", "{n} screenshots"),
    files && tn(files, "{n} file", "{n} files"),
  ]
    .filter(Boolean)
    .join(" · ");
}

const hasResults = (data) => data.artifacts.length > 0 || Object.keys(data.values).length > 0;
