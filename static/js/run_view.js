// The status block: figures, the bar, a row for every task, the receipt of a stop, earlier runs.
import { startBackgroundTasks, stopBackgroundTasks } from "./background_tasks.js";
import { button, h, redraw, setText } from "./dom.js";
import { notice } from "./feedback.js";
import { errorWords } from "./error_words.js";
import { clock, duration, percent, t, tn, when } from "./i18n.js";
import { notificationButton } from "./notify.js";
import { receiptNotice } from "./receipt.js";
import { RunRow } from "./run_row.js";
import { isActive, runState } from "./status_words.js";

const MOST_SEGMENTS = 60;
const FEW_TASKS = 6;

export class RunView {
  #rows = new Map();
  #status = null;

  constructor(section, { serverNow, ...actions }) {
    this.section = section;
    this.serverNow = serverNow;
    this.rowActions = actions; // {runAlone, describeStep}
    this.title = h("h2", { id: "run-heading" });
    this.actions = h("div", { class: "actions" });
    this.figures = this.#makeFigures();
    this.bar = h("div", {
      class: "bar",
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-labelledby": "total-label",
    });
    this.remarks = h("div", { class: "banners" });
    this.list = h("ol", { class: "rows" });
    this.foot = h("div", { class: "run-foot" });
    this.stopButton = button({
      label: t("Stop background tasks"),
      glyph: "stop",
      kind: "danger",
      id: "stop-background-button",
      on: () => this.#stop(),
    });
    const title = h("div", { class: "run-title" }, this.title, this.actions);
    this.content = [
      h("div", { class: "run-head" }, title, this.figures.list, this.bar, this.remarks),
      this.list,
      this.foot,
    ];
    setInterval(() => this.#tick(), 1000);
  }

  #makeFigures() {
    const figure = (id, label) => {
      const value = h("dd", { id });
      return { value, box: h("div", {}, h("dt", { id: `${id.replace("-value", "")}-label` }, label), value) };
    };
    const [done, total, current, elapsed] = [
      figure("done-value", t("Done")),
      figure("total-value", t("Total progress")),
      figure("current-value", t("Current task")),
      figure("elapsed-value", t("Elapsed")),
    ];
    const list = h("dl", { class: "figures" }, done.box, total.box, current.box, elapsed.box);
    return { list, done: done.value, total: total.value, current, elapsed: elapsed.value };
  }

  /** Show `status` (null: nothing ran yet). */
  update(status) {
    this.#status = status;
    if (!status) return this.#drawNothing();
    if (!this.list.isConnected) this.section.replaceChildren(...this.content);
    redraw(this.title, [status.status, status.stopping, status.failed_tasks], () => runState(status));
    this.#drawActions(status);
    this.#drawFigures(status);
    this.#drawBar(status);
    this.#drawRemarks(status);
    this.#drawRows(status);
    this.#drawFoot(status);
  }

