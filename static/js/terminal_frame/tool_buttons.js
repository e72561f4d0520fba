// The buttons of the bar, and the menu behind the last of them.
import { button, byId } from "../dom.js";
import { openMenu } from "../dialogs.js";
import { t } from "../i18n.js";
import { LEAVE_KEY, showShortcuts } from "./shortcuts.js";

/** `act`: what the buttons do, search, copy, copyScreen, paste, mark, larger, smaller, defaultSize, screenReader. */
export function toolButtons(act, { readsAloud, mayType }) {
  const quiet = "quiet square small";
  const more = button({
    title: t("More"),
    glyph: "more",
    kind: quiet,
    id: "more-button",
    "aria-haspopup": "menu",
    on: () => openMore(),
  });
  const openMore = () =>
    openMenu(more, [
      { label: t("Copy what is shown"), glyph: "copy", on: act.copyScreen },
      { label: t("Select with the keyboard"), glyph: "text", on: act.mark },
      { label: t("Larger text"), glyph: "plus", on: act.larger },
      { label: t("Smaller text"), glyph: "skipped", on: act.smaller },
      { label: t("Default text size"), glyph: "retry", on: act.defaultSize },
      {
        label: readsAloud() ? t("Screen reader mode: on") : t("Screen reader mode: off"),
        glyph: readsAloud() ? "done" : "pending",
        on: act.screenReader,
      },
      { label: t("Keys in the terminal"), glyph: "keyboard", on: showShortcuts },
    ]);
  byId("tools").append(
    button({ title: t("Search (Ctrl+Shift+F)"), glyph: "search", kind: quiet, id: "search-button", on: act.search }),
    button({
      title: t("Copy the selection (Ctrl+Shift+C)"),
      glyph: "copy",
      kind: quiet,
      id: "copy-button",
      on: act.copy,
    }),
    button({ title: t("Paste (Ctrl+Shift+V)"), glyph: "paste", kind: quiet, id: "paste-button", on: act.paste }),
    more,
  );
  byId("leave-key").textContent = t("{key} leaves the terminal", { key: LEAVE_KEY });
  return { update: () => (byId("paste-button").disabled = !mayType()) };
}
