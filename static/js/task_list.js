// The list on the page: choose, open, move, run alone, and the menu of a task.
import { openMenu } from "./dialogs.js";
import { button, byId, h, icon, redraw, setText } from "./dom.js";
import { announce, toast, toastError } from "./feedback.js";
import { t, tn } from "./i18n.js";
import { taskDetail, taskMarks, taskName } from "./task_words.js";

export class TaskListView {
  #unpicked = new Set(); // by id, so that a choice survives moves and reloads
  #elements = new Map();
  #active = false;

  constructor(store, { edit, runAlone, pickedChanged }) {
    Object.assign(this, { store, edit, runAlone, pickedChanged });
    this.list = byId("task-list");
    this.list.addEventListener("keydown", (event) => this.#moveByKey(event));
    byId("pick-all").addEventListener("change", (event) => this.#pickAll(event.target.checked));
    store.addEventListener("change", () => this.draw());
  }

  get picked() {
    return this.store.tasks.flatMap((task, at) => (this.#unpicked.has(task.id) ? [] : [at]));
  }

  set runActive(active) {
    if (active === this.#active) return;
    this.#active = active;
    this.draw();
  }

  draw() {
    const { tasks } = this.store;
    const focused = document.activeElement;
    const ids = new Set(tasks.map((task) => task.id));
    for (const [id, entry] of this.#elements) {
      if (ids.has(id)) continue;
      entry.element.remove();
      this.#elements.delete(id);
    }
    tasks.forEach((task, at) => {
      const entry = this.#elements.get(task.id) ?? this.#make(task.id);
      this.#fill(entry, task, at, tasks.length);
      if (this.list.children[at] !== entry.element)
        this.list.insertBefore(entry.element, this.list.children[at] ?? null);
    });
    if (focused && focused !== document.activeElement && this.list.contains(focused)) focused.focus();
    byId("list-empty").hidden = tasks.length > 0;
    this.#drawPicked();
  }

  #make(id) {
    const index = () => this.store.tasks.findIndex((task) => task.id === id);
    const entry = {
      pick: h("input", { type: "checkbox", on: { change: (event) => this.#pick(id, event.target.checked) } }),
      glyph: h("span", {}),
      open: h("button", { type: "button", class: "open", on: { click: () => this.edit(id) } }),
      detail: h("span", { class: "detail" }),
      tags: h("div", { class: "tags" }),
      up: button({ title: t("Move up"), glyph: "up", kind: "quiet", on: () => this.move(index(), -1) }),
      down: button({ title: t("Move down"), glyph: "down", kind: "quiet", on: () => this.move(index(), 1) }),
      alone: button({
        title: t("Run this task"),
        glyph: "play",
        kind: "quiet square small",
        on: () => this.runAlone(id),
      }),
      more: button({
        title: t("More"),
        glyph: "more",
        kind: "quiet square small",
        "aria-haspopup": "true",
        "aria-expanded": "false",
        on: (event) => this.#menu(event.currentTarget, index()),
      }),
    };
    entry.element = h(
      "li",
      { class: "task", dataset: { task: id } },
      h("div", { class: "move" }, entry.up, entry.down),
      h("label", { class: "pick" }, entry.pick),
      h(
        "div",
        { class: "body" },
        h("div", { class: "name" }, entry.glyph, entry.open),
        h("div", { class: "below" }, entry.detail, entry.tags),
      ),
      entry.alone,
      entry.more,
    );
    this.#elements.set(id, entry);
    return entry;
  }

  #fill(entry, task, at, total) {
    const name = taskName(task);
    entry.element.classList.toggle("disabled", !task.enabled);
    entry.pick.checked = !this.#unpicked.has(task.id);
    entry.pick.setAttribute("aria-label", t("Choose {name}", { name }));
    redraw(entry.glyph, task.kind, (kind) => [
      icon(kind),
      h("span", { class: "visually-hidden" }, kind === "shell" ? t("Shell task") : t("Browser task")),
    ]);
    setText(entry.open, name);
    entry.open.title = t("Edit {name}", { name });
    setText(entry.detail, taskDetail(task));
    entry.detail.classList.toggle("mono", task.kind === "shell");
    redraw(entry.tags, taskMarks(task), (marks) =>
      marks.map(({ text, kind = "", glyph, title }) =>
        h(
          "span",
          { class: `tag ${kind}`, title },
          glyph && icon(glyph),
          title && h("span", { class: "visually-hidden" }, title),
          h("span", { "aria-hidden": title ? "true" : null }, text),
        ),
      ),
    );
    entry.up.disabled = at === 0;
    entry.down.disabled = at === total - 1;
    entry.alone.disabled = this.#active;
    for (const [control, words] of [
      [entry.up, t("Move {name} up", { name })],
      [entry.down, t("Move {name} down", { name })],
      [entry.alone, t("Run {name} alone", { name })],
      [entry.more, t("More about {name}", { name })],
    ]) {
      control.setAttribute("aria-label", words);
    }
  }

  /** Move the task at `at` by `step` and say where it is now. */
  async move(at, step) {
    const task = this.store.tasks[at];
    const to = at + step;
    if (!task || to < 0 || to >= this.store.tasks.length) return;
    const held = document.activeElement;
    const saved = await this.#save((tasks) => {
      const from = tasks.findIndex((one) => one.id === task.id);
      if (from < 0) return tasks;
      const [moved] = tasks.splice(from, 1);
      tasks.splice(Math.max(0, from + step), 0, moved);
      return tasks;
    });
    if (saved !== "saved") return;
    if (held?.disabled) this.#elements.get(task.id)?.open.focus();
    announce(
      t("{name} is now number {n} of {total}.", { name: taskName(task), n: to + 1, total: this.store.tasks.length }),
    );
  }

  #moveByKey(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const id = event.target.closest(".task")?.dataset.task;
    if (!event.altKey || !step || !id) return;
    event.preventDefault();
    this.move(
      this.store.tasks.findIndex((task) => task.id === id),
      step,
    );
  }

  #menu(anchor, at) {
    const task = this.store.tasks[at];
    const change = (words, edit) => ({
      ...words,
      on: () =>
        this.#save((tasks) =>
          edit(
            tasks,
            tasks.findIndex((one) => one.id === task.id),
          ),
        ),
    });
    openMenu(anchor, [
      { label: t("Edit"), glyph: "edit", on: () => this.edit(task.id) },
      change({ label: t("Duplicate"), glyph: "copy" }, (tasks, i) => tasks.toSpliced(i + 1, 0, copyOf(tasks[i]))),
      change(
        { label: task.enabled ? t("Switch off") : t("Switch on"), glyph: task.enabled ? "skipped" : "done" },
        (tasks, i) => tasks.with(i, { ...tasks[i], enabled: !tasks[i].enabled }),
      ),
      { label: t("Delete"), glyph: "trash", on: () => this.remove(task.id) },
    ]);
  }

  /** Delete a task; a toast offers to bring it back. */
  async remove(id) {
    const at = this.store.tasks.findIndex((task) => task.id === id);
    const task = this.store.tasks[at];
    if ((await this.#save((tasks) => tasks.filter((one) => one.id !== id))) !== "saved") return;
    (
      this.list.children[Math.min(at, this.list.children.length - 1)]?.querySelector(".open") ?? byId("workspace")
    ).focus();
    toast(t("{name} was deleted.", { name: taskName(task) }), {
      action: t("Undo"),
      onAction: () => this.#save((tasks) => tasks.toSpliced(Math.min(at, tasks.length), 0, task)),
    });
  }

  async #save(change) {
    try {
      return await this.store.save(change);
    } catch (error) {
      toastError(error);
      return null;
    }
  }

  #pick(id, picked) {
    if (picked) this.#unpicked.delete(id);
    else this.#unpicked.add(id);
    this.#drawPicked();
  }

  #pickAll(picked) {
    this.#unpicked = new Set(picked ? [] : this.store.tasks.map((task) => task.id));
    this.draw();
  }

  #drawPicked() {
    const [chosen, total] = [this.picked.length, this.store.tasks.length];
    byId("pick-all").checked = total > 0 && chosen === total;
    byId("pick-all").indeterminate = chosen > 0 && chosen < total;
    setText(byId("task-count"), chosen === total ? String(total) : t("{n} of {total} chosen", { n: chosen, total }));
    this.pickedChanged(chosen, total);
  }
}

function copyOf(task) {
  const { id, completed, ...rest } = task;
  return { ...rest, name: t("{name} (copy)", { name: taskName(task) }) };
}

export const tasksWord = (n) => tn(n, "{n} task", "{n} tasks");
