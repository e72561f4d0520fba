// Import of a Chrome DevTools Recorder file: paste or upload, see what was found, turn passwords into secrets, add.
import { call } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, h, icon } from "./dom.js";
import { errorWords } from "./error_words.js";
import { toast } from "./feedback.js";
import { checkbox, field, input, textarea } from "./fields.js";
import { t, tn, translateServerText } from "./i18n.js";
import { taskName } from "./task_words.js";
import { SECRET_NAME } from "./validation.js";

export function openImport(store) {
  new ImportDialog(store).open();
}

class ImportDialog {
  #found = null;
  #passwords = [];

  constructor(store) {
    this.store = store;
  }

  open() {
    this.ui = openDialog({
      title: t("Import a recording"),
      name: "import",
      onSubmit: () => (this.#found ? this.#add() : this.#read()),
    });
    this.summary = h("div", { role: "alert" });
    this.file = h("input", {
      type: "file",
      accept: ".json,application/json",
      class: "visually-hidden",
      tabindex: -1,
      "aria-hidden": "true",
      on: { change: () => this.#take(this.file.files[0]) },
    });
    this.area = textarea({
      class: "mono",
      rows: 10,
      placeholder: '{"title": "…", "steps": [ … ]}',
      on: { input: () => this.#reset() },
    });
    this.result = h("div", { class: "group" });
    this.submit = h("button", { class: "button primary" }, t("Read"));
    this.ui.body.append(
      h(
        "p",
        { class: "soft" },
        t(
          "In Chrome, open the developer tools, then Recorder. Record what you do, export it as JSON, and bring it here.",
        ),
      ),
      this.summary,
      this.#dropZone(),
      field({ name: "recording", label: t("Recording as JSON"), control: this.area }),
      this.result,
    );
    this.ui.foot.append(button({ label: t("Cancel"), on: this.ui.leave }), this.submit);
    this.area.focus();
  }

  #dropZone() {
    const zone = h(
      "div",
      { class: "drop" },
      button({ label: t("Choose a file"), glyph: "upload", kind: "small", on: () => this.file.click() }),
      h("span", {}, t("or drop it here, or paste below")),
      this.file,
    );
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      this.#take(event.dataTransfer.files[0]);
    });
    return zone;
  }

  async #take(file) {
    if (!file) return;
    this.area.value = await file.text();
    this.#reset();
    await this.#read();
  }

  #reset() {
    this.#found = null;
    this.result.replaceChildren();
    this.summary.replaceChildren();
    this.submit.textContent = t("Read");
  }

  #fail(text) {
    this.summary.replaceChildren(h("p", { class: "field-error" }, icon("failed"), h("span", {}, text)));
  }

  async #send(extra) {
    try {
      JSON.parse(this.area.value);
    } catch (error) {
      this.#fail(t("This is not JSON: {why}", { why: error.message }));
      return null;
    }
    try {
      return await call("/import", { method: "POST", body: { recording: this.area.value, ...extra } });
    } catch (error) {
      const { title, message, hint } = errorWords(error);
      this.#fail([title, message, hint].filter(Boolean).join(" · "));
      return null;
    }
  }

  async #read() {
    this.summary.replaceChildren();
    const answer = await this.#send({ add: false });
    if (!answer) return;
    this.#found = answer;
    this.#passwords = answer.passwords.map((password) => passwordChoice(password));
    const steps = tn(answer.task.path.length, "{n} step", "{n} steps");
    this.result.replaceChildren(
      h("h3", {}, `${taskName(answer.task)} · ${steps}`),
      ...findings(
        t("Cannot be replayed"),
        answer.problems.map(({ step, message }) => [step, translateServerText(message)]),
      ),
      ...findings(t("Unknown fields, kept as they are"), answer.unknown_fields.map(unknownField)),
      ...(this.#passwords.length
        ? [
            h("h3", {}, t("Passwords")),
            h(
              "p",
              { class: "small soft" },
              t(
                "A secret is kept apart from the list and never shown again. Otherwise the password stays readable in the step.",
              ),
            ),
            h(
              "div",
              {},
              this.#passwords.map(({ element }) => element),
            ),
          ]
        : []),
    );
    this.submit.textContent = t("Add task");
    this.submit.focus();
    this.result.scrollIntoView({ block: "nearest" });
  }

  async #add() {
    const secrets = {};
    for (const { step, keep, name, box } of this.#passwords) {
      if (!keep.checked) continue;
      const valid = SECRET_NAME.test(name.value);
      box.setError(valid ? "" : t("Letters, digits and _; not a digit first."));
      if (!valid) return name.focus();
      secrets[step] = name.value;
    }
    const chosen = Object.keys(secrets).length > 0;
    const answer = await this.#send({ add: true, ...(chosen && { secrets, store_secrets: true }) });
    if (!answer) return;
    await this.store.load();
    this.ui.close();
    toast(t("{name} was added.", { name: taskName(answer.task) }));
  }
}

function passwordChoice({ step, suggested }) {
  const name = input({ class: "mono", value: suggested });
  const box = field({ name: `password-${step}`, label: t("Name of the secret"), control: name });
  const keep = checkbox(t("Step {n}: keep this password as a secret", { n: step }), true);
  keep.control.addEventListener("change", () => (box.hidden = !keep.control.checked));
  return { step, name, box, keep: keep.control, element: h("div", { class: "password" }, keep, box) };
}

/** The server names a field as text, or as {step, field}. */
function unknownField(found) {
  if (typeof found === "string") return [null, found];
  return [found.step ?? null, found.field ?? found.name ?? found.message ?? JSON.stringify(found)];
}

function findings(title, lines) {
  if (!lines.length) return [];
  const line = ([step, text]) =>
    h("li", {}, h("span", { class: "soft" }, step ? t("Step {n}", { n: step }) : ""), h("span", {}, text));
  return [h("h3", {}, title), h("ul", { class: "findings" }, lines.map(line))];
}
