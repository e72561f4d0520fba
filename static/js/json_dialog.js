// The whole list as JSON: for copying it elsewhere, and for changes that are quicker in text.
import { openDialog } from "./dialogs.js";
import { button, h, icon } from "./dom.js";
import { errorWords } from "./error_words.js";
import { copyText } from "./clipboard.js";
import { field, textarea } from "./fields.js";
import { t } from "./i18n.js";
import { fieldsOf } from "./validation.js";

export function openJson(store) {
  const before = JSON.stringify(store.tasks, null, 2);
  const summary = h("div", { role: "alert" });
  const area = textarea({ class: "mono code", value: before });
  const ui = openDialog({ title: t("The list as JSON"), size: "wide", name: "json", onSubmit: save });
  const box = field({
    name: "json",
    label: t("Tasks"),
    hint: t("Tasks without an id get one. Steps are in the format of Chrome's Recorder."),
    control: area,
  });
  ui.body.append(summary, box);
  ui.foot.append(
    button({ label: t("Copy"), glyph: "copy", kind: "quiet start", on: () => copyText(area.value) }),
    button({ label: t("Cancel"), on: ui.leave }),
    h("button", { class: "button primary" }, t("Save")),
  );
  area.focus();
  area.setSelectionRange(0, 0);
  area.scrollTop = 0;

  function fail(lines) {
    summary.replaceChildren(
      ...lines.map((line) => h("p", { class: "field-error" }, icon("failed"), h("span", {}, line))),
    );
    area.setAttribute("aria-invalid", "true");
    summary.scrollIntoView({ block: "nearest" });
  }

  async function save() {
    let tasks;
    try {
      tasks = JSON.parse(area.value);
    } catch (error) {
      fail([t("This is not JSON: {why}", { why: error.message })]);
      area.focus();
      return;
    }
    if (!Array.isArray(tasks)) return fail([t("The list is a JSON array of tasks: […]")]);
    try {
      if (await store.save(() => tasks)) ui.close();
    } catch (error) {
      const { title, message, hint } = errorWords(error);
      const fields = fieldsOf(error).map((one) => `${one.path}: ${one.message}`);
      fail([title, ...(fields.length ? fields : [message]), hint].filter(Boolean));
    }
  }
}
