// What a person chose for all terminals in this browser.

const PREFIX = "bg-runner-terminal-";
export const DEFAULT_FONT = 14; // px
export const SMALLEST_FONT = 8;
export const LARGEST_FONT = 32;

function read(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // storage may be forbidden
  }
}

function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // the choice then lasts as long as the page
  }
}

const within = (size) => Math.min(LARGEST_FONT, Math.max(SMALLEST_FONT, Math.round(size)));

export function fontSize() {
  const stored = Number(read("font-size"));
  return stored ? within(stored) : DEFAULT_FONT;
}

/** Remember a size (px) and return it as it is allowed. */
export function keepFontSize(size) {
  const kept = within(size);
  write("font-size", String(kept));
  return kept;
}

export const screenReader = () => read("screen-reader") === "on";
export const keepScreenReader = (on) => write("screen-reader", on ? "on" : "off");

/** Call `listener` when another terminal of this browser changes a choice. */
export function onChange(listener) {
  addEventListener("storage", ({ key }) => key?.startsWith(PREFIX) && listener());
}
