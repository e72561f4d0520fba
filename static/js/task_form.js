// The form of one task, new or old. It saves the whole list with the task put in.
import { ask, openDialog } from "./dialogs.js";
import { button, h } from "./dom.js";
import { EnvEditor } from "./env_editor.js";
import { checkbox, field, fromLocal, input, select, showProblems, textarea, toLocal } from "./fields.js";
import { errorWords } from "./error_words.js";
import { t } from "./i18n.js";
import { StepList } from "./step_list.js";
import { taskName } from "./task_words.js";
import { serverProblems, taskProblems } from "./validation.js";

const COMMON = { name: "", enabled: true, not_before: null, expires_at: null, timeout: null, after_crash: "rerun" };
const NEW = {
  shell: { kind: "shell", ...COMMON, command: "", shell: null, cwd: null, env: {} },
  browser: {
    kind: "browser",
    ...COMMON,
    start_url: null,
    path: [],
    viewport: null,
    screenshots: "each",
    profile: null,
  },
};

export const newTask = (kind) => structuredClone(NEW[kind]);

/** Edit `task` (with an id: it replaces that one, else it is added). `remove(id)` deletes it. */
export function openTaskForm(store, task, { remove, secretNames }) {
  const form = new TaskForm(store, task, secretNames);
  form.open(remove);
}

class TaskForm {
  constructor(store, task, secretNames) {
    Object.assign(this, { store, task, secretNames });
    this.parts = {};
  }

  open(remove) {
    const isNew = !this.task.id;
    const shell = this.task.kind === "shell";
    const newTitle = shell ? t("New shell task") : t("New browser task");
    const ui = openDialog({
      title: isNew ? newTitle : taskName(this.task),
      name: "task",
      onSubmit: () => this.#save(),
      guard: () => this.#mayClose(),
    });
    Object.assign(this, { ui, summary: h("div", { role: "alert" }) });
    const specific = shell ? this.#shellFields() : this.#browserFields();
    ui.body.append(
      this.summary,
      this.#add(field({ name: "name", label: t("Name"), control: input({ value: this.task.name, maxlength: 200 }) })),
      ...specific,
      this.#conditions(),
    );
    if (!isNew) {
      const erase = () => {
        ui.close();
        remove(this.task.id);
      };
      ui.foot.append(button({ label: t("Delete"), glyph: "trash", kind: "quiet start", on: erase }));
    }
    ui.foot.append(
      button({ label: t("Cancel"), on: ui.leave }),
      h("button", { class: "button primary" }, isNew ? t("Add task") : t("Save")),
    );
    this.before = JSON.stringify(this.#collect());
    (shell ? this.parts.command : this.parts.start_url).control.focus();
  }

  #add(element) {
    this.parts[element.dataset.field] = element;
    return element;
  }

