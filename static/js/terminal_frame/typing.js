// From the keyboard to the shell: only while it may, and with the key bar's Ctrl and Alt.
import { focusReportFilter } from "./queries.js";

const LONGEST = 16_384; // UTF-16 units in one message, well below the server's limit in bytes
const encoder = new TextEncoder();

/** `data` in parts of at most LONGEST units, none of which ends in the middle of a surrogate pair. */
function* parts(data) {
  for (let at = 0; at < data.length;) {
    let end = Math.min(data.length, at + LONGEST);
    if (end < data.length && /[\ud800-\udbff]/.test(data[end - 1])) end -= 1;
    yield data.slice(at, end);
    at = end;
  }
}

/** `key` as it is with Ctrl held (^A is 1), or as it is where there is no such control character. */
function withControl(key) {
  if (key === " ") return "\0";
  if (key === "?") return "\x7f";
  return /^[@-_a-z]$/.test(key) ? String.fromCharCode(key.toUpperCase().charCodeAt(0) & 0x1f) : key;
}

export class Typing {
  #send;
  #refusal;
  #onRefused;
  /** The key bar's sticky keys: they hold for the next key. */
  ctrl = false;
  alt = false;
  onModifiersUsed = () => {};

  /**
   * `send(bytes)` puts bytes on their way. `refusal()` says why nobody may type now, or is empty; `onRefused(words)`
   * is called with it when somebody does.
   */
  constructor(term, { send, refusal, onRefused }) {
    this.#send = send;
    this.#refusal = refusal;
    this.#onRefused = onRefused;
    const wanted = focusReportFilter(term);
    term.onData((data) => wanted(data) && this.#type(data));
    term.onBinary((data) => this.mayType && send(Uint8Array.from(data, (char) => char.charCodeAt(0))));
  }

  get mayType() {
    return !this.#refusal();
  }

  /** Show why a key did nothing. */
  refuse() {
    this.#onRefused(this.#refusal());
  }

  #type(data) {
    if (!this.mayType) return;
    for (const part of parts(this.#modified(data))) this.#send(encoder.encode(part));
  }

  #modified(data) {
    if ((!this.ctrl && !this.alt) || [...data].length !== 1) return data;
    const key = this.ctrl ? withControl(data) : data;
    const changed = this.alt ? `\x1b${key}` : key;
    this.ctrl = this.alt = false;
    this.onModifiersUsed();
    return changed;
  }
}
