// The workspace page: makes the parts and joins them.
import { sessionId } from "./api.js";
import {
  checkBackgroundTaskOnLoad,
  pollBackgroundTaskStatus,
  startBackgroundTasks,
  stopBackgroundTasks,
  useFeed,
} from "./background_tasks.js";
import { copyText } from "./clipboard.js";
import { askAboutConflict } from "./conflict_dialog.js";
import { showConnection } from "./connection.js";
import { byId, setText } from "./dom.js";
import { banner, notice, toastError } from "./feedback.js";
import { errorTitle } from "./error_words.js";
import { t, tn, translateServerText } from "./i18n.js";
import { openImport } from "./import_dialog.js";
import { openJson } from "./json_dialog.js";
import { openLink } from "./link_dialog.js";
import { showInTab } from "./notify.js";
import { announceChanges } from "./run_news.js";
import { RunView } from "./run_view.js";
import { openSecrets, secretNames } from "./secrets_dialog.js";
import { StatusFeed } from "./status_feed.js";
import { isActive } from "./status_words.js";
import { newTask, openTaskForm } from "./task_form.js";
import { TaskListView } from "./task_list.js";
import { TaskStore } from "./task_store.js";
import { stepWords } from "./task_words.js";
import { TerminalPane } from "./terminals/pane.js";
import { rememberTerminal, useViews } from "./views.js";
import { welcomePanel } from "./welcome.js";

const feed = new StatusFeed(Number(document.body.dataset.pollInterval) || 3);
const store = new TaskStore(askAboutConflict);
const runView = new RunView(byId("background-task-status"), {
  serverNow: () => feed.serverNow(),
  runAlone,
  describeStep,
});
const listView = new TaskListView(store, { edit, runAlone, pickedChanged });
let status = null;
let opening = true;

function runAlone(id) {
  const index = store.tasks.findIndex((task) => task.id === id);
  if (index < 0) return toastError({ code: "TASK_UNKNOWN", message: t("This task is no longer in the list.") });
  return startBackgroundTasks({ task_indices: [index], ignore_completed: true });
}

/** Step `number` of a task in words, as the list has it now; "" if it is not there any more. */
function describeStep(id, number) {
  const step = store.tasks.find((task) => task.id === id)?.path?.[number - 1];
  return step ? stepWords(step) : "";
}

function edit(id) {
  openForm(store.tasks.find((task) => task.id === id));
}

async function openForm(task) {
  const names = await secretNames().catch(() => []);
  if (!task || document.querySelector("dialog[open]")) return; // deleted meanwhile, or clicked twice
  openTaskForm(store, task, { remove: (id) => listView.remove(id), secretNames: names });
}

function add(kind) {
  if (kind === "import") openImport(store);
  else if (kind === "json") openJson(store);
  else openForm(newTask(kind));
}

function pickedChanged(chosen, total) {
  const all = chosen === total;
  setText(
    byId("start-background-label"),
    all ? t("Run all in background") : tn(chosen, "Run {n} task in background", "Run {n} tasks in background"),
  );
  byId("start-background-button").disabled = !chosen || isActive(status);
}

/** An empty workspace shows the welcome in place of the list. */
function drawEmptiness() {
  const empty = store.tasks.length === 0;
  const pane = byId("tasks-pane");
  byId("workspace").classList.toggle("empty", empty && !status);
  pane.hidden = empty && !status;
  byId("background-task-status").hidden = empty && !status;
  const welcome = byId("welcome");
  if (!(empty && !status)) leaveWelcome(welcome);
  else if (!welcome) {
    const startAll = () => startBackgroundTasks({ task_indices: store.tasks.map((_, at) => at) });
    pane.before(welcomePanel({ store, add, start: startAll }));
  }
}

/** The list takes the welcome's place: go to its beginning, and do not leave the focus on what is gone. */
function leaveWelcome(welcome) {
  if (!welcome) return;
  const held = welcome.contains(document.activeElement);
  welcome.remove();
  scrollTo({ top: 0 });
  if (held) byId("workspace").focus({ preventScroll: true });
}

function fold(folded) {
  byId("tasks-pane").classList.toggle("folded", folded);
  byId("fold-button").setAttribute("aria-expanded", String(!folded));
}

/** On a narrow screen a run that goes on comes first: the list folds, and a run just started is scrolled to. */
function showRun(justStarted) {
  fold(true);
  if (justStarted && matchMedia("(max-width: 61.99rem)").matches)
    byId("background-task-status").scrollIntoView({ block: "start" });
}

feed.addEventListener("status", ({ detail }) => {
  const before = status;
  status = detail.status;
  runView.update(status);
  listView.runActive = isActive(status);
  pickedChanged(listView.picked.length, store.tasks.length);
  if (store.revision !== null) drawEmptiness();
  showInTab(status, feed.state);
  if (!opening) announceChanges(before, status);
  if (before && status && before.completed_tasks !== status.completed_tasks) store.load().catch(() => {});
  if (isActive(status) && before?.run_id !== status.run_id) showRun(Boolean(before) || !opening);
  opening = false;
  showNotices(detail.notices);
});

function showNotices(notices) {
  const names = new Set(notices.map(({ code, message }) => `notice-${code}-${message}`));
  for (const node of byId("banners").querySelectorAll("[data-banner^=notice-]"))
    if (!names.has(node.dataset.banner)) node.remove();
  for (const { code, message } of notices)
    banner(`notice-${code}-${message}`, notice("warn", errorTitle(code), translateServerText(message)));
}

feed.addEventListener("connection", ({ detail }) => {
  showInTab(status, feed.state);
  // The page was opened while the server was away: the list is still to be loaded.
  if (detail.state === "fresh" && store.revision === null) loadTasks();
});

async function loadTasks() {
  try {
    await store.load();
    listView.draw();
    drawEmptiness();
  } catch (error) {
    if (!error.away) toastError(error);
  }
}

byId("start-background-button").addEventListener("click", () =>
  startBackgroundTasks({ task_indices: listView.picked }),
);
byId("fold-button").addEventListener("click", () => fold(!byId("tasks-pane").classList.contains("folded")));
byId("copy-address-button").addEventListener("click", () => copyText(location.href));
byId("link-button").addEventListener("click", openLink);
byId("secrets-button").addEventListener("click", openSecrets);
for (const one of document.querySelectorAll("[data-add]")) one.addEventListener("click", () => add(one.dataset.add));
store.addEventListener("change", drawEmptiness);
// Another tab or device may have changed the list while this one was away.
document.addEventListener(
  "visibilitychange",
  () => document.hidden || store.revision === null || store.load().catch(() => {}),
);

useViews(new TerminalPane(byId("terminals-pane"), { moved: rememberTerminal }));
useFeed(feed);
showConnection(feed);
Object.assign(window, {
  startBackgroundTasks,
  stopBackgroundTasks,
  pollBackgroundTaskStatus,
  checkBackgroundTaskOnLoad,
});
try {
  localStorage.setItem("bg-runner-last", sessionId);
} catch {
  // only a convenience
}
await Promise.all([loadTasks(), checkBackgroundTaskOnLoad()]);
drawEmptiness();
