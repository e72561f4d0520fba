// Opening a terminal: everything has a default, so that Enter opens a shell.
import { button, h } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { field, input, showProblems } from "../fields.js";
import { t } from "../i18n.js";
import { createTerminal } from "./api.js";
import { NAME_CHARACTERS, groupField, problemsOf } from "./name_fields.js";

const COMMAND_CHARACTERS = 32_768;

/** Resolves to the new terminal, or null. */
export function openNewTerminal({ groups, group = "" }) {
  const made = { terminal: null };
  const summary = h("div", { role: "alert" });
  const ui = openDialog({ title: t("New terminal"), size: "narrow", name: "new-terminal", onSubmit: () => create() });
  const boxes = {
    name: field({
      name: "name",
      label: t("Name"),
      control: input({ maxlength: NAME_CHARACTERS, placeholder: t("like build or production") }),
    }),
    command: field({
      name: "command",
      label: t("Command"),
      hint: t("Empty opens an interactive shell."),
      control: input({ class: "mono", maxlength: COMMAND_CHARACTERS, spellcheck: "false", autocapitalize: "off" }),
    }),
    cwd: field({
      name: "cwd",
      label: t("Working directory"),
      control: input({
        class: "mono",
        placeholder: t("the home directory"),
        spellcheck: "false",
        autocapitalize: "off",
      }),
    }),
    group: groupField(groups, group),
    shell: field({
      name: "shell",
      label: t("Shell"),
      control: input({ class: "mono", placeholder: t("the server's own"), spellcheck: "false", autocapitalize: "off" }),
    }),
  };
  const more = h(
    "details",
    { class: "group", open: Boolean(group) },
    h("summary", {}, t("More")),
    h("div", { class: "inside" }, boxes.group.list, boxes.group, boxes.shell),
  );
  ui.body.append(summary, boxes.name, boxes.command, boxes.cwd, more);
  const submit = h("button", { class: "button primary" }, t("Open"));
  ui.foot.append(button({ label: t("Cancel"), on: ui.leave }), submit);
  boxes.name.control.focus();

  async function create() {
    const filled = Object.entries(boxes).map(([name, box]) => [name, box.control.value.trim()]);
    submit.disabled = true;
    try {
      made.terminal = await createTerminal(Object.fromEntries(filled.filter(([, value]) => value !== "")));
      ui.close();
    } catch (error) {
      showProblems(ui.dialog, problemsOf(error), summary);
    } finally {
      submit.disabled = false;
    }
  }

  return ui.closed.then(() => made.terminal);
}
