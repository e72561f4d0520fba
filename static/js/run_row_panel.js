// What unfolds under a task of the run: question, error, screenshots, values, files, output, actions.
import { artifactUrl, downloadUrl, logDownloadUrl } from "./api.js";
import { answerBackgroundTask } from "./background_tasks.js";
import { button, h, icon, redraw, setText } from "./dom.js";
import { errorCard } from "./error_card.js";
import { bytes, t } from "./i18n.js";
import { openScreenshots, shotWords } from "./lightbox.js";
import { openLog } from "./log_dialog.js";
import { receiptNotice } from "./receipt.js";

/** Draw or refresh the panel of `row`; parts that did not change are left alone. */
export function rowPanel(panel, row, context) {
  const describeStep = (number) => context.describeStep(row.id, number);
  const parts = (panel.parts ??= makeParts(panel));
  const shots = row.artifacts.filter((artifact) => artifact.kind === "screenshot");
  const downloads = row.artifacts.filter((artifact) => artifact.kind === "download");
  fill(parts.question, row.status === "asking" && [row.id], () => question(row));
  fill(parts.error, row.status === "failed" && row.error && [row.error, shots], () =>
    errorCard(row, shots, describeStep),
  );
  fill(parts.receipt, row.receipt && [row.receipt], () => receiptNotice(row.receipt));
  fill(parts.values, Object.keys(row.values).length && [row.values], () => values(row.values));
  filmstrip(parts.shots, row, shots, describeStep);
  fill(parts.files, downloads.length && [downloads], () => files(downloads));
  output(parts.output, row);
  fill(parts.actions, [row.log_end > 0, context.canRun, row.id, row.name], () => actions(row, context));
}

function makeParts(panel) {
  const names = ["question", "error", "receipt", "values", "shots", "files", "output", "actions"];
  const parts = Object.fromEntries(
    names.map((name) => [name, h("div", { class: name === "actions" ? "row-actions" : "sub" })]),
  );
  panel.replaceChildren(...Object.values(parts));
  return parts;
}

function fill(part, data, make) {
  part.hidden = !data;
  redraw(part, data || null, () => (data ? make() : null));
}

function question(row) {
  const answer = (value) => () => answerBackgroundTask(row.id, value);
  return h(
    "div",
    { class: "card question" },
    h("h4", {}, t("Run this task again?")),
    h("p", {}, t("The server was killed while this task ran. Nobody saw how far it came.")),
    h(
      "div",
      { class: "actions" },
      button({ label: t("Run it again"), glyph: "retry", kind: "primary", on: answer("rerun") }),
      button({ label: t("Skip it"), glyph: "skipped", on: answer("skip") }),
    ),
  );
}

function values(found) {
  const words = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
  return [
    h("h4", {}, t("Extracted values")),
    h(
      "dl",
      { class: "values" },
      Object.entries(found).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, words(value))]),
    ),
  ];
}

/** Frames are added, never drawn again: pictures do not flicker, and the strip follows its end unless somebody looks back. */
function filmstrip(part, row, shots, describeStep) {
  part.hidden = !shots.length;
  if (part.hidden) return part.replaceChildren();
  let strip = part.querySelector("ol");
  const same = strip && [...strip.children].every((frame, at) => frame.dataset.shot === shots[at]?.id);
  if (!same) part.replaceChildren(h("h4", {}, t("Screenshots")), (strip = h("ol", { class: "filmstrip" })));
  part.shots = shots;
  if (strip.children.length === shots.length) return undefined;
  const atEnd = strip.scrollWidth - strip.scrollLeft - strip.clientWidth < 24;
  for (let at = strip.children.length; at < shots.length; at += 1) {
    const open = () => openScreenshots(part.shots, at, row.name, describeStep);
    strip.append(
      h(
        "li",
        { dataset: { shot: shots[at].id } },
        h(
          "button",
          { type: "button", class: "frame", on: { click: open } },
          h("img", { src: artifactUrl(shots[at].id), alt: "", decoding: "async" }),
          h("span", {}, shotWords(shots[at], describeStep)),
        ),
      ),
    );
  }
  if (row.status === "running" && atEnd) strip.scrollLeft = strip.scrollWidth;
  return undefined;
}

function files(downloads) {
  return [
    h("h4", {}, t("Files")),
    h(
      "div",
      { class: "files" },
      downloads.map((file) =>
        h(
          "a",
          { class: "button small", href: downloadUrl(file.id), download: file.name },
          icon("download"),
          h("span", { class: "break" }, file.name),
          h("span", { class: "soft" }, bytes(file.size)),
        ),
      ),
    ),
  ];
}

function output(part, row) {
  // A flow that went well is told by its screenshots; its log is a click away.
  part.hidden = !row.output.length || (row.kind === "browser" && row.status === "completed");
  if (part.hidden) return;
  let pre = part.querySelector("pre");
  if (!pre) {
    pre = h("pre", { class: "output", tabindex: 0, "aria-label": t("Last lines of output") });
    part.replaceChildren(h("h4", {}, t("Last lines of output")), pre);
  }
  const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
  setText(pre, row.output.join("\n"));
  if (atEnd) pre.scrollTop = pre.scrollHeight;
}

function actions(row, { canRun, runAlone }) {
  const hasLog = row.log_end > 0;
  return [
    hasLog && button({ label: t("Full log"), glyph: "log", kind: "small", on: () => openLog(row) }),
    hasLog &&
      h(
        "a",
        { class: "button small", href: logDownloadUrl(row.id), download: "" },
        icon("download"),
        t("Download log"),
      ),
    canRun && button({ label: t("Run this task"), glyph: "play", kind: "small", on: () => runAlone(row.id) }),
  ];
}
