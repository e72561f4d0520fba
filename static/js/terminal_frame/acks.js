// Tells the server how far the terminal has been drawn, so that it never sends more than a browser can take.

const EVERY = 128 * 1024; // bytes
const IDLE = 50; // ms

export class Acks {
  #tell;
  #told = 0;
  #timer = 0;

  /** `tell(cursor)` acknowledges everything before `cursor` (bytes of the terminal's log). */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Everything before `cursor` has been parsed. */
  parsed(cursor) {
    clearTimeout(this.#timer);
    if (cursor - this.#told >= EVERY || cursor < this.#told) this.#now(cursor);
    else this.#timer = setTimeout(() => this.#now(cursor), IDLE);
  }

  #now(cursor) {
    this.#told = cursor;
    this.#tell(cursor);
  }
}
