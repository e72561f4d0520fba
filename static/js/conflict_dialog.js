// Two tabs changed the list: say what differs and let the person choose.
import { ask } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { taskName } from "./task_words.js";

/** Resolves to "theirs", "mine" or null. */
export function askAboutConflict(theirs, mine) {
  return ask({
    name: "conflict",
    title: t("The list was changed elsewhere"),
    text: [
      t("Another tab or device saved this list after you opened it. Nothing is lost yet: choose whose version stays."),
      h("div", { class: "columns" }, side(t("Theirs"), theirs, mine), side(t("Mine"), mine, theirs)),
    ],
    answers: [
      { value: "mine", label: t("Keep mine") },
      { value: "theirs", label: t("Load theirs"), kind: "primary" },
    ],
  });
}

function side(title, tasks, others) {
  const other = new Map(others.map((task) => [task.id, JSON.stringify(task)]));
  const entries = tasks.map((task) => {
    const mark = !other.has(task.id) ? t("only here") : other.get(task.id) !== JSON.stringify(task) ? t("differs") : "";
    return h("li", { class: "break" }, taskName(task), " ", mark && h("span", { class: "tag warn" }, mark));
  });
  return h(
    "div",
    {},
    h("h3", {}, title),
    h("ol", { class: "small numbered" }, entries.length ? entries : h("li", {}, t("no tasks"))),
  );
}
