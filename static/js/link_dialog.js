// Opening this workspace on another device: a one-time link, and the same as a QR code.
import { call } from "./api.js";
import { copyText } from "./clipboard.js";
import { openDialog } from "./dialogs.js";
import { button, h } from "./dom.js";
import { errorWords } from "./error_words.js";
import { notice } from "./feedback.js";
import { input } from "./fields.js";
import { t, when } from "./i18n.js";

export async function openLink() {
  const ui = openDialog({ title: t("Open on another device"), size: "narrow", name: "link" });
  ui.foot.append(button({ label: t("Close"), on: ui.leave }));
  const waiting = h("p", { class: "soft" }, t("Making a link"));
  ui.body.append(waiting);
  try {
    const link = await call("/api/link", { method: "POST", body: { next: location.pathname } });
    waiting.replaceWith(...contents(link));
    ui.body.querySelector("input").select();
  } catch (error) {
    const { title, message, hint } = errorWords(error);
    waiting.replaceWith(notice("bad", title, [message, hint].filter(Boolean).join(" ")));
  }
}

function contents({ url, svg, expires_at: expiresAt }) {
  const address = input({ class: "mono", value: url, readonly: true, "aria-label": t("Link") });
  const code = h("img", { src: `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`, alt: t("QR code of the link") });
  return [
    h("p", {}, t("Scan the code or open the link there. It logs in once and then is used up.")),
    h("div", { class: "qr" }, code),
    h("div", { class: "copy-line" }, address, button({ label: t("Copy"), glyph: "copy", on: () => copyText(url) })),
    h("p", { class: "small soft" }, t("Valid until {when}.", { when: when(expiresAt) })),
  ];
}
