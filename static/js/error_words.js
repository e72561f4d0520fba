// What the codes of docs/errors.md are called on the page.
import { t, translateServerText } from "./i18n.js";

const TITLES = {
  ADDRESS_BLOCKED: () => t("This address may not be opened"),
  ALREADY_RUNNING: () => t("A run is going on already"),
  ARTIFACT_UNKNOWN: () => t("That file is no longer there"),
  ASSERTION_FAILED: () => t("The page did not show what was expected"),
  BROWSER_CRASHED: () => t("The browser crashed"),
  CREATE_FAILED: () => t("The program could not be started"),
  CWD_MISSING: () => t("The working directory does not exist"),
  CWD_REFUSED: () => t("No terminal may start in this directory"),
  DISK_FULL: () => t("The disk is full"),
  ELEMENT_NOT_FOUND: () => t("The element was not found"),
  EXIT_NON_ZERO: () => t("The command ended with an error"),
  HOST_GONE: () => t("The terminal host does not answer"),
  IMPORT_REFUSED: () => t("This recording cannot be imported"),
  INTERNAL_ERROR: () => t("Something went wrong in the server"),
  INTERRUPTED: () => t("Interrupted"),
  INVALID_FIELD: () => t("A field needs another value"),
  INVALID_INPUT: () => t("This cannot be typed"),
  INVALID_PATTERN: () => t("This is not a search pattern"),
  KILLED_BY_SIGNAL: () => t("The command was killed"),
  NAVIGATION_FAILED: () => t("The page could not be opened"),
  NO_BROWSER: () => t("There is no browser on the server"),
  NO_PATH: () => t("The task has no steps"),
  NO_TASKS_CHOSEN: () => t("No task is chosen"),
  NOTHING_TO_RETRY: () => t("Nothing is left to run again"),
  READ_FAILED: () => t("The output cannot be read"),
  REVISION_CONFLICT: () => t("The list was changed elsewhere"),
  SECRET_MISSING: () => t("A secret is missing"),
  SERVER_AWAY: () => t("The server does not answer"),
  SESSION_UNKNOWN: () => t("This workspace does not exist"),
  SHARE_UNKNOWN: () => t("This share link does not hold any more"),
  SHELL_MISSING: () => t("The shell does not exist"),
  SHUTTING_DOWN: () => t("The server is shutting down"),
  SPAWN_FAILED: () => t("The command could not be started"),
  STATE_CORRUPT: () => t("A damaged file was set aside"),
  STEP_FAILED: () => t("A step failed"),
  STEP_TIMEOUT: () => t("A step took too long"),
  STORAGE_FAILED: () => t("The data directory cannot be written"),
  TASK_FAILED: () => t("The task failed"),
  TASK_TIMEOUT: () => t("The task took too long"),
  TERMINAL_ENDED: () => t("The program has ended"),
  TERMINAL_NOT_FOUND: () => t("This terminal does not exist"),
  TOO_LARGE: () => t("That is too large"),
  TOO_MANY: () => t("Too many requests"),
  TOO_MANY_TERMINALS: () => t("There are too many terminals"),
  UNAUTHORIZED: () => t("Your login has expired"),
  UNAVAILABLE: () => t("Not available right now"),
  URL_REFUSED: () => t("Only http and https addresses are opened"),
  VIEW_ONLY: () => t("This link only lets watch"),
  WRITE_FAILED: () => t("The program takes no input at present"),
};

export const errorTitle = (code) => TITLES[code]?.() ?? t("That did not work");

/** Title, the server's own message where it says more, and the hint: for a notice or a toast. */
export function errorWords(error) {
  return {
    title: errorTitle(error.code),
    message: error.code === "SERVER_AWAY" ? "" : translateServerText(error.message ?? ""),
    hint: translateServerText(error.hint ?? ""),
  };
}
