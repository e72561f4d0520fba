// Statuses as an icon and a word; never a colour alone.
import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

const TASK = {
  pending: ["pending", () => t("Waiting")],
  running: ["running", () => t("Running")],
  asking: ["asking", () => t("Needs an answer")],
  completed: ["done", () => t("Done")],
  failed: ["failed", () => t("Failed")],
  stopped: ["stopped", () => t("Stopped")],
  skipped: ["skipped", () => t("Skipped")],
};

const RUN = {
  queued: ["queued", () => t("Queued")],
  running: ["running", () => t("Running")],
  completed: ["done", () => t("Complete")],
  stopped: ["stopped", () => t("Stopped")],
  error: ["failed", () => t("Broken off")],
};

const REASONS = {
  disabled: () => t("It is switched off."),
  expired: () => t("Its last date has passed."),
  not_due: () => t("Its first date has not come yet."),
  completed: () => t("It succeeded before. Tick “Ignore completed” to run it again."),
  after_crash: () => t("The server was killed while it ran, and it is set to be skipped then."),
};

const state = ([glyph, word], status) =>
  h("span", { class: "state", dataset: { status } }, icon(glyph), h("span", {}, word));

export const taskWord = (status) => TASK[status]?.[1]() ?? status;

/** A task that still waits when its run is over was not reached. */
export function taskState(status, runIsOver = false) {
  const word = status === "pending" && runIsOver ? t("Not reached") : taskWord(status);
  return state([TASK[status]?.[0] ?? "pending", word], status);
}

export const skipReason = (reason) => REASONS[reason]?.() ?? "";

/** A run that completed with failures says so. */
export function runWord(run) {
  if (run.status === "completed" && run.failed_tasks) return t("Finished, {n} failed", { n: run.failed_tasks });
  if (run.stopping) return t("Stopping");
  return RUN[run.status]?.[1]() ?? run.status;
}

export function runState(run) {
  const failed = run.status === "completed" && run.failed_tasks > 0;
  const status = failed ? "failed" : run.status;
  return state([failed ? "failed" : (RUN[run.status]?.[0] ?? "pending"), runWord(run)], status);
}

export const isActive = (status) => Boolean(status) && ["queued", "running"].includes(status.status);
