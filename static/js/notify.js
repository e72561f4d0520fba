// Being told without looking: the tab's title and icon, and a notification at the end if the person asked for it.
import { byId, button } from "./dom.js";
import { percent, t, tn } from "./i18n.js";
import { setTitle } from "./page_title.js";
import { isActive, runWord } from "./status_words.js";

const COLOURS = { active: "#0b6675", completed: "#1b6e3d", bad: "#ad2419", asking: "#9a6700", away: "#6b7778" };
export const canNotify = () => "Notification" in window && window.isSecureContext;

/** A ring that fills, a check, a cross, a bar: told apart by shape as well as by colour. */
function iconSvg(kind, progress) {
  const colour = COLOURS[kind];
  const shapes = {
    active: `<circle cx="16" cy="16" r="11" fill="none" stroke="#9aa8aa" stroke-opacity=".5" stroke-width="6"/><circle cx="16" cy="16" r="11" fill="none" stroke="${colour}" stroke-width="6" pathLength="100" stroke-dasharray="${Math.max(progress, 4)} 100" transform="rotate(-90 16 16)"/>`,
    completed: `<circle cx="16" cy="16" r="15" fill="${colour}"/><path d="m9 16.5 5 5 9-10.500" fill="none" stroke="#fff" stroke-width="3.6"/>`,
    bad: `<circle cx="16" cy="16" r="15" fill="${colour}"/><path d="m10.500 10.500 11 11m0-11-11 11" stroke="#fff" stroke-width="3.6"/>`,
    asking: `<circle cx="16" cy="16" r="15" fill="${colour}"/><path d="M16 7v11m0 4.500v2.500" stroke="#fff" stroke-width="4"/>`,
    away: `<circle cx="16" cy="16" r="15" fill="${colour}"/><path d="M9 16h14" stroke="#fff" stroke-width="4"/>`,
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${shapes[kind]}</svg>`;
}

function setIcon(kind, progress = 0) {
  const href = `data:image/svg+xml,${encodeURIComponent(iconSvg(kind, Math.round(progress)))}`;
  if (byId("favicon").href !== href) byId("favicon").href = href;
}

/** How far the whole run is, the running task counted in part. */
function overall(status) {
  const part =
    status.total_tasks && status.current_task_progress ? status.current_task_progress / status.total_tasks : 0;
  return Math.min(100, status.progress_percent + (isActive(status) ? part : 0));
}

export function showInTab(status, connection) {
  const away = ["away", "offline", "expired"].includes(connection);
  if (!status) {
    setTitle("run", "bg-runner");
    if (away) setIcon("away");
    return;
  }
  const done = `${status.completed_tasks}/${status.total_tasks}`;
  const asking = status.tasks.some((row) => row.status === "asking");
  const news = isActive(status)
    ? `${asking ? t("Needs an answer") : percent(overall(status))} · ${done}`
    : `${runWord(status)} · ${done}`;
  setTitle("run", `${away ? t("No connection") : news} · bg-runner`);
  if (away) setIcon("away");
  else if (asking) setIcon("asking");
  else if (isActive(status)) setIcon("active", overall(status));
  else setIcon(status.status === "completed" && !status.failed_tasks ? "completed" : "bad");
}

/** Words for the end of a run: the seed's own when all went well. */
export function endWords(status) {
  if (status.status === "stopped") return t("The run was stopped.");
  if (status.status === "error") return t("The run broke off.");
  if (status.failed_tasks)
    return tn(status.failed_tasks, "The run is over: {n} task failed.", "The run is over: {n} tasks failed.");
  return t("Background tasks all complete!");
}

export function notifyEnd(status) {
  if (!canNotify() || Notification.permission !== "granted") return;
  const body = t("{done} of {total} done", { done: status.completed_tasks, total: status.total_tasks });
  const shown = new Notification(endWords(status), { body, tag: status.run_id });
  shown.addEventListener("click", () => {
    window.focus();
    shown.close();
  });
}

/** The button that asks for permission; null when there is nothing to ask. */
export function notificationButton(afterwards) {
  if (!canNotify() || Notification.permission !== "default") return null;
  const askPermission = async () => {
    await Notification.requestPermission();
    afterwards();
  };
  return button({ label: t("Notify me at the end"), glyph: "bell", kind: "quiet", on: askPermission });
}
