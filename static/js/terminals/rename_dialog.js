// Other names: of a terminal and its group, or of a whole group.
import { button, h } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { field, input, showProblems } from "../fields.js";
import { t } from "../i18n.js";
import { changeTerminal } from "./api.js";
import { NAME_CHARACTERS, groupField, problemsOf } from "./name_fields.js";

/** Name and group of a terminal. Resolves to the changed terminal, or null. */
export function openRename(terminal, { groups }) {
  const made = { terminal: null };
  const summary = h("div", { role: "alert" });
  const ui = openDialog({
    title: t("Rename the terminal"),
    size: "narrow",
    name: "rename-terminal",
    onSubmit: () => save(),
  });
  const name = field({
    name: "name",
    label: t("Name"),
    control: input({ value: terminal.name ?? "", maxlength: NAME_CHARACTERS }),
  });
  const group = groupField(groups, terminal.group);
  ui.body.append(summary, name, group.list, group);
  ui.foot.append(button({ label: t("Cancel"), on: ui.leave }), h("button", { class: "button primary" }, t("Save")));
  name.control.select();

  async function save() {
    try {
      const fields = { name: name.control.value.trim(), group: group.control.value.trim() };
      made.terminal = await changeTerminal(terminal.terminalId, fields);
      ui.close();
    } catch (error) {
      showProblems(ui.dialog, problemsOf(error), summary);
    }
  }

  return ui.closed.then(() => made.terminal);
}

/** A new name for a whole group: each of its terminals is changed. Resolves to whether anything was. */
export function openRenameGroup(group, members) {
  let changed = false;
  const summary = h("div", { role: "alert" });
  const ui = openDialog({
    title: t("Rename the group {name}", { name: group }),
    size: "narrow",
    name: "rename-group",
    onSubmit: () => save(),
  });
  const box = field({
    name: "group",
    label: t("Group"),
    hint: t("Empty dissolves the group; its terminals stay."),
    control: input({ value: group, maxlength: NAME_CHARACTERS }),
  });
  ui.body.append(summary, box);
  ui.foot.append(button({ label: t("Cancel"), on: ui.leave }), h("button", { class: "button primary" }, t("Save")));
  box.control.select();

  async function save() {
    try {
      for (const one of members) await changeTerminal(one.terminalId, { group: box.control.value.trim() });
      changed = true;
      ui.close();
    } catch (error) {
      showProblems(ui.dialog, problemsOf(error), summary);
    }
  }

  return ui.closed.then(() => changed);
}
