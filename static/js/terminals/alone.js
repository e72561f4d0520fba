// A terminal alone in a tab, `/t/<id>`, and what the holder of a share link sees, `/share/<id>`.
import { byId, h, setText } from "../dom.js";
import { announce, banner, notice } from "../feedback.js";
import { errorWords } from "../error_words.js";
import { t } from "../i18n.js";
import { terminalActions } from "./actions.js";
import { pageUrl, readTerminal } from "./api.js";
import { plainRemembered } from "./memory.js";
import { TerminalPanel } from "./panel.js";
import { TerminalStore } from "./store.js";
import { showTerminalTitle } from "./title.js";

const { terminal: id, frame, guest } = document.body.dataset;
const isGuest = guest !== undefined;
const store = new TerminalStore(async () => [await readTerminal(id)]);
const actions = isGuest
  ? null
  : terminalActions(store, {
      canHide: false,
      opened: (made) => location.assign(pageUrl(made.terminalId)),
      left: (_, what) => what === "remove" && showGone(),
    });
let panel = null;

function draw() {
  const terminal = store.get(id);
  if (!terminal) return;
  if (panel) panel.update(terminal);
  else {
    panel = new TerminalPanel(terminal, { address: frame, actions, said, alone: true });
    byId("terminal").replaceChildren(panel.element);
  }
  showTerminalTitle(terminal);
}

function said(message) {
  if (message.type === "status") store.applyStatus(id, message);
  else if (message.type === "title") store.applyStatus(id, { title: message.title });
  else if (message.type === "progress") store.applyStatus(id, { progress: message.progress });
  else if (message.type === "leave") leaveFrame();
  else if (message.type === "exit" || message.type === "lost") {
    announce(message.type === "lost" ? t("lost") : t("stopped"));
    store.refresh();
  }
}

function leaveFrame() {
  (panel.tools.querySelector("button, a") ?? document.querySelector(".topbar a, .topbar button")).focus();
}

function showGone() {
  showEnd(t("This terminal has been removed"), t("Its program has ended and its recording is deleted."));
}

function showEnd(title, words) {
  panel?.remove();
  store.watch(false);
  byId("terminal").replaceChildren(
    h("div", { class: "term-welcome" }, h("h1", {}, title), h("p", { class: "lead" }, words)),
  );
  announce(title);
}

store.addEventListener("change", draw);
store.addEventListener("error", ({ detail: error }) => {
  if (!error) return banner("connection", null);
  if (isGuest && [401, 403, 404].includes(error.status))
    return showEnd(
      t("This share link does not hold any more"),
      t("It was taken back or has expired. Ask for a new one."),
    );
  if (error.status === 404) return showGone();
  const { title, message, hint } = errorWords(error);
  const next = encodeURIComponent(location.pathname);
  const login =
    error.status === 401 && h("a", { class: "button small primary", href: `/login?next=${next}` }, t("Log in"));
  banner(
    "connection",
    notice("warn", title, login ? "" : [message, hint].filter(Boolean).join(" "), ...(login ? [login] : [])),
  );
});

/** Back to the workspace that this browser saw last, instead of making a new one. */
const last = plainRemembered("last");
if (!isGuest && /^[0-9a-f-]{36}$/.test(last ?? "")) {
  document.querySelector(".brand").href = `/s/${last}#terminals/${id}`;
  setText(byId("back-label"), t("Workspace {id}", { id: last.slice(0, 8) }));
  byId("back").href = `/s/${last}#terminals/${id}`;
  byId("back").hidden = false;
}
store.watch(true);
