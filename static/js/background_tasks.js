// The four functions of the page that seed 004 names: start, stop, poll, and look for a run when the page opens.
import { call } from "./api.js";
import { byId } from "./dom.js";
import { announce, banner, notice, toastError } from "./feedback.js";
import { errorWords } from "./error_words.js";
import { t } from "./i18n.js";

let feed = null;

export function useFeed(statusFeed) {
  feed = statusFeed;
}

/**
 * Start a run. `choice` is {task_indices} or {from: "failed"}; ignore_completed and auto_generate come from the
 * page's boxes unless `choice` says otherwise. Resolves to whether a run was started.
 */
export async function startBackgroundTasks(choice = {}) {
  const button = byId("start-background-button");
  const body = {
    ignore_completed: byId("ignore-completed").checked,
    auto_generate: byId("auto-generate").checked,
    ...choice,
  };
  button.setAttribute("aria-busy", "true");
  try {
    await call("/start", { method: "POST", body });
    banner("start", null);
    await feed.refresh();
    return true;
  } catch (error) {
    const { title, message, hint } = errorWords(error);
    announce(title);
    banner("start", notice("bad", title, [message, hint].filter(Boolean).join(" "), closeBanner("start")));
    await feed.refresh();
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Stop the run. Tasks that are done keep their results; pressing twice is harmless. */
export async function stopBackgroundTasks() {
  try {
    await call("/stop", { method: "POST", body: {} });
  } catch (error) {
    toastError(error);
  }
  await feed.refresh();
}

/** Ask for the status now. */
export function pollBackgroundTaskStatus() {
  return feed.poll();
}

/** When the page opens: show the run that goes on behind it, if there is one, and keep polling. */
export function checkBackgroundTaskOnLoad() {
  return feed.start();
}

/** Answer the question of a task whose `after_crash` is "ask". */
export async function answerBackgroundTask(taskId, answer) {
  try {
    await call("/answer", { method: "POST", body: { task_id: taskId, answer } });
  } catch (error) {
    toastError(error);
  }
  await feed.refresh();
}

function closeBanner(name) {
  const cross = document.createElement("button");
  cross.type = "button";
  cross.className = "button quiet small";
  cross.textContent = t("Close");
  cross.addEventListener("click", () => banner(name, null));
  return cross;
}
