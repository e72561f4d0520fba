// Keys that the frame keeps from the shell: Ctrl+Shift, which a shell cannot tell from Ctrl anyway, and the text size.
import { h } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { t } from "../i18n.js";

export const LEAVE_KEY = "Ctrl+Shift+.";

const WITH_SHIFT = { Period: "leave", KeyC: "copy", KeyV: "paste", KeyF: "search", KeyX: "mark" };
const SIZES = { "+": "larger", "=": "larger", "-": "smaller", 0: "default-size" };

/** The action of a keydown, or null: leave, copy, paste, search, mark, larger, smaller, default-size. */
export function shortcutOf(event) {
  if (event.altKey || !(event.ctrlKey || event.metaKey)) return null;
  // By the key's place, since with Shift its character depends on the keyboard's language.
  if (event.shiftKey && Object.hasOwn(WITH_SHIFT, event.code)) return WITH_SHIFT[event.code];
  return SIZES[event.key] ?? null;
}

const MODIFIERS = new Set(["Control", "Shift", "Alt", "Meta"]);

/** Share the keyboard out between shortcuts (`act` by name), the mark, the shell, and the page. */
export function shareKeyboard(term, { act, mark, typing }) {
  // What returns false here is not for the shell; the browser and the listener below still get it.
  term.attachCustomKeyEventHandler((event) => {
    if (shortcutOf(event)) return false;
    if (event.type === "keydown" && mark.take(event)) return false;
    if (mark.active) return false;
    if (typing.mayType) return true;
    // Without a shell behind it, Tab is the page's again.
    const isTyping = event.type === "keydown" && event.key !== "Tab" && !MODIFIERS.has(event.key);
    if (isTyping && !event.ctrlKey && !event.metaKey) typing.refuse();
    return event.shiftKey && event.key.startsWith("Page");
  });
  document.addEventListener("keydown", (event) => {
    const action = shortcutOf(event);
    if (!action || document.querySelector("dialog[open]")) return;
    if (action === "paste") return; // the browser makes a paste event of it
    event.preventDefault();
    act[action]();
  });
}

/** A table of the keys. */
export function showShortcuts() {
  const { body } = openDialog({ title: t("Keys in the terminal"), size: "narrow", name: "shortcuts" });
  const rows = [
    [LEAVE_KEY, t("Leave the terminal (Tab goes to the shell)")],
    ["Ctrl+Shift+F", t("Search")],
    ["Ctrl+Shift+C", t("Copy the selection")],
    ["Ctrl+Shift+V", t("Paste")],
    ["Ctrl+Shift+X", t("Select with the keyboard")],
    ["Ctrl++  Ctrl+-  Ctrl+0", t("Larger, smaller, default text size")],
    [t("Shift+Page up, Shift+Page down"), t("Scroll")],
    [t("Shift+drag"), t("Select where a program uses the mouse")],
  ];
  body.append(
    h(
      "dl",
      { class: "keys" },
      rows.map(([keys, words]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, words))),
    ),
  );
}
