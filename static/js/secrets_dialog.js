// Secrets: names only. A value is set or replaced here and never comes back.
import { call } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, h } from "./dom.js";
import { errorWords } from "./error_words.js";
import { announce } from "./feedback.js";
import { field, input, showProblems } from "./fields.js";
import { t } from "./i18n.js";
import { SECRET_NAME } from "./validation.js";

export async function secretNames() {
  return (await call("/secrets")).secrets;
}

export function openSecrets() {
  const ui = openDialog({ title: t("Secrets"), name: "secrets", onSubmit: set });
  const summary = h("div", { role: "alert" });
  const list = h("ul", { class: "secret-list" });
  const empty = h("p", { class: "soft", hidden: true }, t("No secrets yet."));
  const name = field({
    name: "name",
    label: t("Name"),
    control: input({ class: "mono", placeholder: "SHOP_PASSWORD", autocapitalize: "off", spellcheck: "false" }),
  });
  const value = field({
    name: "value",
    label: t("Value"),
    control: input({ type: "password", autocomplete: "new-password" }),
  });
  ui.body.append(
    h(
      "p",
      { class: "soft" },
      t(
        "Commands and steps use a secret by its name. Its value is kept in a file of its own and is never shown, logged or sent back.",
      ),
    ),
    summary,
    empty,
    list,
    h("div", { class: "columns" }, name, value),
  );
  ui.foot.append(
    button({ label: t("Close"), on: ui.leave }),
    h("button", { class: "button primary" }, t("Save secret")),
  );
  name.control.focus();
  load();

  function fail(error) {
    const { title, message, hint } = errorWords(error);
    showProblems(ui.dialog, new Map([["", [title, message, hint].filter(Boolean).join(" · ")]]), summary);
  }

  async function load() {
    try {
      const names = await secretNames();
      empty.hidden = names.length > 0;
      list.hidden = !names.length;
      list.replaceChildren(...names.map(line));
    } catch (error) {
      fail(error);
    }
  }

  function line(secret) {
    const replace = () => {
      name.control.value = secret;
      value.control.focus();
    };
    const erase = async () => {
      try {
        await call(`/secrets/${encodeURIComponent(secret)}`, { method: "DELETE" });
        announce(t("{name} was deleted.", { name: secret }));
      } catch (error) {
        fail(error);
      }
      await load();
      name.control.focus();
    };
    return h(
      "li",
      {},
      h("code", {}, secret),
      button({
        label: t("Replace"),
        kind: "quiet small",
        on: replace,
        "aria-label": t("Replace {name}", { name: secret }),
      }),
      button({ title: t("Delete {name}", { name: secret }), glyph: "trash", kind: "quiet small square", on: erase }),
    );
  }

  async function set() {
    const problems = new Map();
    if (!SECRET_NAME.test(name.control.value.trim()))
      problems.set("name", t("Letters, digits and _; not a digit first."));
    if (!value.control.value) problems.set("value", t("Enter a value."));
    showProblems(ui.dialog, problems, summary);
    if (problems.size) return;
    const chosen = name.control.value.trim();
    try {
      await call(`/secrets/${encodeURIComponent(chosen)}`, { method: "PUT", body: { value: value.control.value } });
    } catch (error) {
      fail(error);
      return;
    }
    name.control.value = "";
    value.control.value = "";
    name.control.focus();
    announce(t("{name} was saved.", { name: chosen }));
    await load();
  }
}
