// One title of the tab for two things that want it: the run, and the terminal while terminals are looked at.

const parts = { run: "bg-runner", terminal: null };

/** `text` null: this part has nothing to say. The terminal's goes before the run's. */
export function setTitle(part, text) {
  parts[part] = text;
  const title = parts.terminal ?? parts.run;
  if (document.title !== title) document.title = title;
}
