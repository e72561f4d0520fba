// Pasting: what would run by itself, or holds control characters, is shown first.
import { button, h } from "../dom.js";
import { ask, openDialog } from "../dialogs.js";
import { t, tn } from "../i18n.js";

// C0 without tab and line ends, DEL, C1: an escape sequence in a pasted text can end the brackets around it.
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
const PREVIEW_LINES = 12;
const PREVIEW_COLUMNS = 400;

const withoutControls = (text) => text.replace(CONTROL, "");
// Control pictures: ESC becomes ␛.
const visible = (text) =>
  text.replace(CONTROL, (char) => (char < " " ? String.fromCharCode(0x2400 + char.charCodeAt(0)) : "␡"));

/**
 * Paste into `term`, asking first if need be. Several lines are harmless where the program takes a paste as a whole
 * (bracketed paste); control characters never are.
 */
export async function pasteText(term, text) {
  if (!text) return;
  const controls = text.match(CONTROL)?.length ?? 0;
  const lines = text.replace(/\r?\n$/, "").split(/\r\n|\r|\n/).length;
  const runs = !term.modes.bracketedPasteMode && /[\r\n]/.test(text);
  if (!controls && !runs) {
    term.paste(text);
    return;
  }
  const answer = await ask(question(text, { controls, lines, runs }));
  if (answer === "as-is") term.paste(text);
  else if (answer === "clean") term.paste(withoutControls(text));
  else if (answer === "one-line")
    term.paste(
      withoutControls(text)
        .trim()
        .replace(/\s*[\r\n]+\s*/g, " "),
    );
  term.focus();
}

function question(text, { controls, lines, runs }) {
  const parts = [];
  if (runs) {
    parts.push(tn(lines, "This line runs as a command at once.", "Each of the {n} lines runs as a command at once."));
  }
  if (controls) {
    parts.push(
      tn(
        controls,
        "The text holds {n} control character, which a terminal obeys.",
        "The text holds {n} control characters, which a terminal obeys.",
      ),
    );
  }
  const answers = [{ value: "", label: t("Cancel") }];
  if (controls) answers.push({ value: "as-is", label: t("Paste as it is"), kind: "danger" });
  if (runs && lines > 1) answers.push({ value: "one-line", label: t("Paste as one line") });
  answers.push(
    controls
      ? { value: "clean", label: t("Paste without them"), kind: "primary" }
      : { value: "as-is", label: t("Paste"), kind: "primary" },
  );
  return { title: t("Paste this text?"), text: [...parts, preview(text)], answers, name: "paste" };
}

function preview(text) {
  const lines = visible(text).split(/\r\n|\r|\n/);
  const shown = lines.slice(0, PREVIEW_LINES).map((line) => line.slice(0, PREVIEW_COLUMNS));
  if (lines.length > PREVIEW_LINES) shown.push("…");
  return h(
    "pre",
    { class: "paste-preview", tabindex: 0, role: "region", "aria-label": t("The text") },
    shown.join("\n"),
  );
}

/** Paste from a button: the clipboard if the browser lets it be read, else a field to paste into. */
export async function pasteFromButton(term) {
  let text;
  try {
    text = await navigator.clipboard.readText();
  } catch {
    pasteField(term);
    return;
  }
  await pasteText(term, text);
  term.focus();
}

function pasteField(term) {
  const field = h("textarea", { class: "mono", rows: 5, "aria-label": t("Text to paste"), spellcheck: "false" });
  const submit = () => {
    dialog.close();
    pasteText(term, field.value);
  };
  const dialog = openDialog({ title: t("Paste"), size: "narrow", onSubmit: submit, name: "paste-field" });
  dialog.body.append(h("p", {}, t("The browser does not hand over its clipboard. Paste the text here.")), field);
  dialog.foot.append(
    button({ label: t("Cancel"), on: dialog.close }),
    h("button", { class: "button primary" }, t("Paste")),
  );
  field.focus();
}

/** Every paste event of the terminal's element goes through the question. */
export function guardPaste(term, mayType) {
  const take = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (mayType()) pasteText(term, event.clipboardData?.getData("text/plain") ?? "");
  };
  term.element.addEventListener("paste", take, true);
}
