// One opened terminal: what it is, who looks, what it uses, what can be done with it, and the frame with its screen.
import { button, h, icon, redraw, setText } from "../dom.js";
import { openMenu } from "../dialogs.js";
import { notice } from "../feedback.js";
import { duration, t } from "../i18n.js";
import { pageUrl, recordingUrl, replayUrl } from "./api.js";
import { TerminalFrame } from "./frame.js";
import { CommandNews, notificationButton } from "./news.js";
import { UsageChart } from "./usage_chart.js";
import { endWords, isRunning, lostWords, tags, terminalName } from "./words.js";

const MOST_PEOPLE = 4;

export class TerminalPanel {
  #terminal;
  #shown = true;

  /**
   * `actions`: {rename, share, close, runAgain, remove}(terminal) or null for a guest, who only looks or types.
   * `said(message)`: what the frame tells. `alone`: the page shows nothing else.
   */
  constructor(terminal, { address = pageUrl(terminal.terminalId), actions = null, said, alone = false }) {
    this.id = terminal.terminalId;
    this.actions = actions;
    this.alone = alone;
    this.news = new CommandNews(() => this.#terminal);
    this.frame = new TerminalFrame(`${address}/frame`, terminalName(terminal), (message) => {
      this.news.hear(message);
      said(message);
    });
    this.usage = actions && new UsageChart(this.id);
    this.name = h(alone ? "h1" : "h2", { class: "term-name" });
    this.tags = h("span", { class: "term-tags" });
    this.place = h("code", { class: "term-cwd" });
    this.people = h("ul", { class: "term-people", "aria-label": t("Connected") });
    this.remarks = h("div", { class: "term-remarks" });
    this.tools = h("div", { class: "term-tools" });
    const what = h("div", { class: "term-what" }, this.name, this.tags);
    const line = h("div", { class: "term-line" }, this.place, this.people);
    const head = h("div", { class: "term-head" }, what, this.usage?.element, this.tools, line);
    this.element = h("div", { class: "term-panel" }, head, this.remarks, this.frame.element);
    this.update(terminal);
  }

  update(terminal) {
    this.#terminal = terminal;
    setText(this.name, terminalName(terminal));
    this.name.title = [terminalName(terminal), terminal.title].filter(Boolean).join("\n");
    const { status, connectedClients, runningInBackground, lostReason, exitCode, signal } = terminal;
    redraw(this.tags, [status, connectedClients, runningInBackground, lostReason, exitCode, signal], () =>
      tags(terminal),
    );
    setText(this.place, terminal.cwd ?? "");
    this.place.title = [terminal.cwd, terminal.command || terminal.shell, terminal.pid && `PID ${terminal.pid}`]
      .filter(Boolean)
      .join("\n");
    const attached = isRunning(terminal) ? terminal.clients : null;
    redraw(this.people, [attached, terminal.clientId], () => people(attached, terminal.clientId));
    redraw(this.remarks, [status, lostReason, exitCode, signal, terminal.endedAt], () => this.#remark());
    redraw(this.tools, [status, this.alone, window.Notification?.permission], () => this.#makeTools());
    this.usage?.watch(this.#shown && isRunning(terminal));
  }

  show(shown) {
    this.#shown = shown;
    this.element.hidden = !shown;
    this.frame.send("visible", { visible: shown });
    this.usage?.watch(shown && isRunning(this.#terminal));
  }

  remove() {
    this.usage?.watch(false);
    this.frame.remove();
    this.element.remove();
  }

  #makeTools() {
    if (!this.actions) return [];
    const running = isRunning(this.#terminal);
    return [
      running && notificationButton(() => this.update(this.#terminal)),
      running &&
        button({
          title: t("Share"),
          glyph: "link",
          kind: "quiet square wide-only",
          on: () => this.actions.share(this.#terminal),
        }),
      !this.alone &&
        linkButton({
          title: t("Open alone in a tab"),
          glyph: "external",
          kind: "quiet square wide-only",
          href: pageUrl(this.id),
          newTab: true,
        }),
      button({
        title: t("More for this terminal"),
        glyph: "more",
        kind: "quiet square term-more",
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        on: (event) => openMenu(event.currentTarget, this.#menu()),
      }),
    ];
  }

  #menu() {
    const { rename, share, close } = this.actions;
    const running = isRunning(this.#terminal);
    return [
      // On a narrow screen these two have no button of their own.
      running && { label: t("Share"), glyph: "link", on: () => share(this.#terminal) },
      !this.alone && {
        label: t("Open alone in a tab"),
        glyph: "external",
        on: () => window.open(pageUrl(this.id), "_blank"),
      },
      { label: t("Rename"), glyph: "edit", on: () => rename(this.#terminal) },
      { label: t("Replay the recording"), glyph: "history", on: () => window.open(replayUrl(this.id), "_blank") },
      { label: t("Download the recording"), glyph: "download", on: () => this.#download() },
      { label: t("Close"), glyph: "cross", on: () => close(this.#terminal) },
    ].filter(Boolean);
  }

  #download() {
    const link = h("a", { href: recordingUrl(this.id), download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }

  /** A program that is over: why, and what is left to do. */
  #remark() {
    const terminal = this.#terminal;
    if (isRunning(terminal)) return null;
    const lost = terminal.status === "lost";
    const took = terminal.endedAt && (Date.parse(terminal.endedAt) - Date.parse(terminal.created)) / 1000;
    const text = lost ? lostWords(terminal) : took ? t("It ran for {time}.", { time: duration(took) }) : "";
    const box = notice(lost ? "bad" : "info", lost ? t("This terminal was lost") : endWords(terminal), text);
    if (this.actions) box.append(h("div", { class: "term-after" }, this.#afterwards()));
    return box;
  }

  #afterwards() {
    const { runAgain, remove } = this.actions;
    return [
      button({ label: t("Run again"), glyph: "retry", kind: "small", on: () => runAgain(this.#terminal) }),
      linkButton({ label: t("Replay"), glyph: "history", kind: "small", href: replayUrl(this.id), newTab: true }),
      linkButton({ label: t("Download"), glyph: "download", kind: "small", href: recordingUrl(this.id), download: "" }),
      button({ label: t("Remove"), glyph: "trash", kind: "small", on: () => remove(this.#terminal) }),
    ];
  }
}

function linkButton({ label, title, glyph, href, kind = "quiet square", newTab = false, ...rest }) {
  const target = newTab ? { target: "_blank", rel: "noopener" } : {};
  const attributes = { class: `button ${kind}`, href, title, ...target, ...rest };
  if (!label) attributes["aria-label"] = title;
  return h("a", attributes, icon(glyph), label && h("span", {}, label));
}

/** Everybody who is attached, this window first; names are what the clients say of themselves. */
function people(clients, clientId) {
  if (!clients?.length) return [];
  const mine = (one) => one.id === clientId;
  const shown = [...clients].sort((a, b) => mine(b) - mine(a)).slice(0, MOST_PEOPLE);
  const rest = clients.length - shown.length;
  return [...shown.map((one) => person(one, mine(one))), rest > 0 && h("li", {}, t("{n} more", { n: rest }))].filter(
    Boolean,
  );
}

function person(client, mine) {
  const name = mine ? t("You") : client.name || t("Somebody");
  const watching = client.mode === "view";
  const may = watching ? t("view") : t("control");
  return h(
    "li",
    { dataset: { mode: client.mode } },
    icon(watching ? "eye" : "keyboard"),
    h("span", {}, `${name} · ${may}`),
  );
}
