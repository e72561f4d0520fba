// The replay of a terminal's recording, `/t/<id>/replay`: asciinema's player, and beside it what it lacks: a search
// through the text, the commands, another speed, and a bound for recordings that no page could hold.
import { request, readAnswer } from "../api.js";
import { button, byId, h, redraw, setText } from "../dom.js";
import { announce, notice } from "../feedback.js";
import { errorWords } from "../error_words.js";
import { bytes, clock, t, tn } from "../i18n.js";
import { readTerminal, recordingUrl } from "./api.js";
import { readCast, timed } from "./cast.js";
import { CastText } from "./cast_search.js";
import { setTitle } from "../page_title.js";
import { terminalName } from "./words.js";

const LONGEST_PAUSE = 2; // s
const TYPING_MS = 250;
const JUST_AFTER = 0.02; // s: more than the 1/60 s in which the player draws output together
const id = document.body.dataset.terminal;
const stage = byId("player");
let cast = null;
let events = [];
let text = null;
let player = null;

async function load(fromEnd = false) {
  redraw(byId("replay-notice"), [Math.random()], () => []);
  player?.dispose();
  player = null;
  const waiting = h("p", { class: "replay-waiting soft" }, t("Loading the recording"));
  stage.replaceChildren(waiting);
  try {
    const response = await request(recordingUrl(id, { inline: true }), { headers: { Accept: "*/*" } });
    if (!response.ok) await readAnswer(response);
    const progress = (size) => setText(waiting, t("{size} loaded", { size: bytes(size) }));
    cast = await readCast(response, { fromEnd, progress });
  } catch (error) {
    return showProblem(error);
  }
  if (cast.cut) showBound(fromEnd);
  arrange();
}

function showProblem(error) {
  const { title, message, hint } = errorWords(
    error.code ? error : { code: "", message: String(error.message ?? error) },
  );
  const again = button({ label: t("Try again"), glyph: "retry", kind: "small", on: () => load() });
  stage.replaceChildren(notice("bad", title, [message, hint].filter(Boolean).join(" "), again));
}

function showBound(fromEnd) {
  const size = bytes(cast.events.reduce((sum, event) => sum + String(event[2]).length, 0));
  const words = fromEnd
    ? t("This is the last part of a long recording ({size}). The download has all of it.", { size })
    : t("This is the first part of a long recording ({size}). The download has all of it.", { size });
  const other = button({
    label: fromEnd ? t("Show the beginning") : t("Show the end"),
    kind: "small",
    on: () => load(!fromEnd),
  });
  byId("replay-notice").replaceChildren(notice("info", "", words, other));
}

/** With or without the pauses: the times change, and with them everything that names a time. */
function arrange() {
  events = timed(cast.events, byId("short-pauses").checked ? LONGEST_PAUSE : Infinity);
  text = null;
  byId("replay-tools").disabled = !events.length;
  if (!events.length)
    return stage.replaceChildren(h("p", { class: "replay-waiting soft" }, t("Nothing has been recorded yet.")));
  play({ from: 0, running: false });
  drawCommands();
  search();
}

/** The player takes its speed only when it is made. */
function play({ from, running }) {
  player?.dispose();
  stage.replaceChildren();
  player = window.AsciinemaPlayer.create({ data: () => [cast.header, ...events] }, stage, {
    fit: matchMedia("(max-width: 61.99rem)").matches ? "width" : "both",
    speed: Number(byId("replay-speed").value),
    startAt: from,
    autoPlay: running,
    preload: true,
    poster: `npt:${from}`,
    controls: true,
    terminalFontFamily:
      "ui-monospace, 'JetBrains Mono', SFMono-Regular, 'Cascadia Mono', Consolas, 'Noto Sans Mono CJK SC', monospace",
  });
  stage.dataset.at = from ? from.toFixed(2) : "";
  stage.dataset.state = running ? "playing" : "paused";
  player.addEventListener("playing", () => (stage.dataset.state = "playing"));
  player.addEventListener("pause", () => (stage.dataset.state = "paused"));
  player.addEventListener("ended", () => (stage.dataset.state = "ended"));
}

async function seek(at) {
  await player.seek(at + JUST_AFTER);
  stage.dataset.at = at.toFixed(2);
  announce(t("At {time}", { time: clock(at) }));
}

function drawCommands() {
  const commands = events.filter(([, code]) => code === "m");
  byId("commands-box").hidden = !commands.length;
  byId("commands").replaceChildren(
    ...commands.slice(0, 500).map(([at, , label]) => place(at, h("code", {}, label || t("command")))),
  );
}

function place(at, ...words) {
  const on = { click: () => seek(at) };
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "replay-hit", on },
      h("span", { class: "numbers time" }, clock(at)),
      h("span", { class: "words" }, ...words),
    ),
  );
}

function search() {
  const words = byId("replay-search").value;
  text ??= words ? new CastText(events) : null;
  const { hits, more } = text?.find(words) ?? { hits: [], more: false };
  byId("hits").replaceChildren(
    ...hits.map(({ at, before, match, after }) => place(at, h("code", {}, before, h("mark", {}, match), after))),
  );
  const count = tn(hits.length, "{n} place", "{n} places");
  setText(
    byId("hit-count"),
    !words ? "" : !hits.length ? t("Not found") : more ? t("The first {n} places", { n: hits.length }) : count,
  );
}

let typing = null;
byId("replay-search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, TYPING_MS);
});
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
  byId("hits").querySelector("button")?.click();
});
byId("replay-speed").addEventListener("change", async () => {
  const running = stage.dataset.state === "playing";
  play({ from: (await player.getCurrentTime()) ?? 0, running });
});
byId("short-pauses").addEventListener("change", arrange);

readTerminal(id).then(
  (terminal) => {
    setText(byId("replay-name"), terminalName(terminal));
    setTitle("run", `${t("Replay")} · ${terminalName(terminal)} · bg-runner`);
  },
  () => {}, // the recording's own answer says what is wrong
);
load();
