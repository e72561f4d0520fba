// A notification when a command that took long ends while nobody looks at the tab.
import { button } from "../dom.js";
import { duration, t } from "../i18n.js";
import { canNotify } from "../notify.js";
import { endWords, terminalName } from "./words.js";

const LONG_SECONDS = 10;

/** Hears what a frame says; `terminal()` is what is known of the terminal. */
export class CommandNews {
  constructor(terminal) {
    this.terminal = terminal;
  }

  /** The end of a command (OSC 133) tells how long it ran; a program without them is one long command. */
  hear({ type, event, code, seconds = 0 }) {
    if (type === "command" && event === "done") this.#ended(code, seconds);
    else if (type === "exit" || type === "lost") this.#exited();
  }

  #ended(code, seconds) {
    if (seconds < LONG_SECONDS) return;
    const took = { time: duration(seconds), code };
    this.#tell(
      code
        ? t("The command failed with exit code {code} after {time}.", took)
        : t("The command ended after {time}.", took),
    );
  }

  #exited() {
    const terminal = this.terminal();
    if ((Date.now() - Date.parse(terminal.created)) / 1000 >= LONG_SECONDS) this.#tell(endWords(terminal));
  }

  #tell(body) {
    if (!document.hidden || !canNotify() || Notification.permission !== "granted") return;
    const terminal = this.terminal();
    const shown = new Notification(terminalName(terminal), { body, tag: terminal.terminalId });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  }
}

/** The bell that asks for permission, once; null when there is nothing to ask. */
export function notificationButton(afterwards) {
  if (!canNotify() || Notification.permission !== "default") return null;
  const title = t("Notify me when a long command ends");
  const on = async () => {
    await Notification.requestPermission();
    afterwards();
  };
  return button({ title, glyph: "bell", kind: "quiet square term-bell", on });
}
