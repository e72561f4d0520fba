// What an empty workspace shows: a sample list to try with one click, and the ways to make one's own.
import { call } from "./api.js";
import { button, h, icon } from "./dom.js";
import { toastError } from "./feedback.js";
import { t } from "./i18n.js";

const SAMPLES = () => [
  [
    "browser",
    t("Order tea in a demo shop"),
    t("Searches, fills in a form, waits for the confirmation and reads the order number. A screenshot of each step."),
  ],
  ["shell", t("Checksums with progress"), t("A command that prints how far it is, so that you see a bar that moves.")],
  [
    "browser",
    t("Watch the stock page"),
    t("Waits for prices that load late, extracts them and downloads the price list."),
  ],
  ["shell", t("A report about this server"), t("System, load and disk, in the log.")],
];

/** The panel of an empty workspace. `add(kind)` opens the dialogs; `started()` follows a started sample. */
export function welcomePanel({ store, add, start }) {
  const tryIt = button({
    label: t("Run the sample list"),
    glyph: "play",
    kind: "primary",
    id: "sample-button",
    on: () => sample(true),
  });
  const onlyAdd = button({ label: t("Only add it"), kind: "quiet", on: () => sample(false) });

  async function sample(run) {
    tryIt.disabled = onlyAdd.disabled = true;
    try {
      await call("/sample", { method: "POST", body: {} });
      await store.load();
      if (run) await start();
    } catch (error) {
      tryIt.disabled = onlyAdd.disabled = false;
      toastError(error);
    }
  }

  return h(
    "section",
    { class: "pane pane-tasks welcome", id: "welcome", "aria-labelledby": "welcome-heading" },
    h(
      "div",
      {},
      h("h1", { id: "welcome-heading" }, t("What should go on after you close this tab?")),
      h(
        "p",
        { class: "lead" },
        t(
          "Make a list of browser and shell tasks and start it. The server works through it in order. Bookmark this page: its address brings the list and its progress back, from any device.",
        ),
      ),
      h(
        "div",
        { class: "own" },
        button({ label: t("Browser task"), glyph: "browser", on: () => add("browser") }),
        button({ label: t("Shell task"), glyph: "shell", on: () => add("shell") }),
        button({ label: t("Import a recording"), glyph: "upload", on: () => add("import") }),
        button({ label: t("Edit as JSON"), glyph: "braces", on: () => add("json") }),
      ),
    ),
    h(
      "div",
      {},
      h("h2", {}, t("Or see it work: four tasks, under a minute")),
      h(
        "ol",
        { class: "sample-list" },
        SAMPLES().map(([glyph, title, text]) =>
          h("li", {}, icon(glyph), h("div", {}, h("h3", {}, title), h("p", {}, text))),
        ),
      ),
      h("div", { class: "own" }, tryIt, onlyAdd),
    ),
  );
}