  #shellFields() {
    const { task } = this;
    this.env = new EnvEditor(task.env, this.secretNames);
    return [
      this.#add(
        field({
          name: "command",
          label: t("Command"),
          hint: t("It runs in a terminal of its own. Several lines are a script."),
          control: textarea({ class: "mono", value: task.command, rows: 4 }),
        }),
      ),
      this.env.element,
      h(
        "div",
        { class: "columns" },
        this.#add(
          field({
            name: "cwd",
            label: t("Working directory"),
            control: input({ class: "mono", value: task.cwd ?? "", placeholder: t("home directory") }),
          }),
        ),
        this.#add(
          field({
            name: "shell",
            label: t("Shell"),
            control: input({ class: "mono", value: task.shell ?? "", placeholder: t("default of the server") }),
          }),
        ),
      ),
    ];
  }

  #browserFields() {
    const { task } = this;
    this.steps = new StepList(task.path);
    const size = (side, label, placeholder) =>
      this.#add(
        field({
          name: side,
          label,
          control: input({ type: "number", min: 100, max: 7680, value: task.viewport?.[side] ?? "", placeholder }),
        }),
      );
    return [
      this.#add(
        field({
          name: "start_url",
          label: t("Address to open first"),
          hint: t("Not needed when the first step opens an address."),
          control: input({ type: "url", value: task.start_url ?? "", placeholder: "https://" }),
        }),
      ),
      this.steps.element,
      h(
        "div",
        { class: "columns" },
        this.#add(
          field({
            name: "screenshots",
            label: t("Screenshots"),
            control: select(
              [
                ["each", t("After each step")],
                ["failures", t("When a step fails")],
                ["off", t("Never")],
              ],
              task.screenshots,
            ),
          }),
        ),
        this.#add(
          field({
            name: "profile",
            label: t("Login profile"),
            hint: t("Tasks that name the same profile share cookies and storage."),
            control: input({ value: task.profile ?? "", placeholder: t("none") }),
          }),
        ),
      ),
      h(
        "div",
        { class: "columns" },
        size("width", t("Window width"), "1280"),
        size("height", t("Window height"), "720"),
      ),
    ];
  }

  #conditions() {
    const { task } = this;
    const changed = !task.enabled || task.not_before || task.expires_at || task.timeout || task.after_crash !== "rerun";
    this.enabled = checkbox(t("Switched on"), task.enabled, t("Runs leave out what is switched off."));
    const date = (name, label) =>
      this.#add(field({ name, label, control: input({ type: "datetime-local", value: toLocal(task[name]) }) }));
    const crash = [
      ["rerun", t("Run it again")],
      ["skip", t("Skip it")],
      ["ask", t("Ask me")],
    ];
    return h(
      "details",
      { class: "group", open: Boolean(changed) },
      h("summary", {}, t("When it runs, and for how long")),
      h(
        "div",
        { class: "inside" },
        this.enabled,
        h("div", { class: "columns" }, date("not_before", t("Not before")), date("expires_at", t("Not after"))),
        h(
          "div",
          { class: "columns" },
          this.#add(
            field({
              name: "timeout",
              label: t("Time limit in seconds"),
              control: input({
                type: "number",
                min: 0,
                step: "any",
                value: task.timeout ?? "",
                placeholder: t("no limit"),
              }),
            }),
          ),
          this.#add(
            field({
              name: "after_crash",
              label: t("If the server is killed meanwhile"),
              hint:
                this.task.kind === "shell"
                  ? t("A command goes on without the server; this is for when it is lost as well.")
                  : "",
              control: select(crash, task.after_crash),
            }),
          ),
        ),
      ),
    );
  }

  #value(name) {
    const value = this.parts[name].control.value;
    return name === "command" ? value : value.trim();
  }

  #collect() {
    const orNull = (name) => this.#value(name) || null;
    const number = (name) => (this.#value(name) === "" ? null : Number(this.#value(name)));
    const task = {
      ...this.task,
      name: this.#value("name"),
      enabled: this.enabled.control.checked,
      not_before: sameMinute(this.task.not_before, fromLocal(this.#value("not_before"))),
      expires_at: sameMinute(this.task.expires_at, fromLocal(this.#value("expires_at"))),
      timeout: number("timeout"),
      after_crash: this.#value("after_crash"),
    };
    if (task.kind === "shell")
      return {
        ...task,
        command: this.#value("command"),
        cwd: orNull("cwd"),
        shell: orNull("shell"),
        env: this.env.value,
      };
    const [width, height] = [number("width"), number("height")];
    const viewport = width === null && height === null ? null : { width: width ?? 1280, height: height ?? 720 };
    return {
      ...task,
      start_url: orNull("start_url"),
      path: this.steps.value,
      viewport,
      screenshots: this.#value("screenshots"),
      profile: orNull("profile"),
    };
  }

  #show(problems) {
    this.env?.showProblems(problems);
    showProblems(this.ui.dialog, new Map([...problems].filter(([name]) => !name.startsWith("env."))), this.summary);
  }

  async #save() {
    if (this.steps && !this.steps.finishEditing()) return;
    const task = this.#collect();
    const problems = taskProblems(task, this.env?.lines);
    this.#show(problems);
    if (problems.size) return;
    let index = -1;
    const put = (tasks) => {
      index = tasks.findIndex((one) => one.id === task.id);
      if (index < 0) index = tasks.length;
      return tasks.toSpliced(index, 1, task);
    };
    try {
      if (await this.store.save(put)) this.ui.close();
    } catch (error) {
      const found = serverProblems(error, index);
      const { title, message, hint } = errorWords(error);
      if (!found.size) found.set("", [title, message, hint].filter(Boolean).join(" · "));
      this.#show(found);
    }
  }

  #mayClose() {
    if (JSON.stringify(this.#collect()) === this.before && !this.steps?.editing) return true;
    ask({
      title: t("Leave without saving?"),
      text: t("What you changed in this task is lost."),
      answers: [
        { value: "leave", label: t("Leave") },
        { value: "stay", label: t("Keep editing"), kind: "primary" },
      ],
    }).then((answer) => answer === "leave" && this.ui.close());
    return false;
  }
}

/** The input counts minutes: a date that was not touched keeps its seconds. */
function sameMinute(before, now) {
  return before && now && toLocal(before) === toLocal(now) ? before : now;
}
