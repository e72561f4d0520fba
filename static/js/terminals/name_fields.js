// What the dialogs that name terminals share: the field of the group, and errors at the fields they speak of.
import { h } from "../dom.js";
import { errorWords } from "../error_words.js";
import { field, input } from "../fields.js";
import { t } from "../i18n.js";

export const NAME_CHARACTERS = 100;
const FIELD_OF = { CWD_MISSING: "cwd", CWD_REFUSED: "cwd", SHELL_MISSING: "shell" };

let lists = 0;

export function groupField(groups, value = "") {
  lists += 1;
  const list = h(
    "datalist",
    { id: `terminal-groups-${lists}` },
    groups.map((one) => h("option", { value: one })),
  );
  const box = field({
    name: "group",
    label: t("Group"),
    hint: t("Terminals of a group stand together."),
    control: input({ value: value ?? "", maxlength: NAME_CHARACTERS, list: list.id }),
  });
  box.list = list;
  return box;
}

/** An error of the server at the field it speaks of, else above the form. */
export function problemsOf(error) {
  const { title, message, hint } = errorWords(error);
  const words = [title, message, hint].filter((part, at, all) => part && all.indexOf(part) === at);
  if (error.code in FIELD_OF) return new Map([[FIELD_OF[error.code], words.join(" · ")]]);
  const named = (error.fields ?? []).map((one) => [String(one.path).split(".").at(-1), one.message]);
  return named.length ? new Map(named) : new Map([["", words.join(" · ")]]);
}
