// One terminal, the whole frame. The page around it, if there is one, is told what happens (host_page.js).
import { copyText } from "../clipboard.js";
import { byId } from "../dom.js";
import { announce } from "../feedback.js";
import { t, translateServerText } from "../i18n.js";
import { Acks } from "./acks.js";
import { clientName } from "./client_name.js";
import { Connection } from "./connection.js";
import { hostPage } from "./host_page.js";
import { keyBar } from "./key_bar.js";
import { MarkMode } from "./mark_mode.js";
import { guardPaste, pasteFromButton } from "./paste.js";
import * as preferences from "./preferences.js";
import { OUTPUT, SCREEN, SCREEN_WITH_SCROLLBACK, ack, askForSnapshot, resize } from "./protocol.js";
import { Renderer } from "./renderer.js";
import { searchBar } from "./search_bar.js";
import { Session } from "./session.js";
import { shareKeyboard } from "./shortcuts.js";
import { Sizing } from "./sizing.js";
import { hint, showBadges, showConnection, showEnd } from "./status_bar.js";
import { Stream } from "./stream.js";
import { MOST_MATCHES, bufferText, createTerminal, screenCells } from "./terminal.js";
import { followTheme } from "./theme.js";
import { toolButtons } from "./tool_buttons.js";
import { scrollByTouch } from "./touch.js";
import { Typing } from "./typing.js";

const { terminal: id, share, name } = document.body.dataset;
const place = byId("terminal");
const { term, fit, search } = createTerminal(place);
const renderer = new Renderer(term);
const host = hostPage(id, {
  focus: () => term.focus(),
  search: () => bar.open(),
  font: ({ delta }) => setFont(delta),
  screenReader: ({ on }) => setScreenReader(Boolean(on)),
  "take-size": () => takeSize(),
  visible: ({ visible }) => setVisible(Boolean(visible)),
});
const session = new Session(host.post);
const stream = new Stream(term, {
  onParsed: (cursor) => acks.parsed(cursor),
  onGap: () => connection.send(askForSnapshot()),
});
const acks = new Acks((cursor) => connection.send(ack(cursor)));
const connection = new Connection(address, `/api/terminals/${id}${share && `?share=${share}`}`);
const sizing = new Sizing(term, fit, place, {
  font: preferences.fontSize(),
  tell: (size) => session.mode !== "view" && session.running && connection.send(resize(size)),
});

function address() {
  const url = new URL(`/api/v1/terminal/ws/${id}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("reconnect", "true");
  url.searchParams.set("name", clientName());
  if (share) url.searchParams.set("share", share);
  if (stream.cursor !== null && stream.isWhole) url.searchParams.set("cursor", stream.cursor);
  for (const [name, value] of Object.entries(sizing.viewport ?? {})) url.searchParams.set(name, value);
  return url;
}

// --- what the server sends

connection.addEventListener("frame", ({ detail: { kind, cursor, payload } }) => {
  if (kind === OUTPUT) stream.output(cursor, payload);
  else if (kind === SCREEN) stream.snapshot(cursor, payload, false);
  else if (kind === SCREEN_WITH_SCROLLBACK) stream.snapshot(cursor, payload, true);
});

connection.addEventListener("message", ({ detail: message }) => {
  if (message.type === "resize") {
    stream.resize(message.rows, message.cols);
    session.setOwner(message.owner);
  } else if (message.type === "error") hint(translateServerText(message.hint || message.message));
  else session.take(message);
});

connection.addEventListener("state", ({ detail: { state, reason, retryAt } }) => {
  if (state === "connected") {
    sizing.forget();
    sizing.layout();
  }
  const code = { expired: 4401, revoked: 4403, gone: 4404 }[reason];
  const retryInSeconds = state === "reconnecting" ? Math.max(0, (retryAt - performance.now()) / 1000) : undefined;
  host.post("connection", { state, code, retryInSeconds });
  update();
});

// --- what a person sends

const typing = new Typing(term, {
  send: (data) => connection.sendBytes(data),
  refusal() {
    if (session.mode === "view") return t("You are watching: what you type goes nowhere.");
    if (!session.running) return t("The program has ended: there is nobody to type to.");
    return connection.state === "connected" ? "" : t("Not connected: what you type now would be lost.");
  },
  onRefused(words) {
    hint(words);
    announce(words);
  },
});
const mark = new MarkMode(term, { copy, show: (words) => hint(words, { stay: true }) });
const bar = searchBar(term, search, { mostMatches: MOST_MATCHES });
const act = {
  leave,
  copy,
  copyScreen,
  search: () => bar.open(),
  mark: () => (term.focus(), mark.enter()),
  paste: () => (typing.mayType ? pasteFromButton(term) : typing.refuse()),
  larger: () => setFont(1),
  smaller: () => setFont(-1),
  defaultSize: () => setFont(0),
  "default-size": () => setFont(0),
  screenReader: () => setScreenReader(!term.options.screenReaderMode),
};
const tools = toolButtons(act, { readsAloud: () => term.options.screenReaderMode, mayType: () => typing.mayType });

function copy() {
  if (term.hasSelection()) copyText(term.getSelection());
  else hint(t("Nothing is selected."));
  term.focus();
}

function copyScreen() {
  const buffer = term.buffer.active;
  const rows = Array.from(
    { length: term.rows },
    (_, row) => buffer.getLine(buffer.viewportY + row)?.translateToString(true) ?? "",
  );
  copyText(rows.join("\n").trimEnd());
}

function leave() {
  byId("search-button").focus();
  host.post("leave");
}

function takeSize() {
  if (sizing.viewport) connection.send(resize(sizing.viewport, true));
  term.focus();
}

function setFont(delta) {
  sizing.font = preferences.keepFontSize(delta ? sizing.font + delta : preferences.DEFAULT_FONT);
}

function setScreenReader(on) {
  term.options.screenReaderMode = on;
  preferences.keepScreenReader(on);
  announce(on ? t("Screen reader mode is on.") : t("Screen reader mode is off."));
}

function setVisible(visible) {
  renderer.show(visible);
  if (visible) sizing.layout();
}

shareKeyboard(term, { act, mark, typing });

// --- what is shown

function update() {
  const { rows, cols } = term;
  const matches = sizing.matches || connection.state !== "connected";
  showBadges({ ...session, matches, rows, cols }, takeSize);
  showEnd(session);
  tools.update();
  term.options.disableStdin = session.mode === "view" || !session.running;
  document.title = [session.title || name || t("Terminal"), "bg-runner"].join(" – ");
}

function ring() {
  place.classList.add("bell");
  setTimeout(() => place.classList.remove("bell"), 200);
  host.post("bell");
}

session.addEventListener("change", update);
term.onTitleChange((title) => session.setTitle(title));
term.onBell(ring);
term.onResize(update);
preferences.onChange(() => {
  sizing.font = preferences.fontSize();
  term.options.screenReaderMode = preferences.screenReader();
});
term.textarea.setAttribute("aria-describedby", "leave-key");
guardPaste(term, () => typing.mayType || (typing.refuse(), false));
scrollByTouch(place);
keyBar(term, typing);
followTheme(term);
renderer.show(true);
showConnection(connection);
update();
connection.connect();
if (!host.embedded) term.focus();
host.post("ready");

/** For the page around the frame and for tests: what the terminal shows, as text and cell by cell. */
window.terminalFrame = {
  text: () => bufferText(term),
  cells: () => screenCells(term),
  cursor: () => stream.cursor,
  renderer: () => renderer.name,
};
