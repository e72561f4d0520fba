// A failed task, told so that a person can mend it: what, where, what the page said.
import { artifactUrl } from "./api.js";
import { h } from "./dom.js";
import { errorWords } from "./error_words.js";
import { t } from "./i18n.js";
import { openScreenshots } from "./lightbox.js";

export function errorCard(row, shots, describeStep) {
  const { code, details = {} } = row.error;
  const { title, message, hint } = errorWords(row.error);
  const shot = shots.find((candidate) => candidate.id === details.screenshot);
  return h(
    "div",
    { class: "card failure" },
    h("h4", {}, title, h("code", {}, code)),
    message && h("p", { class: "message" }, message),
    hint && h("p", { class: "hint" }, hint),
    facts(row, details),
    shot &&
      h(
        "button",
        {
          type: "button",
          class: "frame",
          on: { click: () => openScreenshots(shots, shots.indexOf(shot), row.name, describeStep) },
        },
        h("img", { src: artifactUrl(shot.id), alt: "" }),
        h("span", {}, t("The page when the step failed")),
      ),
    details.console?.length && [
      h("h4", {}, t("Errors in the page's console")),
      h("pre", { class: "console", tabindex: 0 }, details.console.join("\n")),
    ],
  );
}

function facts(row, details) {
  const lines = [
    [
      t("Step"),
      details.step &&
        (row.total_steps ? t("{n} of {total}", { n: details.step, total: row.total_steps }) : details.step),
    ],
    [t("Looked for"), details.selectors && selectorWords(details.selectors)],
    [t("Page"), details.title],
    [t("Address"), details.url],
    [t("Exit status"), row.exit_code],
    [t("Signal"), row.signal],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  if (!lines.length) return null;
  return h(
    "dl",
    {},
    lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
  );
}

/** Alternatives one after the other; a chain through shadow roots with arrows. */
export function selectorWords(selectors) {
  if (!Array.isArray(selectors)) return String(selectors);
  return selectors.map((one) => (Array.isArray(one) ? one.join(" › ") : String(one))).join("  |  ");
}