  #drawNothing() {
    this.section.replaceChildren(
      h(
        "div",
        { class: "run-empty" },
        h("h2", { id: "run-heading" }, t("Nothing has run yet")),
        h(
          "p",
          {},
          t(
            "Choose tasks and start them. Their progress, output and screenshots appear here, also when you come back later or from another device.",
          ),
        ),
      ),
    );
  }

  #drawActions(status) {
    const active = isActive(status);
    redraw(this.actions, [active, status.failed_tasks, status.status, window.Notification?.permission], () => [
      active && this.stopButton,
      active && notificationButton(() => this.update(this.#status)),
      !active &&
        canRetry(status) &&
        button({
          label: status.failed_tasks ? t("Run what failed") : t("Run the rest"),
          glyph: "retry",
          id: "retry-failed-button",
          on: () => startBackgroundTasks({ from: "failed" }),
        }),
    ]);
    this.stopButton.toggleAttribute("disabled", status.stopping);
  }

  #drawFigures(status) {
    redraw(this.figures.done, [status.completed_tasks, status.total_tasks], () => [
      h("span", {}, `${status.completed_tasks} / ${status.total_tasks}`),
    ]);
    setText(this.figures.total, percent(status.progress_percent));
    this.figures.current.box.hidden = !isActive(status) && status.current_task_progress === null;
    const unknown = status.queue_position ? "–" : t("unknown");
    redraw(this.figures.current.value, status.current_task_progress, (value) =>
      value === null ? h("small", {}, unknown) : h("span", {}, percent(value)),
    );
    this.#tick();
  }

  #tick() {
    const status = this.#status;
    if (!status) return;
    const from = status.started_at ?? status.created_at;
    const to = status.ended_at ? Date.parse(status.ended_at) : this.serverNow();
    setText(this.figures.elapsed, clock((to - Date.parse(from)) / 1000));
    for (const row of this.#rows.values()) row.tick(this.serverNow());
  }

  #drawBar(status) {
    const rows = status.tasks.filter((row) => row.status !== "skipped");
    this.bar.setAttribute("aria-valuenow", Math.round(status.progress_percent));
    this.bar.setAttribute(
      "aria-valuetext",
      t("{done} of {total} done, {percent}", {
        done: status.completed_tasks,
        total: status.total_tasks,
        percent: percent(status.progress_percent),
      }),
    );
    const many = rows.length > MOST_SEGMENTS;
    const segments = many ? [{ status: "running", progress: status.progress_percent }] : rows;
    while (this.bar.children.length > segments.length) this.bar.lastChild.remove();
    while (this.bar.children.length < segments.length) this.bar.append(h("i"));
    segments.forEach((row, at) => {
      const segment = this.bar.children[at];
      segment.dataset.status = row.status;
      segment.classList.toggle("unknown", row.status === "running" && row.progress === null);
      if (row.status === "running" && row.progress !== null) segment.style.setProperty("--done", `${row.progress}%`);
      else segment.style.removeProperty("--done");
    });
  }

  #drawRemarks(status) {
    redraw(
      this.remarks,
      [
        status.status,
        status.stopping,
        status.queue_position,
        status.error,
        status.receipt,
        status.skipped_tasks,
        status.failed_tasks,
        status.total_tasks,
      ],
      () => [
        status.status === "queued" &&
          notice(
            "info",
            t("Waiting for a free place"),
            status.queue_position
              ? t("Position {n} in the queue. It starts by itself.", { n: status.queue_position })
              : "",
          ),
        status.stopping && notice("warn", t("Stopping"), t("The current task and its processes are being ended.")),
        status.status === "completed" &&
          !status.failed_tasks &&
          status.total_tasks > 0 &&
          notice(
            "good",
            t("Background tasks all complete!"),
            tn(status.skipped_tasks, "{n} skipped.", "{n} skipped.").repeat(status.skipped_tasks ? 1 : 0),
          ),
        status.status === "completed" &&
          !status.total_tasks &&
          notice("info", t("Nothing had to run"), t("All chosen tasks were skipped; the rows say why.")),
        status.error && errorNotice(status.error),
        status.receipt && receiptNotice(status.receipt),
      ],
    );
  }

  #drawRows(status) {
    const keep = new Set(status.tasks.map((row) => row.id));
    for (const [id, row] of this.#rows) {
      if (!keep.has(id) || row.runId !== status.run_id) {
        row.remove();
        this.#rows.delete(id);
      }
    }
    status.tasks.forEach((data, at) => {
      let row = this.#rows.get(data.id);
      if (!row) {
        row = new RunRow(status.run_id, this.rowActions);
        this.#rows.set(data.id, row);
      }
      row.update(data, { canRun: !isActive(status), now: this.serverNow(), few: status.tasks.length <= FEW_TASKS });
      if (this.list.children[at] !== row.element) this.list.insertBefore(row.element, this.list.children[at] ?? null);
    });
  }

  #drawFoot(status) {
    this.foot.hidden = !status.history.length;
    redraw(
      this.foot,
      status.history,
      (history) =>
        history.length && [
          h("h3", {}, t("Earlier runs")),
          h(
            "ul",
            { class: "history-list" },
            history
              .toReversed()
              .map((run) =>
                h(
                  "li",
                  {},
                  runState(run),
                  h("span", { class: "numbers" }, when(run.created_at)),
                  h("span", { class: "numbers soft" }, historyWords(run)),
                ),
              ),
          ),
        ],
    );
  }

  async #stop() {
    this.stopButton.disabled = true;
    await stopBackgroundTasks();
  }
}

const canRetry = (status) => status.tasks.some((row) => ["failed", "stopped", "pending"].includes(row.status));

function historyWords(run) {
  const took = run.ended_at ? duration((Date.parse(run.ended_at) - Date.parse(run.created_at)) / 1000) : "";
  return [`${run.completed_tasks} / ${run.total_tasks}`, took].filter(Boolean).join(" · ");
}

function errorNotice(error) {
  const { title, message, hint } = errorWords(error);
  return notice("bad", title, [message, hint].filter(Boolean).join(" "));
}
