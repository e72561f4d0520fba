// Reading a recording (asciicast v2) line by line, never more of it than a page can hold.

/** Characters of a recording that a page keeps; the download has everything. */
export const MOST_CHARACTERS = 16 * 1024 * 1024;
const SIZE_EVENT = /^\[[\d.]+, *"r"/;

/**
 * A recording's beginning or, with `fromEnd`, its end: {header, events: [[seconds, code, data]], cut, bytes}.
 * `cut`: not all of it is there. `bytes` of text were read. A torn last line is dropped. `progress(bytes)` is told now and then.
 */
export async function readCast(response, { fromEnd = false, most = MOST_CHARACTERS, progress = () => {} } = {}) {
  const keeper = fromEnd ? new LastLines(most) : new FirstLines(most);
  let header = null;
  let bytes = 0;
  for await (const lines of linesOf(response.body, (size) => progress((bytes += size)))) {
    for (const line of lines) {
      if (header === null) header = JSON.parse(line);
      else keeper.add(line);
    }
    if (keeper.full) break; // ends the download as well
  }
  if (header?.version !== 2) throw new Error("not an asciicast v2 recording");
  const events = keeper.lines().map(parse).filter(Boolean);
  // From the middle: with the size that held there.
  if (keeper.size) [header.width, header.height] = keeper.size.split("x").map(Number);
  return { header, events, cut: keeper.cut, bytes };
}

function parse(line) {
  try {
    const event = JSON.parse(line);
    return Array.isArray(event) && typeof event[0] === "number" ? event : null;
  } catch {
    return null; // the torn end
  }
}

/** The whole lines of a byte stream, chunk by chunk; leaving the loop cancels the stream. */
async function* linesOf(body, read) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (!done) read(value.length);
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop();
      yield lines.filter(Boolean);
      if (done) break;
    }
    if (rest) yield [rest];
  } finally {
    await reader.cancel();
  }
}

class FirstLines {
  #lines = [];
  #characters = 0;
  size = null;
  full = false;

  constructor(most) {
    this.most = most;
  }

  add(line) {
    if (this.#characters + line.length > this.most) this.full = true;
    if (this.full) return;
    this.#characters += line.length;
    this.#lines.push(line);
  }

  get cut() {
    return this.full;
  }

  lines() {
    return this.#lines;
  }
}

class LastLines {
  #lines = [];
  #from = 0;
  #characters = 0;
  size = null;
  full = false;
  cut = false;

  constructor(most) {
    this.most = most;
  }

  add(line) {
    this.#lines.push(line);
    this.#characters += line.length;
    while (this.#characters > this.most) {
      const gone = this.#lines[this.#from];
      this.#lines[this.#from++] = null;
      this.#characters -= gone.length;
      this.cut = true;
      if (SIZE_EVENT.test(gone)) this.size = parse(gone)?.[2] ?? this.size;
    }
    if (this.#from > 100_000) {
      this.#lines.splice(0, this.#from);
      this.#from = 0;
    }
  }

  lines() {
    return this.#lines.slice(this.#from);
  }
}

/** The events from second 0 on; with `longestPause` (s) what is slower is drawn together. */
export function timed(events, longestPause = Infinity) {
  let before = events[0]?.[0] ?? 0;
  let now = 0;
  return events.map(([at, code, data]) => {
    now += Math.max(0, Math.min(longestPause, at - before));
    before = at;
    return [now, code, data];
  });
}
