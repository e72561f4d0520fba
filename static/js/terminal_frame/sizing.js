// One client decides how large the terminal is. Its frame follows its window; every other one shrinks its letters until
// the terminal fits.

const SMALLEST_SCALED = 7; // px; below nobody reads it, so the frame scrolls instead
const SETTLE = 80; // ms without a change before a new size is told

export class Sizing {
  #term;
  #fit;
  #host;
  #tell;
  #font;
  #timer = 0;
  #told = "";
  /** What would fit here in letters of the chosen size: {rows, cols}, or null while the frame has no area. */
  viewport = null;

  /** `tell({rows, cols})` is called when the frame has room for another size. */
  constructor(term, fit, host, { font, tell }) {
    this.#term = term;
    this.#fit = fit;
    this.#host = host;
    this.#font = font;
    this.#tell = tell;
    new ResizeObserver(() => this.#later()).observe(host);
    term.onResize(() => this.layout());
    document.fonts.ready.then(() => this.layout());
    this.layout();
  }

  /** The letters' size (px) that was chosen, before any shrinking. */
  set font(size) {
    this.#font = size;
    this.layout();
  }

  get font() {
    return this.#font;
  }

  /** Whether the terminal is as large as this frame has room for. */
  get matches() {
    const { viewport } = this;
    return !viewport || (viewport.rows === this.#term.rows && viewport.cols === this.#term.cols);
  }

  /** A new connection has been told nothing yet. */
  forget() {
    this.#told = "";
  }

  layout() {
    if (!this.#host.clientWidth || !this.#host.clientHeight) return;
    const room = this.#roomAt(this.#font);
    if (!room) return;
    this.viewport = room;
    let size = this.#font;
    for (let now = room; !this.#holds(now) && size > SMALLEST_SCALED; now = this.#roomAt(size)) {
      const scale = Math.min(now.cols / this.#term.cols, now.rows / this.#term.rows);
      size = Math.max(SMALLEST_SCALED, Math.min(size - 0.5, Math.floor(size * scale * 2) / 2));
    }
    this.#host.classList.toggle("too-small", !this.#holds(this.#roomAt(size)));
    this.#host.classList.toggle("partial", room.cols > this.#term.cols || room.rows > this.#term.rows);
    const key = `${room.rows}x${room.cols}`;
    if (key !== this.#told) {
      this.#told = key;
      this.#tell(room);
    }
  }

  #roomAt(size) {
    if (this.#term.options.fontSize !== size) this.#term.options.fontSize = size;
    const room = this.#fit.proposeDimensions();
    return room && { rows: room.rows, cols: room.cols };
  }

  #holds(room) {
    return room.cols >= this.#term.cols && room.rows >= this.#term.rows;
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.layout(), SETTLE);
  }
}
