// Selecting with the keyboard: arrows move a mark over screen and scrollback, Shift extends, Enter copies.
import { announce } from "../feedback.js";
import { t } from "../i18n.js";

export class MarkMode {
  #term;
  #copy;
  #show;
  #anchor = 0;
  #caret = 0; // cell in the buffer: row * columns + column
  active = false;

  /** `copy()` copies the selection; `show(words)` says what the keys do, with "" nothing. */
  constructor(term, { copy, show }) {
    this.#term = term;
    this.#copy = copy;
    this.#show = show;
    term.onResize(() => this.leave());
  }

  enter() {
    const { active } = this.#term.buffer;
    this.active = true;
    this.#caret = this.#anchor =
      (active.baseY + active.cursorY) * this.#term.cols + Math.min(active.cursorX, this.#term.cols - 1);
    this.#draw();
    this.#show(t("Arrows move, Shift extends, Enter copies, Escape ends."));
  }

  leave() {
    if (!this.active) return;
    this.active = false;
    this.#show("");
    this.#term.clearSelection();
  }

  /** Take a keydown; returns whether it was for the mark. */
  take(event) {
    if (!this.active) return false;
    if (event.key === "Escape") this.leave();
    else if (event.key === "Enter" || (event.ctrlKey && event.key.toLowerCase() === "c")) {
      this.#copy();
      this.leave();
    } else if (event.ctrlKey && event.key.toLowerCase() === "a") this.#all();
    else this.#move(event);
    event.preventDefault();
    return true;
  }

  #move({ key, shiftKey }) {
    const { cols, rows } = this.#term;
    const column = this.#caret % cols;
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -cols,
      ArrowDown: cols,
      PageUp: -cols * (rows - 1),
      PageDown: cols * (rows - 1),
      Home: -column,
      End: cols - 1 - column,
    };
    if (!(key in steps)) return;
    const last = this.#term.buffer.active.length * cols - 1;
    this.#caret = Math.min(last, Math.max(0, this.#caret + steps[key]));
    if (!shiftKey) this.#anchor = this.#caret;
    this.#draw();
    if (!key.startsWith("ArrowL") && !key.startsWith("ArrowR")) this.#read();
  }

  #all() {
    this.#anchor = 0;
    this.#caret = this.#term.buffer.active.length * this.#term.cols - 1;
    this.#draw();
  }

  #draw() {
    const { cols, rows, buffer } = this.#term;
    const [start, end] = [Math.min(this.#anchor, this.#caret), Math.max(this.#anchor, this.#caret)];
    this.#term.select(start % cols, Math.floor(start / cols), end - start + 1);
    const row = Math.floor(this.#caret / cols);
    const top = buffer.active.viewportY;
    if (row < top) this.#term.scrollLines(row - top);
    else if (row >= top + rows) this.#term.scrollLines(row - top - rows + 1);
  }

  #read() {
    const row = Math.floor(this.#caret / this.#term.cols);
    announce(this.#term.buffer.active.getLine(row)?.translateToString(true) || t("Empty line"));
  }
}
