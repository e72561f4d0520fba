// A task and a step in words.
import { shortWhen, t, tn, when } from "./i18n.js";

export function taskName(task) {
  return (
    task.name || (task.kind === "shell" ? firstLine(task.command) : shortAddress(task.start_url)) || t("Unnamed task")
  );
}

export function taskDetail(task) {
  if (task.kind === "shell") return firstLine(task.command);
  const steps = task.path.length ? tn(task.path.length, "{n} step", "{n} steps") : t("no steps yet");
  const first = task.start_url ?? task.path.find((step) => step.type === "navigate")?.url;
  return [steps, shortAddress(first)].filter(Boolean).join(" · ");
}

/** Marks under a task: [{text, kind, glyph}] */
export function taskMarks(task) {
  const now = Date.now();
  const marks = [];
  if (!task.enabled) marks.push({ text: t("switched off") });
  if (task.completed)
    marks.push({
      text: shortWhen(task.completed),
      title: t("Succeeded {when}", { when: when(task.completed) }),
      kind: "good",
      glyph: "check",
    });
  if (task.expires_at && Date.parse(task.expires_at) <= now)
    marks.push({ text: t("expired {when}", { when: when(task.expires_at) }), kind: "warn" });
  if (task.not_before && Date.parse(task.not_before) > now)
    marks.push({ text: t("not before {when}", { when: when(task.not_before) }), kind: "warn" });
  return marks;
}

function firstLine(text) {
  const lines = (text ?? "").trim().split("\n");
  return lines.length > 1 ? `${lines[0]} …` : lines[0];
}

export function shortAddress(url) {
  if (!url) return "";
  try {
    const { host, pathname, search } = new URL(url);
    return host + (pathname === "/" ? "" : pathname) + search;
  } catch {
    return url;
  }
}

const STEP_GLYPHS = {
  navigate: "arrow",
  setViewport: "viewport",
  click: "pointer",
  doubleClick: "pointer",
  hover: "pointer",
  change: "text",
  keyDown: "keyboard",
  keyUp: "keyboard",
  scroll: "scroll",
  waitForElement: "eye",
  waitForExpression: "eye",
  close: "cross",
  emulateNetworkConditions: "network",
  screenshot: "camera",
  extract: "extract",
  download: "download",
  assertText: "assert",
};

const STEP_WORDS = {
  navigate: (s) => t("Open {url}", { url: s.url ?? "" }),
  setViewport: (s) => t("Set the window to {width} × {height}", s),
  click: (s) => t("Click {what}", { what: target(s.selectors) }),
  doubleClick: (s) => t("Double-click {what}", { what: target(s.selectors) }),
  hover: (s) => t("Move over {what}", { what: target(s.selectors) }),
  change: (s) => t("Fill {what} with {value}", { what: target(s.selectors), value: valueWords(s.value) }),
  keyDown: (s) => t("Press {key}", s),
  keyUp: (s) => t("Let go of {key}", s),
  scroll: (s) =>
    s.selectors
      ? t("Scroll {what}", { what: target(s.selectors) })
      : t("Scroll the page to {x}, {y}", { x: s.x ?? 0, y: s.y ?? 0 }),
  waitForElement: (s) =>
    s.count === undefined || s.count === null
      ? t("Wait for {what}", { what: target(s.selectors) })
      : t("Wait for {what} ({operator} {count})", {
          what: target(s.selectors),
          operator: s.operator ?? ">=",
          count: s.count,
        }),
  waitForExpression: (s) => t("Wait until {expression}", s),
  close: () => t("Close the page"),
  emulateNetworkConditions: () => t("Slow down the network"),
  screenshot: (s) => t("Take a screenshot: {name}", { name: s.parameters?.name ?? "screenshot" }),
  extract: (s) =>
    t("Read {name} from {what}", { name: s.parameters?.name ?? "", what: target(s.parameters?.selectors) }),
  download: (s) => t("Download {what}", { what: target(s.parameters?.selectors) }),
  assertText: (s) =>
    t("Check that {what} says “{text}”", { what: target(s.parameters?.selectors), text: s.parameters?.text ?? "" }),
};

const stepKey = (step) => (step.type === "customStep" ? step.name : step.type);
export const stepGlyph = (step) => STEP_GLYPHS[stepKey(step)] ?? "info";
export const stepWords = (step) => STEP_WORDS[stepKey(step)]?.(step) ?? String(stepKey(step));
export const stepSelectors = (step) => step.selectors ?? step.parameters?.selectors ?? null;

function valueWords(value) {
  if (value && typeof value === "object") return t("secret {name}", { name: value.secret });
  return `“${value}”`;
}

/** The most readable alternative: its accessible name, its text, else the selector. */
function target(selectors) {
  const ends = [selectors ?? []]
    .flat()
    .map((one) => (Array.isArray(one) ? one.at(-1) : one))
    .filter(Boolean);
  const aria = ends.find((one) => one.startsWith("aria/"));
  if (aria) return `“${aria.slice(5).replace(/\[.*$/, "")}”`;
  const text = ends.find((one) => one.startsWith("text/"));
  if (text) return `“${text.slice(5)}”`;
  return ends[0] ?? "?";
}
