// The terminals of the workspace's page: the tabs, the opened panels, and what the address remembers of them.
import { button, byId, h, setText } from "../dom.js";
import { openMenu } from "../dialogs.js";
import { announce } from "../feedback.js";
import { t, tn } from "../i18n.js";
import { terminalActions } from "./actions.js";
import { emptyPanel } from "./empty.js";
import { remember, remembered } from "./memory.js";
import { openNewTerminal } from "./new_dialog.js";
import { TerminalPanel } from "./panel.js";
import { openRenameGroup } from "./rename_dialog.js";
import { TerminalStore } from "./store.js";
import { TerminalTabs, panelId, tabId } from "./tabs.js";
import { showTerminalTitle } from "./title.js";
import { isRunning, terminalName } from "./words.js";

const LAST = "last-terminal";

export class TerminalPane {
  #panels = new Map();
  #selected = null;
  #shown = false;
  #wanted = null; // from the address, until the list is there

  /** `moved(id)` is told which terminal is looked at, for the address. */
  constructor(section, { moved }) {
    this.section = section;
    this.moved = moved;
    this.store = new TerminalStore();
    this.actions = terminalActions(this.store, {
      opened: (terminal) => this.select(terminal.terminalId, { focus: true }),
      left: (id, what) => what === "hide" && this.#tabs.focus(this.#selected),
    });
    this.#build();
    this.store.addEventListener("change", () => this.#draw());
    this.store.addEventListener("gone", ({ detail }) => detail.ids.forEach((id) => this.#forget(id)));
    this.store.refresh(); // the switch shows how many there are
  }

  #tabs;

  #build() {
    const rail = h("div", { class: "term-groups" });
    this.#tabs = new TerminalTabs(rail, {
      select: (id) => this.select(id, { focus: true }),
      rename: (id) => this.actions.rename(this.store.get(id)),
      close: (id) => this.actions.close(this.store.get(id)),
      renameGroup: (name) => this.#renameGroup(name),
    });
    this.newButton = button({
      label: t("New terminal"),
      glyph: "plus",
      id: "new-terminal-button",
      on: () => this.open(),
    });
    this.hiddenButton = button({
      label: "",
      title: t("Hidden tabs"),
      glyph: "eye",
      kind: "quiet small term-hidden",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      on: () => this.#showHidden(),
    });
    this.hiddenCount = h("span", {});
    this.hiddenButton.removeAttribute("aria-label");
    this.hiddenButton.append(this.hiddenCount);
    this.rail = h(
      "div",
      { class: "term-rail" },
      rail,
      h("div", { class: "term-rail-foot" }, this.newButton, this.hiddenButton),
    );
    this.stage = h("div", { class: "term-stage" });
    this.empty = emptyPanel({ open: () => this.open(), showHidden: () => this.#showAllHidden() });
    this.section.append(this.rail, this.stage, this.empty.element);
  }

  /** Look at the terminals (or away from them); `id` is the one that the address names. */
  show(shown, id = null) {
    this.#shown = shown;
    this.#wanted = id ?? this.#wanted;
    this.store.watch(shown);
    if (shown && this.store.loaded) this.#settle();
    this.#panels.get(this.#selected)?.show(shown);
    showTerminalTitle(shown ? this.store.get(this.#selected) : null);
  }

  /** The terminal to begin with: the address's, the last one, the first that runs. */
  #settle() {
    const { visible } = this.store;
    const here = (id) => id && this.store.get(id) && id;
    const next =
      here(this.#wanted) ??
      here(this.#selected) ??
      visible.find((one) => one.terminalId === remembered(LAST))?.terminalId;
    this.#wanted = null;
    const chosen = next || (visible.find(isRunning) ?? visible[0])?.terminalId;
    if (chosen && chosen !== this.#selected) this.select(chosen);
  }

  select(id, { focus = false } = {}) {
    const terminal = this.store.get(id);
    if (!terminal) return;
    this.#selected = id;
    if (this.store.hidden.some((one) => one.terminalId === id)) this.store.show(id);
    if (!this.#panels.has(id)) this.#openPanel(terminal);
    for (const [other, panel] of this.#panels) panel.show(other === id && this.#shown);
    remember(LAST, id);
    this.#draw();
    if (!this.#shown) return;
    this.#tabs.reveal(id);
    this.moved(id);
    if (focus) this.#panels.get(id).frame.focus();
  }

  #openPanel(terminal) {
    const id = terminal.terminalId;
    const panel = new TerminalPanel(terminal, { actions: this.actions, said: (message) => this.#heard(id, message) });
    panel.element.id = panelId(id);
    panel.element.setAttribute("role", "tabpanel");
    panel.element.setAttribute("aria-labelledby", tabId(id));
    this.#panels.set(id, panel);
    this.stage.append(panel.element);
  }

  #heard(id, message) {
    const name = () => terminalName(this.store.get(id) ?? {});
    if (message.type === "status") this.store.applyStatus(id, message);
    else if (message.type === "title") this.store.applyStatus(id, { title: message.title });
    else if (message.type === "progress") this.store.applyStatus(id, { progress: message.progress });
    else if (message.type === "leave") this.#tabs.focus(id);
    else if (message.type === "exit" || message.type === "lost") {
      announce(t("{name}: {status}.", { name: name(), status: message.type === "lost" ? t("lost") : t("stopped") }));
      this.store.refresh();
    }
  }

  async open() {
    const group = this.store.get(this.#selected)?.group ?? "";
    const made = await openNewTerminal({ groups: this.store.groups, group });
    if (!made) return;
    this.store.apply(made);
    this.select(made.terminalId, { focus: true });
    this.store.refresh();
  }

  async #renameGroup(name) {
    const members = this.store.all.filter((one) => one.group === name);
    if (await openRenameGroup(name, members)) this.store.refresh();
  }

  #showHidden() {
    const items = this.store.hidden.map((one) => ({
      label: terminalName(one),
      glyph: "shell",
      on: () => this.select(one.terminalId, { focus: true }),
    }));
    openMenu(this.hiddenButton, items);
  }

  #showAllHidden() {
    for (const one of this.store.hidden) this.store.show(one.terminalId);
    this.#settle();
  }

  #forget(id) {
    this.#panels.get(id)?.remove();
    this.#panels.delete(id);
    if (this.#selected === id) this.#selected = null;
  }

  #draw() {
    const { visible, hidden, all, loaded } = this.store;
    this.#leaveHidden(visible);
    this.#tabs.draw(visible, this.#selected);
    for (const [id, panel] of this.#panels) if (this.store.get(id)) panel.update(this.store.get(id));
    const running = all.filter(isRunning).length;
    setText(byId("terminal-count"), running ? String(running) : "");
    byId("terminal-count").title = tn(running, "{n} terminal runs", "{n} terminals run");
    this.hiddenButton.hidden = !hidden.length;
    setText(this.hiddenCount, tn(hidden.length, "{n} hidden", "{n} hidden"));
    this.empty.draw(loaded && !visible.length, hidden.length);
    this.rail.hidden = this.stage.hidden = !visible.length;
    if (this.#shown && loaded && !this.#selected && visible.length) this.#settle();
    if (this.#shown) showTerminalTitle(this.store.get(this.#selected));
  }

  /** The tab that was looked at has been hidden: its frame closes, so that nobody is counted who does not look. */
  #leaveHidden(visible) {
    const still = new Set(visible.map((one) => one.terminalId));
    for (const id of [...this.#panels.keys()]) if (this.store.get(id) && !still.has(id)) this.#forget(id);
  }
}
