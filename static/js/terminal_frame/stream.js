// Output and snapshots into xterm.js: in order, without a gap, never a byte twice; says what has been parsed.

// CAN ends a sequence that was cut off, RIS resets. In one write with the snapshot, since xterm.js parses a write
// without painting in between: a terminal that is painted anew does not flicker.
const RESET = Uint8Array.of(0x18, 0x1b, 0x63);

export class Stream {
  #term;
  #onParsed;
  #onGap;
  #unparsed = 0;
  #waiting = []; // what comes after a resize that has to wait for the parser
  #lost = false;

  /** `onParsed(cursor)` after each parsed write; `onGap()` when bytes are missing: a snapshot is needed. */
  constructor(term, { onParsed, onGap }) {
    this.#term = term;
    this.#onParsed = onParsed;
    this.#onGap = onGap;
    /** The log is known up to here (bytes since the terminal began); null before the first output or snapshot. */
    this.cursor = null;
    /** Whether the scrollback is here, too: a screen alone is nothing to go on from after a break. */
    this.isWhole = true;
  }

  /** Output that begins at `begin`. What is known already is skipped. */
  output(begin, payload) {
    if (this.cursor === null) this.cursor = begin;
    if (begin > this.cursor) {
      if (!this.#lost) this.#onGap();
      this.#lost = true;
    }
    if (this.#lost) return;
    const known = this.cursor - begin;
    if (known >= payload.length) return;
    this.cursor = begin + payload.length;
    this.#write(known ? payload.subarray(known) : payload, this.cursor);
  }

  /** A snapshot replaces everything; output goes on at `cursor`. One that is not `whole` is followed by one that is. */
  snapshot(cursor, payload, whole) {
    const data = new Uint8Array(RESET.length + payload.length);
    data.set(RESET);
    data.set(payload, RESET.length);
    this.cursor = cursor;
    this.isWhole = whole;
    this.#lost = false;
    this.#write(data, cursor);
  }

  /** The size for what follows; xterm.js would apply it before what is still to be parsed. */
  resize(rows, cols) {
    this.afterParsing(() => this.#term.resize(cols, rows));
  }

  /** Call `act` when everything received so far has been parsed, and before what comes next. */
  afterParsing(act) {
    if (this.#unparsed || this.#waiting.length) this.#waiting.push(act);
    else act();
  }

  #write(data, end) {
    if (this.#waiting.length) this.#waiting.push(() => this.#writeNow(data, end));
    else this.#writeNow(data, end);
  }

  #writeNow(data, end) {
    this.#unparsed += 1;
    this.#term.write(data, () => {
      this.#unparsed -= 1;
      while (!this.#unparsed && this.#waiting.length) this.#waiting.shift()();
      this.#onParsed(end);
    });
  }
}
