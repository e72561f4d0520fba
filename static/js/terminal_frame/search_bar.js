// Search over the whole scrollback.
import { button, byId, h, setText } from "../dom.js";
import { t } from "../i18n.js";
import { matchColours } from "./theme.js";

const SETTLE = 120; // ms after the last letter

/** The bar; returns {open, close, isOpen}. Enter and Shift+Enter go on and back, Escape closes. */
export function searchBar(term, search, { mostMatches }) {
  const bar = byId("search-bar");
  const field = h("input", {
    type: "search",
    "aria-label": t("Search in the terminal"),
    placeholder: t("Search"),
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
  });
  const count = h("output", { class: "numbers soft small", "aria-live": "polite" });
  const matchCase = toggle("Aa", t("Match case"));
  const regex = toggle(".*", t("Regular expression"));
  let timer = 0;

  const find = (backwards = false, incremental = false) => {
    clearTimeout(timer);
    field.removeAttribute("aria-invalid");
    if (!field.value) {
      search.clearDecorations();
      setText(count, "");
      return;
    }
    if (regex.pressed && !isRegex(field.value)) {
      field.setAttribute("aria-invalid", "true");
      search.clearDecorations();
      setText(count, t("Not a regular expression"));
      return;
    }
    const options = {
      regex: regex.pressed,
      caseSensitive: matchCase.pressed,
      decorations: matchColours(),
      incremental,
    };
    const found = backwards ? search.findPrevious(field.value, options) : search.findNext(field.value, options);
    if (!found) setText(count, t("No match"));
  };
  search.onDidChangeResults(({ resultIndex, resultCount }) => {
    if (!field.value || field.hasAttribute("aria-invalid")) return;
    const total = resultCount >= mostMatches ? `${mostMatches}+` : String(resultCount);
    if (!resultCount) setText(count, t("No match"));
    else setText(count, resultIndex < 0 ? total : t("{n} of {total}", { n: resultIndex + 1, total }));
  });

  const close = () => {
    bar.hidden = true;
    search.clearDecorations();
    term.focus();
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => find(true, false), SETTLE);
  });
  bar.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === field) find(!event.shiftKey);
    else return;
    event.preventDefault();
  });
  for (const one of [matchCase, regex]) {
    one.element.addEventListener("click", () => {
      search.clearDecorations(); // the addon takes other options for the same search and would not count anew
      find(true);
    });
  }
  bar.append(
    field,
    count,
    matchCase.element,
    regex.element,
    button({ title: t("Previous match (Enter)"), glyph: "up", kind: "quiet square small", on: () => find(true) }),
    button({ title: t("Next match (Shift+Enter)"), glyph: "down", kind: "quiet square small", on: () => find() }),
    button({ title: t("Close the search"), glyph: "cross", kind: "quiet square small", on: close }),
  );
  return {
    close,
    get isOpen() {
      return !bar.hidden;
    },
    open() {
      bar.hidden = false;
      const selected = term.getSelection();
      if (selected && !selected.includes("\n")) field.value = selected;
      field.focus();
      field.select();
      if (field.value) find(true);
    },
  };
}

function toggle(text, title) {
  const element = h(
    "button",
    { type: "button", class: "button quiet square small toggle", "aria-pressed": "false", title, "aria-label": title },
    text,
  );
  element.addEventListener("click", () => element.setAttribute("aria-pressed", String(element.ariaPressed !== "true")));
  return {
    element,
    get pressed() {
      return element.getAttribute("aria-pressed") === "true";
    },
  };
}

function isRegex(text) {
  try {
    return Boolean(new RegExp(text));
  } catch {
    return false;
  }
}
