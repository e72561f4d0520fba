// The environment of a shell task, line by line; a value is plain text or the name of a secret.
import { button, h, icon } from "./dom.js";
import { input, select } from "./fields.js";
import { t } from "./i18n.js";

export class EnvEditor {
  #lines = [];

  constructor(env, secretNames) {
    this.secretNames = secretNames;
    this.box = h("div");
    const add = button({
      label: t("Add a variable"),
      glyph: "plus",
      kind: "small",
      on: () => this.#add("", "").name.focus(),
    });
    this.element = h("fieldset", {}, h("legend", {}, t("Environment variables")), this.box, add);
    for (const [name, value] of Object.entries(env)) this.#add(name, value);
  }

  /** [{name, value}] in order; a value is a string or {secret}. */
  get lines() {
    return this.#lines.map(({ name, kind, plain, secret }) => ({
      name: name.value.trim(),
      value: kind.value === "secret" ? { secret: secret.value.trim() } : plain.value,
    }));
  }

  get value() {
    return Object.fromEntries(this.lines.map(({ name, value }) => [name, value]));
  }

  showProblems(problems) {
    this.#lines.forEach((line, at) => {
      const message = problems.get(`env.${at}`) ?? (at === 0 ? problems.get("env") : "") ?? "";
      line.error.replaceChildren(...(message ? [icon("failed"), message] : []));
      line.name.setAttribute("aria-invalid", String(Boolean(message)));
      if (message) line.name.focus();
    });
  }

  #add(name, value) {
    const isSecret = typeof value === "object";
    const number = this.#lines.length + 1;
    const line = {
      name: input({
        class: "mono",
        value: name,
        placeholder: "NAME",
        "aria-label": t("Name of variable {n}", { n: number }),
      }),
      kind: select(
        [
          ["plain", t("Text")],
          ["secret", t("Secret")],
        ],
        isSecret ? "secret" : "plain",
        { "aria-label": t("Kind of variable {n}", { n: number }) },
      ),
      plain: input({
        class: "mono",
        value: isSecret ? "" : value,
        "aria-label": t("Value of variable {n}", { n: number }),
      }),
      secret: this.#secretChoice(isSecret ? value.secret : "", number),
      error: h("span", { class: "field-error" }),
    };
    const show = () => {
      line.plain.hidden = line.kind.value === "secret";
      line.secret.hidden = line.kind.value !== "secret";
    };
    line.kind.addEventListener("change", show);
    show();
    const remove = button({
      title: t("Remove variable {n}", { n: number }),
      glyph: "cross",
      kind: "quiet square",
      on: () => {
        this.#lines.splice(this.#lines.indexOf(line), 1);
        element.remove();
      },
    });
    const element = h(
      "div",
      { class: "env-line" },
      line.name,
      line.kind,
      h("div", {}, line.plain, line.secret),
      remove,
      line.error,
    );
    this.#lines.push(line);
    this.box.append(element);
    return line;
  }

  #secretChoice(chosen, number) {
    const names = [...new Set([...this.secretNames, ...(chosen ? [chosen] : [])])];
    const label = t("Secret of variable {n}", { n: number });
    if (!names.length) return input({ class: "mono", placeholder: t("name of a secret"), "aria-label": label });
    return select(
      names.map((name) => [name, name]),
      chosen || names[0],
      { class: "mono", "aria-label": label },
    );
  }
}
