// How old the data is, and what to do when the server is away or the login has expired.
import { button, byId, h, setText } from "./dom.js";
import { announce, banner, notice } from "./feedback.js";
import { errorWords } from "./error_words.js";
import { duration, t } from "./i18n.js";

/** Keep the freshness in the bar and the connection banner true to `feed`. */
export function showConnection(feed) {
  const note = byId("freshness");
  const tick = () => {
    const { age, state } = feed;
    const late = age !== null && age > feed.interval * 4 + 1 && !document.hidden;
    note.dataset.state = state === "fresh" ? (late ? "late" : "fresh") : state === "loading" ? "late" : "away";
    setText(
      note,
      age === null
        ? t("Loading")
        : age < 60
          ? t("{n} s ago", { n: Math.floor(age) })
          : t("{time} ago", { time: duration(age) }),
    );
    note.title = t("When the server last answered");
    const wait = byId("retry-in");
    if (wait) setText(wait, retryWords(feed));
  };
  feed.addEventListener("connection", ({ detail }) => {
    banner("connection", bannerFor(detail.state, detail.error, feed));
    if (detail.state === "fresh" && ["away", "offline"].includes(detail.before)) announce(t("The server is back."));
    else if (detail.state !== "fresh")
      announce(byId("banners").querySelector("[data-banner=connection] strong")?.textContent ?? "");
    tick();
  });
  document.addEventListener("login-expired", () => feed.poll());
  setInterval(tick, 1000);
  tick();
}

function retryWords(feed) {
  const seconds = Math.max(0, Math.ceil((feed.nextAttemptAt - performance.now()) / 1000));
  return seconds ? t("Next try in {n} s.", { n: seconds }) : t("Trying now.");
}

function bannerFor(state, error, feed) {
  const again = button({ label: t("Try now"), glyph: "retry", kind: "small", on: () => feed.poll() });
  const wait = h("span", { id: "retry-in", class: "numbers" });
  if (state === "away")
    return notice(
      "bad",
      t("The server does not answer"),
      h("span", {}, t("Shell tasks go on without it. This page connects again by itself."), " ", wait),
      again,
    );
  if (state === "offline")
    return notice(
      "warn",
      t("This device is offline"),
      t("Your tasks go on at the server. This page connects again by itself."),
      again,
    );
  if (state === "expired") {
    const login = h(
      "a",
      { class: "button small primary", href: `/login?next=${encodeURIComponent(location.pathname)}` },
      t("Log in"),
    );
    return notice("warn", t("Your login has expired"), t("Your tasks go on. Log in again to see them."), login);
  }
  if (state === "refused") {
    const { title, message, hint } = errorWords(error);
    return notice("bad", title, [message, hint].filter(Boolean).join(" "), again);
  }
  return null;
}
