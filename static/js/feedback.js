// Telling people things: toasts, banners, and the polite live region for screen readers.
import { button, byId, h, icon } from "./dom.js";
import { errorWords } from "./error_words.js";
import { t } from "./i18n.js";

/** Say it once to a screen reader. Only changes of state, never a number that counts. */
export function announce(text) {
  byId("live").textContent = text;
}

/** A short message at the bottom, with an optional action. It stays long enough to be reached by keyboard. */
export function toast(text, { action, onAction, seconds = 8 } = {}) {
  const close = () => {
    clearTimeout(timer);
    box.remove();
  };
  const box = h("div", { class: "toast" }, h("span", {}, text));
  if (action) box.append(button({ label: action, kind: "small", on: () => (close(), onAction()) }));
  box.append(button({ title: t("Close"), glyph: "cross", kind: "small square", on: close }));
  byId("toasts").replaceChildren(box);
  let timer = setTimeout(close, seconds * 1000);
  box.addEventListener("focusin", () => clearTimeout(timer));
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", () => (timer = setTimeout(close, seconds * 1000)));
  announce(text);
}

export function toastError(error) {
  const { title, message, hint } = errorWords(error);
  toast([title, message, hint].filter((part, at, all) => part && all.indexOf(part) === at).join(" · "), {
    seconds: 15,
  });
}

const glyphs = { bad: "failed", warn: "warning", good: "done", info: "info" };

/** A notice box: `kind` bad, warn, good or info; every text is text. */
export function notice(kind, title, text = "", ...actions) {
  return h(
    "div",
    { class: `notice ${kind}` },
    icon(glyphs[kind]),
    h("div", {}, title && h("strong", {}, title), title && text && h("br"), text),
    ...actions,
  );
}

/** Show, replace or (with null) remove the banner called `name`. Unchanged banners are left alone. */
export function banner(name, node) {
  const present = byId("banners").querySelector(`[data-banner="${CSS.escape(name)}"]`);
  if (!node) {
    present?.remove();
    return;
  }
  node.dataset.banner = name;
  if (!present) byId("banners").append(node);
  else if (present.textContent !== node.textContent) present.replaceWith(node);
}
