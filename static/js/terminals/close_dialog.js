// Closing a terminal: only its tab, its program, or everything that is known of it. Then the receipt.
import { button, h, icon } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { errorWords } from "../error_words.js";
import { notice } from "../feedback.js";
import { t } from "../i18n.js";
import { receiptNotice } from "../receipt.js";
import { endTerminal, removeTerminal } from "./api.js";
import { isRunning, terminalName } from "./words.js";

/** `done(what)` follows what was done: "hide", "end" or "remove". Without `canHide` there is no tab to hide. */
export function openClose(terminal, { done, canHide = true }) {
  const ui = openDialog({
    title: t("Close {name}", { name: terminalName(terminal) }),
    size: "narrow",
    name: "close-terminal",
  });
  const running = isRunning(terminal);
  const choices = h("div", { class: "term-choices" }, [
    canHide &&
      choice(
        "eye",
        t("Hide the tab"),
        running
          ? t("The program goes on. The tab comes back from below the list.")
          : t("The tab comes back from below the list."),
        hide,
      ),
    running &&
      choice("stop", t("End the program"), t("All its processes are ended. The recording stays."), () =>
        act("end", endTerminal),
      ),
    choice(
      "trash",
      running ? t("End it and delete the recording") : t("Delete with the recording"),
      t("Nothing is left of it. This cannot be undone."),
      () => act("remove", removeTerminal),
      "danger",
    ),
  ]);
  ui.body.append(choices);
  ui.foot.append(button({ label: t("Cancel"), on: ui.leave }));
  choices.querySelector("button").focus();

  function hide() {
    ui.close();
    done("hide");
  }

  async function act(what, ask) {
    for (const one of choices.querySelectorAll("button")) one.disabled = true;
    ui.body.setAttribute("aria-busy", "true");
    try {
      showReceipt(await ask(terminal.terminalId));
      done(what);
    } catch (error) {
      const { title, message, hint } = errorWords(error);
      choices.replaceWith(notice("bad", title, [message, hint].filter(Boolean).join(" ")));
    } finally {
      ui.body.removeAttribute("aria-busy");
    }
  }

  function showReceipt(receipt) {
    if (!running) return ui.close();
    const box = h("div", { role: "status" }, receiptNotice(receipt));
    choices.replaceWith(box);
    const close = button({ label: t("Close"), kind: "primary", on: ui.close });
    ui.foot.replaceChildren(close);
    close.focus();
  }
  return ui.closed;
}

function choice(glyph, label, text, on, kind = "") {
  return h(
    "button",
    { type: "button", class: `term-choice ${kind}`, on: { click: on } },
    icon(glyph),
    h("span", {}, h("b", {}, label), h("span", { class: "soft small" }, text)),
  );
}
