// Words in the person's language. The page carries the catalogue; English is the key.

const catalogue = JSON.parse(document.getElementById("messages")?.textContent || "{}");
export const language = document.documentElement.lang || "en";

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Translate a text with `{name}` places. */
export function t(text, values = {}) {
  return fill(catalogue[text] || text, values);
}

/** Translate by number; `{n}` is the number. */
export function tn(n, one, many, values = {}) {
  return fill(catalogue[one] || (n === 1 ? one : many), { n, ...values });
}

/** A text that only the server knows (a hint, a message): translated if the catalogue has it. */
export function translateServerText(text) {
  return catalogue[text] || text;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "";
  if (seconds < 10) return t("{n} s", { n: Math.max(0, seconds).toFixed(1) });
  if (seconds < 60) return t("{n} s", { n: Math.round(seconds) });
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours) return t("{h} h {m} min", { h: hours, m: String(minutes).padStart(2, "0") });
  return t("{m} min {s} s", { m: minutes, s: String(rest).padStart(2, "0") });
}

/** A running clock: 0:07, 12:40, 3:02:11. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

const dateTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
export const when = (iso) => (iso ? dateTime.format(new Date(iso)) : "");

const time = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });

/** Today's time, or the day. */
export function shortWhen(iso) {
  const date = new Date(iso);
  return (date.toDateString() === new Date().toDateString() ? time : day).format(date);
}

export function bytes(n) {
  const units = ["B", "KB", "MB", "GB"];
  let step = 0;
  for (; n >= 1024 && step < units.length - 1; step += 1) n /= 1024;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: n < 10 && step ? 1 : 0 }).format(n)} ${units[step]}`;
}

export function percent(value) {
  return value === null || value === undefined ? "" : `${Math.round(value)}%`;
}
