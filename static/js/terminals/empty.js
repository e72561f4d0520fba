// What stands in the terminals' place before there is one: what a terminal here is for, and one button.
import { button, h, icon } from "../dom.js";
import { t, tn } from "../i18n.js";

export function emptyPanel({ open, showHidden }) {
  const first = h(
    "div",
    { class: "term-welcome" },
    h("h2", {}, t("A shell that stays when you leave")),
    h(
      "p",
      { class: "lead" },
      t(
        "Start a build or a log here and close the laptop. The terminal goes on at the server: open this page on any device and find the very screen again.",
      ),
    ),
    h("ul", { class: "term-reasons" }, [
      reason("history", t("It outlives the tab, the connection and a restart of the server.")),
      reason("team", t("Several people may look and type at the same time, by a link that you can take back.")),
      reason("play", t("Everything is recorded: replay it, search it, download it.")),
    ]),
    h(
      "div",
      {},
      button({ label: t("Open a terminal"), glyph: "plus", kind: "primary", id: "first-terminal-button", on: open }),
    ),
  );
  const words = h("p", { class: "lead" });
  const hidden = h(
    "div",
    { class: "term-welcome" },
    h("h2", {}, t("All tabs are hidden")),
    words,
    h("div", {}, button({ label: t("Show them"), glyph: "eye", kind: "primary", on: showHidden })),
    h("div", {}, button({ label: t("New terminal"), glyph: "plus", on: open })),
  );
  const element = h("div", { class: "term-empty", hidden: true }, first, hidden);
  return {
    element,
    draw(shown, hiddenCount) {
      element.hidden = !shown;
      first.hidden = hiddenCount > 0;
      hidden.hidden = !hiddenCount;
      words.textContent = tn(
        hiddenCount,
        "{n} terminal is there without a tab.",
        "{n} terminals are there without a tab.",
      );
    },
  };
}

const reason = (glyph, text) => h("li", {}, icon(glyph), h("span", {}, text));
