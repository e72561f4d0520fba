// What a program asks its terminal is answered once, by the server. A browser that answered too would put the answer
// into the shell as if it had been typed, most of all when old output is shown again. So questions are dropped here.

// CSI sequences that ask: DA1, DA2, DA3, DSR, DECDSR, DECRQM (ANSI, private), XTVERSION, DECREQTPARM, DECRQPSR,
// DECRQCRA, the kitty keyboard's query, DECRQTSR.
const ASKING = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" },
  { final: "x" },
  { intermediates: "$", final: "w" },
  { intermediates: "*", final: "y" },
  { prefix: "?", final: "u" },
  { intermediates: "$", final: "u" },
];
// DCS: DECRQSS, XTGETTCAP.
const ASKING_STRINGS = [
  { intermediates: "$", final: "q" },
  { intermediates: "+", final: "q" },
];
// OSC colours: palette, special colours, foreground to highlight. Setting them is fine, asking is not.
const COLOURS = [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const CLIPBOARD = 52;
// CSI t: pushing and popping titles does no harm; everything else asks, or moves windows.
const TITLE_STACK = new Set([22, 23]);

/** Make `term` silent: it obeys what it can show and answers nothing. */
export function swallowQueries(term) {
  const { parser } = term;
  for (const id of ASKING) parser.registerCsiHandler(id, () => true);
  for (const id of ASKING_STRINGS) parser.registerDcsHandler(id, () => true);
  for (const colour of COLOURS) parser.registerOscHandler(colour, (data) => data.split(";").includes("?"));
  parser.registerOscHandler(CLIPBOARD, () => true);
  parser.registerCsiHandler({ final: "t" }, ([operation]) => !TITLE_STACK.has(operation));
}

const FOCUS_REPORTS = new Set(["\x1b[I", "\x1b[O"]);

/**
 * A test for what `term` wants to send: false for a report of focus that xterm.js makes because output switched these
 * reports on, and not because the focus moved. It would reach the shell when that output is an old one.
 */
export function focusReportFilter(term) {
  let moving = false;
  const watch = (type, capture, value) => term.element.addEventListener(type, () => (moving = value), capture);
  watch("focus", true, true);
  watch("blur", true, true);
  watch("focusin", false, false);
  watch("focusout", false, false);
  return (data) => moving || !FOCUS_REPORTS.has(data);
}
