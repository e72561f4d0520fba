// A terminal in words, and its tags in the wording and colours of seed 000.
import { h, icon } from "../dom.js";
import { t, tn } from "../i18n.js";

export const isRunning = (terminal) => terminal.status === "running";

export const terminalName = (terminal) =>
  terminal.name || terminal.title || firstLine(terminal.command) || shortPath(terminal.shell) || t("Terminal");

function firstLine(text) {
  return (text ?? "").trim().split("\n")[0].slice(0, 80);
}

const shortPath = (path) => (path ?? "").split("/").at(-1);

const tag = (kind, glyph, text, title) =>
  h("span", { class: `term-tag ${kind}`, title }, typeof glyph === "string" ? icon(glyph) : glyph, h("span", {}, text));

/** 运行中 with a green pulse, 已停止 in grey; lost (a kill of the host, a reboot) in red, with the reason. */
export function stateTag(terminal) {
  if (isRunning(terminal)) return tag("running", h("i", { class: "term-dot" }), t("running"));
  if (terminal.status === "lost") return tag("lost", "warning", t("lost"), lostWords(terminal));
  return tag("ended", h("i", { class: "term-dot" }), t("stopped"), endWords(terminal));
}

/** 1 个客户端 in cyan, 2+ in orange, 后台运行中 in gold when a program runs and nobody looks. */
export function audienceTag(terminal) {
  if (!isRunning(terminal)) return null;
  const n = terminal.connectedClients ?? 0;
  if (terminal.runningInBackground || n === 0)
    return tag("background", "bolt", t("running in background"), t("The program runs and no client is connected."));
  const clients = tn(n, "{n} client", "{n} clients");
  if (n === 1) return tag("one", "person", clients, t("One client is connected."));
  return tag("many", "team", clients, t("Several clients are connected; everybody sees the same."));
}

export const tags = (terminal) => [stateTag(terminal), audienceTag(terminal)].filter(Boolean);

/** Why and how it ended: "exit code 3", "signal 9". */
export function endWords(terminal) {
  if (terminal.signal) return t("Ended by signal {signal}.", { signal: terminal.signal });
  if (terminal.exitCode === null || terminal.exitCode === undefined) return t("The program has ended.");
  if (terminal.exitCode === 0) return t("The program has ended well (exit code 0).");
  return t("The program has ended with exit code {code}.", { code: terminal.exitCode });
}

// What the server's manager says (bg_runner/terminals/manager.py).
const LOST = {
  "the machine was restarted": () => t("The machine was restarted."),
  "the PTY host was killed": () => t("The process that keeps the terminals was killed."),
  "the PTY host was lost": () => t("The process that keeps the terminals was killed."),
};

export const lostWords = ({ lostReason }) => LOST[lostReason]?.() ?? (lostReason || t("The terminal was taken away."));

/** OSC 9;4 of a running program, or null: {state: "normal", "error", "busy" or "paused", percent (null: unknown)}. */
export function progressOf(terminal) {
  const given = isRunning(terminal) ? terminal.progress : null;
  if (!given) return null;
  const percent = given.percent ?? null;
  const state = percent === null && given.state === "normal" ? "busy" : given.state;
  return { state, percent };
}

export function progressWords({ state, percent }) {
  const number = percent === null ? t("busy") : `${percent}%`;
  if (state === "error") return t("{percent}, an error", { percent: number });
  if (state === "paused") return t("{percent}, paused", { percent: number });
  return number;
}
