// Finding text in a recording: the output of all events as one text without escape sequences, and when each part came.

// eslint-disable-next-line no-control-regex -- these are the control characters
const ESCAPE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const LONGEST_ESCAPE = 4096;
const MOST_HITS = 500;
const AROUND = 60;

export class CastText {
  #text;
  #starts = [];
  #times = [];

  /** `events` as `timed` gives them. */
  constructor(events) {
    const parts = [];
    let length = 0;
    let rest = "";
    for (const [at, code, data] of events) {
      if (code !== "o") continue;
      const [text, unfinished] = plain(rest + data);
      rest = unfinished;
      if (!text) continue;
      this.#starts.push(length);
      this.#times.push(at);
      parts.push(text);
      length += text.length;
    }
    this.#text = parts.join("");
  }

  /** [{at (s), before, match, after}], at most 500; `more` says whether there are others. */
  find(words) {
    const hits = [];
    if (!words) return { hits, more: false };
    const wanted = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
    for (const found of this.#text.matchAll(wanted)) {
      if (hits.length === MOST_HITS) return { hits, more: true };
      hits.push(this.#hit(found.index, found[0]));
    }
    return { hits, more: false };
  }

  #hit(index, match) {
    const end = index + match.length;
    const before = this.#text
      .slice(Math.max(0, index - AROUND), index)
      .split(/[\r\n]/)
      .at(-1);
    const after = this.#text.slice(end, end + AROUND).split(/[\r\n]/)[0];
    return { at: this.#timeOf(end - 1), before, match, after };
  }

  /** When the character at `index` came: the last event that starts at or before it. */
  #timeOf(index) {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#starts[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return this.#times[low] ?? 0;
  }
}

/** Text without escape sequences, and the beginning of one that goes on in the next event. */
export function plain(data) {
  const cut = UNFINISHED.exec(data.slice(-LONGEST_ESCAPE));
  const end = cut ? data.length - cut[0].length : data.length;
  return [data.slice(0, end).replace(ESCAPE, "").replace(CONTROL, ""), data.slice(end)];
}
