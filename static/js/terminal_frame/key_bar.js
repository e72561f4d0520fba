// Keys that the keyboards of phones lack. Shown on touch screens and in narrow frames.
import { byId, h } from "../dom.js";
import { t } from "../i18n.js";

const CURSOR = { up: "A", down: "B", right: "C", left: "D", home: "H", end: "F" };

/** What a cursor key sends: by the program's cursor key mode, with xterm's modifier (1 + 2 for Alt + 4 for Ctrl). */
function cursorKey(term, name, { ctrl, alt }) {
  const modifier = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  if (modifier > 1) return `\x1b[1;${modifier}${CURSOR[name]}`;
  return `\x1b${term.modes.applicationCursorKeysMode ? "O" : "["}${CURSOR[name]}`;
}

/** Fill the bar. Its sticky Ctrl and Alt belong to `typing`. */
export function keyBar(term, typing) {
  const bar = byId("key-bar");
  const send = (data) => {
    if (!typing.mayType) typing.refuse();
    else term.input(data);
    term.focus();
  };
  const plain = (label, title, data) => key(label, title, () => send(data));
  const cursor = (label, title, name) =>
    key(label, title, () => {
      const { ctrl, alt } = typing;
      release();
      send(cursorKey(term, name, { ctrl, alt }));
    });
  const sticky = (label, title, name) => {
    const button = key(label, title, () => {
      typing[name] = !typing[name];
      button.setAttribute("aria-pressed", String(typing[name]));
      term.focus();
    });
    button.setAttribute("aria-pressed", "false");
    return button;
  };
  const ctrl = sticky("Ctrl", t("Ctrl for the next key"), "ctrl");
  const alt = sticky("Alt", t("Alt for the next key"), "alt");
  const release = () => {
    typing.ctrl = typing.alt = false;
    for (const one of [ctrl, alt]) one.setAttribute("aria-pressed", "false");
  };
  typing.onModifiersUsed = release;
  bar.append(
    plain("Esc", t("Escape"), "\x1b"),
    plain("Tab", t("Tab"), "\t"),
    ctrl,
    alt,
    cursor("←", t("Left"), "left"),
    cursor("↓", t("Down"), "down"),
    cursor("↑", t("Up"), "up"),
    cursor("→", t("Right"), "right"),
    cursor("Home", t("Home"), "home"),
    cursor("End", t("End"), "end"),
    plain("PgUp", t("Page up"), "\x1b[5~"),
    plain("PgDn", t("Page down"), "\x1b[6~"),
    ...["|", "~", "/", "-"].map((char) => key(char, char, () => send(char))),
  );
}

/** A key that leaves the focus, and so the phone's keyboard, where they are. */
function key(label, title, act) {
  const stay = (event) => event.preventDefault();
  // A screen reader reads the letters on a key (WCAG 2.5.3), and the title where there is only an arrow.
  const names = { title: label === title ? null : title, "aria-label": /\p{Letter}/u.test(label) ? null : title };
  return h(
    "button",
    { type: "button", class: "key", tabindex: -1, ...names, on: { pointerdown: stay, mousedown: stay, click: act } },
    label,
  );
}
