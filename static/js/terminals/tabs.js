// The tabs of the terminals, in groups that fold. On a wide screen a list at the side, on a narrow one a strip above.
// Arrows, Home and End move; Enter or Space opens; F2 renames; Delete asks what to close (WAI-ARIA's tabs, activated by hand,
// since opening a terminal attaches a client to it).
import { h, icon, redraw, setText } from "../dom.js";
import { t } from "../i18n.js";
import { remember, remembered } from "./memory.js";
import { progressOf, progressWords, tags, terminalName } from "./words.js";

const FOLDED = "folded-terminal-groups";
const STRIP = matchMedia("(max-width: 61.99rem)");
export const tabId = (id) => `terminal-tab-${id}`;
export const panelId = (id) => `terminal-panel-${id}`;

export class TerminalTabs {
  #tabs = new Map();
  #groups = new Map();
  #folded = new Set(remembered(FOLDED, []));

  /** actions: {select(id), rename(id), close(id), renameGroup(name)} */
  constructor(root, actions) {
    this.root = root;
    this.actions = actions;
    root.addEventListener("keydown", (event) => this.#key(event));
    STRIP.addEventListener("change", () => this.#orient());
  }

  draw(terminals, selected) {
    const byGroup = groupBy(terminals);
    keep(this.#tabs, new Set(terminals.map((one) => one.terminalId)), (tab) => tab.element.remove());
    keep(this.#groups, new Set(byGroup.keys()), (group) => group.section.remove());
    let at = 0;
    for (const [name, members] of byGroup) {
      if (!this.#groups.has(name)) this.#groups.set(name, this.#makeGroup(name));
      const group = this.#groups.get(name);
      place(this.root, group.section, at++);
      this.#drawGroup(group, name, members, selected);
    }
    this.#rove(selected);
  }

  #makeGroup(name) {
    const list = h("div", { role: "tablist", class: "term-tabs", "aria-label": name || t("Terminals") });
    list.setAttribute("aria-orientation", STRIP.matches ? "horizontal" : "vertical");
    if (!name) return { section: h("div", { class: "term-group" }, list), list };
    list.id = `terminal-group-${this.#groups.size}-${Math.random().toString(36).slice(2, 8)}`;
    const count = h("span", { class: "count numbers" });
    const fold = h(
      "button",
      { type: "button", class: "term-fold", "aria-controls": list.id, on: { click: () => this.#toggle(name) } },
      icon("down"),
      h("span", { class: "name" }, name),
      count,
    );
    const rename = h(
      "button",
      {
        type: "button",
        class: "button quiet square small rename-group",
        title: t("Rename the group {name}", { name }),
        "aria-label": t("Rename the group {name}", { name }),
        on: { click: () => this.actions.renameGroup(name) },
      },
      icon("edit"),
    );
    const head = h("div", { class: "term-group-head" }, h("h2", {}, fold), rename);
    return { section: h("div", { class: "term-group", dataset: { group: name } }, head, list), list, fold, count };
  }

  #drawGroup(group, name, members, selected) {
    const folded = Boolean(name) && this.#folded.has(name);
    group.list.hidden = folded;
    group.fold?.setAttribute("aria-expanded", String(!folded));
    if (group.count) setText(group.count, String(members.length));
    members.forEach((terminal, at) => {
      const id = terminal.terminalId;
      if (!this.#tabs.has(id)) this.#tabs.set(id, this.#makeTab(id));
      const tab = this.#tabs.get(id);
      place(group.list, tab.element, at);
      drawTab(tab, terminal, id === selected);
    });
  }

  #makeTab(id) {
    const name = h("b", {});
    const marks = h("span", { class: "marks" });
    const bar = h("i", { class: "term-progress", "aria-hidden": "true" });
    const on = { click: () => this.actions.select(id), dblclick: () => this.actions.rename(id) };
    const attributes = { type: "button", role: "tab", class: "term-tab", id: tabId(id), dataset: { terminal: id }, on };
    return { element: h("button", attributes, h("span", { class: "name" }, name), marks, bar), name, marks, bar };
  }

  #toggle(name) {
    this.#folded.has(name) ? this.#folded.delete(name) : this.#folded.add(name);
    remember(FOLDED, [...this.#folded]);
    const { list, fold } = this.#groups.get(name);
    list.hidden = this.#folded.has(name);
    fold.setAttribute("aria-expanded", String(!list.hidden));
    this.#rove();
  }

  /** One tab stop for all groups: the selected tab, or the first that can be seen. */
  #rove(selected = this.root.querySelector('[aria-selected="true"]')?.dataset.terminal) {
    const seen = this.#seen();
    const held = seen.includes(document.activeElement) ? document.activeElement : null;
    const stop = held ?? seen.find((tab) => tab.dataset.terminal === selected) ?? seen[0];
    for (const tab of this.root.querySelectorAll("[role=tab]")) tab.tabIndex = tab === stop ? 0 : -1;
  }

  #seen() {
    return [...this.root.querySelectorAll("[role=tab]")].filter((tab) => !tab.closest("[hidden]"));
  }

  #key(event) {
    const tab = event.target.closest("[role=tab]");
    if (!tab || event.ctrlKey || event.altKey || event.metaKey) return;
    const seen = this.#seen();
    const at = seen.indexOf(tab);
    const to = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: -1,
    }[event.key];
    if (to !== undefined) this.focus(seen.at(to % seen.length).dataset.terminal);
    else if (event.key === "F2") this.actions.rename(tab.dataset.terminal);
    else if (event.key === "Delete") this.actions.close(tab.dataset.terminal);
    else return;
    event.preventDefault();
  }

  focus(id) {
    const tab = this.#tabs.get(id)?.element;
    if (!tab) return;
    tab.focus();
    this.reveal(id);
    this.#rove();
  }

  reveal(id) {
    this.#tabs.get(id)?.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #orient() {
    for (const { list } of this.#groups.values())
      list.setAttribute("aria-orientation", STRIP.matches ? "horizontal" : "vertical");
  }
}

function drawTab({ element, name, marks, bar }, terminal, selected) {
  const words = terminalName(terminal);
  const progress = progressOf(terminal);
  setText(name, words);
  element.title = [words, terminal.cwd].filter(Boolean).join("\n");
  element.dataset.status = terminal.status;
  element.setAttribute("aria-selected", String(selected));
  if (document.getElementById(panelId(terminal.terminalId)))
    element.setAttribute("aria-controls", panelId(terminal.terminalId));
  else element.removeAttribute("aria-controls");
  redraw(
    marks,
    [terminal.status, terminal.connectedClients, terminal.runningInBackground, terminal.lostReason, progress],
    () => [
      ...tags(terminal),
      progress && h("span", { class: "term-percent numbers", dataset: progress }, progressWords(progress)),
    ],
  );
  bar.hidden = !progress;
  if (progress) {
    bar.dataset.state = progress.state;
    bar.style.setProperty("--done", `${progress.percent ?? 100}%`);
  }
}

function groupBy(terminals) {
  const found = new Map();
  for (const one of terminals) found.set(one.group || "", [...(found.get(one.group || "") ?? []), one]);
  return found;
}

function keep(map, wanted, gone) {
  for (const [key, value] of map)
    if (!wanted.has(key)) {
      gone(value);
      map.delete(key);
    }
}

/** Moving an element that holds the focus would lose it: only what is not in its place is moved. */
function place(parent, element, at) {
  if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
}
