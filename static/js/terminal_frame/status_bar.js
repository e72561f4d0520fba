// The bar above the terminal: is it connected, may I type, whose size is it, how did it end.
import { button, byId, h, icon, redraw, setText } from "../dom.js";
import { announce } from "../feedback.js";
import { t } from "../i18n.js";

const LOST_REASONS = {
  expired: () => [t("Your login has expired"), loginLink()],
  revoked: () => [t("This link does not open the terminal any more.")],
  gone: () => [t("This terminal does not exist any more.")],
};

const loginLink = () =>
  h(
    "a",
    { class: "button small", href: `/login?next=${encodeURIComponent(location.pathname)}`, target: "_top" },
    t("Log in"),
  );

/** `connection` (see connection.js) as words; counts down to the next try. */
export function showConnection(connection) {
  const place = byId("connection");
  const seconds = () => Math.max(0, Math.ceil((connection.retryAt - performance.now()) / 1000));
  const wait = h("span", { class: "numbers" });
  const again = button({ label: t("Try now"), kind: "small", on: () => connection.tryNow() });
  const tick = () => setText(wait, seconds() ? t("Next try in {n} s.", { n: seconds() }) : t("Trying now."));
  let before = "connecting";
  const show = ({ state, reason }) => {
    place.dataset.state = state;
    document.body.dataset.connection = state;
    if (state === "connected") place.replaceChildren();
    else if (state === "connecting") place.replaceChildren(t("Connecting"));
    else if (state === "reconnecting")
      place.replaceChildren(icon("retry"), h("strong", {}, t("Reconnecting")), wait, again);
    else place.replaceChildren(icon("warning"), ...LOST_REASONS[reason]());
    tick();
    if (state === "connected" && before === "reconnecting") announce(t("Connected again."));
    else if (state !== before && state !== "connected")
      announce(place.querySelector("strong")?.textContent ?? place.textContent);
    before = state;
  };
  connection.addEventListener("state", ({ detail }) => show(detail));
  setInterval(() => connection.state === "reconnecting" && tick(), 500);
  show(connection);
}

/** The badges. `view` holds {mode, clients, clientId, owner, rows, cols, matches}; `onTake` takes the size over. */
export function showBadges({ mode, clients, clientId, owner, rows, cols, matches }, onTake) {
  const other = owner && owner !== clientId && !matches;
  const name = clients.find((client) => client.id === owner)?.name || t("somebody else");
  redraw(byId("badges"), { mode, size: other && [rows, cols, name] }, () => [
    mode === "view" && h("span", { class: "tag", id: "view-only" }, icon("eye"), t("View only")),
    other &&
      h(
        "span",
        { class: "tag", id: "size-owner", title: t("{rows} rows of {cols} columns", { rows, cols }) },
        icon("viewport"),
        h("span", { class: "numbers" }, `${cols}×${rows}`),
        h("span", { class: "whose" }, t("size set by {name}", { name })),
      ),
    other && mode !== "view" && button({ label: t("Use my size"), kind: "small", id: "take-size", on: onTake }),
  ]);
}

/** How the program ended, below its last screen; nothing while it runs. */
export function showEnd({ state, exitCode, signal, lostReason }) {
  const place = byId("end");
  const words = endWords({ state, exitCode, signal, lostReason });
  place.hidden = !words;
  setText(place, words);
}

function endWords({ state, exitCode, signal, lostReason }) {
  if (state === "lost") {
    return lostReason ? t("This terminal was lost: {reason}", { reason: lostReason }) : t("This terminal was lost.");
  }
  if (state !== "exited") return "";
  if (signal) return t("The program was ended by signal {signal}.", { signal });
  if (exitCode === null || exitCode === undefined) return t("The program has ended.");
  return t("The program has ended with exit code {code}.", { code: exitCode });
}

let timer = 0;

/** A few words over the terminal for a moment, or with `stay` until they are taken away by "". */
export function hint(words, { stay = false } = {}) {
  const place = byId("hint");
  clearTimeout(timer);
  place.hidden = !words;
  setText(place, words);
  if (words && !stay) timer = setTimeout(() => (place.hidden = true), 4000);
}
