// The terminal that is looked at, in the title of the browser's tab: its progress (OSC 9;4), its name, its end.
import { t } from "../i18n.js";
import { setTitle } from "../page_title.js";
import { isRunning, progressOf, progressWords, terminalName } from "./words.js";

export function showTerminalTitle(terminal) {
  if (!terminal) return setTitle("terminal", null);
  const progress = progressOf(terminal);
  const state = isRunning(terminal)
    ? progress && progressWords(progress)
    : terminal.status === "lost"
      ? t("lost")
      : t("stopped");
  setTitle("terminal", [state, terminalName(terminal), "bg-runner"].filter(Boolean).join(" · "));
}
