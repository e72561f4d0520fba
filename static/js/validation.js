// The server's rules for a task, told before it is sent. Returns a Map of field name to message.
import { t } from "./i18n.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const LONGEST_TIMEOUT = 30 * 86400;

export function isWebAddress(url) {
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** Problems of a task as the form holds it; `envLines` is [{name, value}]. */
export function taskProblems(task, envLines = []) {
  const problems = new Map();
  const claim = (holds, field, message) => holds || problems.has(field) || problems.set(field, message);
  claim(task.name.length <= 200, "name", t("At most {n} characters.", { n: 200 }));
  claim(
    task.timeout === null || (task.timeout > 0 && task.timeout <= LONGEST_TIMEOUT),
    "timeout",
    t("More than 0 and at most 30 days in seconds."),
  );
  claim(
    !(task.not_before && task.expires_at) || task.not_before < task.expires_at,
    "expires_at",
    t("This is before the first date."),
  );
  if (task.kind === "shell") shellProblems(task, envLines, claim);
  else browserProblems(task, claim);
  return problems;
}

function shellProblems(task, envLines, claim) {
  claim(task.command.trim() !== "", "command", t("Enter a command."));
  claim(task.command.length <= 100_000, "command", t("At most {n} characters.", { n: 100_000 }));
  const seen = new Set();
  envLines.forEach(({ name }, at) => {
    claim(ENV_NAME.test(name), `env.${at}`, t("Letters, digits and _; not a digit first."));
    claim(!seen.has(name), `env.${at}`, t("This name is there twice."));
    seen.add(name);
  });
}

function browserProblems(task, claim) {
  claim(
    task.start_url === null || isWebAddress(task.start_url),
    "start_url",
    t("Enter an address that starts with http:// or https://."),
  );
  claim(
    task.start_url !== null || task.path.some((step) => step.type === "navigate"),
    "start_url",
    t("Enter an address, or make the first step open one."),
  );
  claim(task.profile === null || NAME.test(task.profile), "profile", t("Letters, digits, - and _."));
  for (const side of ["width", "height"]) {
    const size = task.viewport?.[side] ?? 1000;
    claim(
      Number.isInteger(size) && size >= 100 && size <= 7680,
      side,
      t("A whole number from {low} to {high}.", { low: 100, high: 7680 }),
    );
  }
}

/** The fields of a server error under `tasks.<index>`, as field names of the form. */
export function serverProblems(error, index) {
  const problems = new Map();
  for (const { path, message } of fieldsOf(error)) {
    const parts = String(path)
      .split(".")
      .filter((part) => !["body", "shell", "browser"].includes(part));
    const at = parts[0] === "tasks" ? 2 : 0;
    if (at === 2 && Number(parts[1]) !== index) continue;
    const field = parts[at] ?? "";
    problems.set(
      field === "viewport" ? (parts[at + 1] ?? "width") : field,
      field === "path" ? t("Step {n}: {name}", { n: Number(parts[at + 1]) + 1, name: message }) : message,
    );
  }
  return problems;
}

/** The fields an error names: listed by the server, or at the head of its message ("tasks.2.cwd: ..."). */
export function fieldsOf(error) {
  if (error.fields?.length) return error.fields;
  const named = /^(tasks\.[\w.]+): ([^]*)$/.exec(error.message ?? "");
  return named ? [{ path: named[1], message: named[2] }] : [];
}
