// What is worth saying aloud between two answers of the server: a task that ended, the end of the run.
import { announce } from "./feedback.js";
import { t } from "./i18n.js";
import { endWords, notifyEnd } from "./notify.js";
import { isActive, taskWord } from "./status_words.js";

/** Say to a screen reader what changed since the last answer: a task that ended, the end of the run. */
export function announceChanges(before, now) {
  if (!now || before?.run_id !== now.run_id) {
    if (isActive(now)) announce(t("The run has started."));
    return;
  }
  if (isActive(before) && !isActive(now)) {
    announce(endWords(now));
    notifyEnd(now);
    return;
  }
  const changed = now.tasks.find(
    (row, at) => row.status !== before.tasks[at]?.status && ["completed", "failed", "asking"].includes(row.status),
  );
  if (changed) announce(t("{name}: {status}.", { name: changed.name, status: taskWord(changed.status) }));
}
