// Modal dialogs: made when opened, gone when closed, the focus goes back to where it was.
import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";

let counter = 0;

/**
 * Open a dialog with a heading. `size` is "", "narrow" or "wide"; `onSubmit` makes it a form.
 * Returns {dialog, body, foot, close, closed}; `closed` resolves when it is gone.
 * `guard` is asked before Escape or the cross closes it: return false to stay.
 */
export function openDialog({ title, size = "", onSubmit, guard, name = "" }) {
  counter += 1;
  const back = document.activeElement;
  const heading = h("h2", { id: `dialog-title-${counter}` }, title);
  const body = h("div", { class: "dialog-body" });
  const foot = h("div", { class: "dialog-foot" });
  const dialog = h("dialog", { class: size, "aria-labelledby": heading.id, dataset: { dialog: name } });
  const close = () => dialog.close();
  const leave = () => (guard?.() ?? true) && close();
  const head = h(
    "div",
    { class: "dialog-head" },
    heading,
    button({ title: t("Close"), glyph: "cross", kind: "quiet square", on: leave }),
  );
  const parts = [head, body, foot];
  if (onSubmit) {
    const submit = (event) => {
      event.preventDefault();
      onSubmit();
    };
    dialog.append(h("form", { novalidate: true, on: { submit } }, ...parts));
  } else dialog.append(...parts);
  const closed = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      (back?.isConnected ? back : document.querySelector("main")).focus();
      resolve(dialog.returnValue);
    });
  });
  dialog.addEventListener("cancel", (event) => {
    if (event.target !== dialog) return; // a file chooser's cancel bubbles up
    event.preventDefault();
    leave();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, body, foot, close, closed, leave };
}

/** Ask a question with two or more answers: [{value, label, kind}]. Resolves to the value, or null on Escape. */
export async function ask({ title, text, answers, name = "ask" }) {
  const { dialog, body, foot, closed } = openDialog({ title, size: "narrow", name });
  body.append(...[text].flat().map((part) => (typeof part === "string" ? h("p", {}, part) : part)));
  dialog.returnValue = "";
  for (const { value, label, kind } of answers) {
    foot.append(button({ label, kind, on: () => dialog.close(value) }));
  }
  foot.lastElementChild.focus();
  return (await closed) || null;
}

/** A small menu of actions under `anchor`, closed by Escape or a click elsewhere. items: [{label, glyph, on, disabled}] */
export function openMenu(anchor, items) {
  const menu = h("div", { class: "menu", popover: "auto" });
  for (const { label, glyph, on, kind = "", disabled } of items) {
    const choose = () => {
      menu.hidePopover();
      on();
    };
    menu.append(
      h(
        "button",
        { type: "button", class: `button small ${kind}`, disabled, on: { click: choose } },
        icon(glyph),
        h("span", {}, label),
      ),
    );
  }
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    anchor.setAttribute("aria-expanded", "false");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) anchor.focus();
    menu.remove();
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const entries = [...menu.querySelectorAll("button:not(:disabled)")];
    entries.at((entries.indexOf(document.activeElement) + step) % entries.length)?.focus();
  });
  anchor.after(menu);
  menu.showPopover();
  const [box, size] = [anchor.getBoundingClientRect(), menu.getBoundingClientRect()];
  const below = box.bottom + size.height + 8 < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(box.right - size.width, innerWidth - size.width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - size.height - 4)}px`;
  anchor.setAttribute("aria-expanded", "true");
  menu.querySelector("button:not(:disabled)")?.focus();
}
