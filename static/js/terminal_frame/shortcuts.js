// Keys that the frame keeps from the shell. All but the text size are Ctrl+Shift, which shells cannot tell apart anyway.
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
    h("dl", { class: "keys" }, rows.map(([keys, words]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, words)))),
  );
}
