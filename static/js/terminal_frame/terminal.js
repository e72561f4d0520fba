// xterm.js with its addons, set up for a terminal whose other half is the server.
import { Terminal } from "../../vendor/xterm/xterm.js";
import { FitAddon } from "../../vendor/xterm/addon-fit.js";
import { SearchAddon } from "../../vendor/xterm/addon-search.js";
import { Unicode11Addon } from "../../vendor/xterm/addon-unicode11.js";
import { WebLinksAddon } from "../../vendor/xterm/addon-web-links.js";
import { t } from "../i18n.js";
import { confirmAndOpen, openLink } from "./links.js";
import * as preferences from "./preferences.js";
import { swallowQueries } from "./queries.js";
import { colours } from "./theme.js";

export const SCROLLBACK = 10_000; // lines, as many as the server's snapshot has
export const MOST_MATCHES = 5_000;
const READABLE = 4.5; // WCAG 1.4.3

/** Make a terminal in `host`; returns {term, fit, search}. */
export function createTerminal(host) {
  Terminal.strings.promptLabel = t("Terminal");
  Terminal.strings.tooMuchOutput = t("Too much output to announce; move through the rows to read it.");
  const term = new Terminal({
    allowProposedApi: true, // unicode versions, and the search addon's decorations
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    fontSize: preferences.fontSize(),
    linkHandler: { activate: (_event, address) => confirmAndOpen(address), allowNonHttpProtocols: false },
    macOptionClickForcesSelection: true,
    minimumContrastRatio: READABLE,
    overviewRuler: { width: 12 },
    rightClickSelectsWord: false,
    screenReaderMode: preferences.screenReader(),
    scrollback: SCROLLBACK,
    theme: colours(),
  });
  const fit = new FitAddon();
  const search = new SearchAddon({ highlightLimit: MOST_MATCHES });
  term.loadAddon(fit);
  term.loadAddon(search);
  term.loadAddon(new Unicode11Addon());
  term.unicode.activeVersion = "11";
  term.loadAddon(new WebLinksAddon((_event, address) => openLink(address)));
  swallowQueries(term);
  term.open(host);
  return { term, fit, search };
}

/** The text of a buffer's row, without its trailing blanks. */
const rowText = (buffer, row) => buffer.getLine(row)?.translateToString(true) ?? "";

/** Every line of the active buffer, oldest first; wrapped rows are joined. */
export function bufferText(term) {
  const buffer = term.buffer.active;
  const lines = [];
  for (let row = 0; row < buffer.length; row += 1) {
    const line = buffer.getLine(row);
    if (line.isWrapped && lines.length) lines[lines.length - 1] += rowText(buffer, row);
    else lines.push(rowText(buffer, row));
  }
  return lines.join("\n").trimEnd();
}

/** The screen as rows of cells [characters, width, colour, background, flags], and where the cursor is: [row, column]. */
export function screenCells(term) {
  const buffer = term.buffer.active;
  const rows = [];
  for (let row = 0; row < term.rows; row += 1) {
    const line = buffer.getLine(buffer.baseY + row);
    rows.push(Array.from({ length: term.cols }, (_, column) => cellOf(line.getCell(column))));
  }
  return { rows, cursor: [buffer.cursorY, buffer.cursorX], kind: buffer.type };
}

function cellOf(cell) {
  const flags = ["isBold", "isItalic", "isDim", "isUnderline", "isInverse", "isInvisible", "isStrikethrough"];
  const colour = (which) => {
    if (cell[`is${which}Default`]()) return "";
    const value = cell[`get${which}Color`]();
    return cell[`is${which}RGB`]() ? `#${value.toString(16).padStart(6, "0")}` : value;
  };
  const style = [colour("Fg"), colour("Bg"), flags.map((flag) => (cell[flag]() ? 1 : 0)).join("")];
  return [cell.getChars() || " ", cell.getWidth(), ...style];
}
