// Share links of a terminal: to watch or to type, with an end, revocable at any time.
import { copyText } from "../clipboard.js";
import { button, h, icon } from "../dom.js";
import { openDialog } from "../dialogs.js";
import { announce, notice, toast, toastError } from "../feedback.js";
import { checkbox, field, input, select, showProblems } from "../fields.js";
import { t, tn, when } from "../i18n.js";
import { createShare, listShares, revokeShare } from "./api.js";
import { problemsOf } from "./name_fields.js";
import { terminalName } from "./words.js";

const [HOUR, DAY] = [3600, 86_400];
const LABEL_CHARACTERS = 100;

export function openShare(terminal) {
  const ui = openDialog({
    title: t("Share {name}", { name: terminalName(terminal) }),
    name: "share-terminal",
    onSubmit: () => create(),
  });
  const id = terminal.terminalId;
  const summary = h("div", { role: "alert" });
  const control = checkbox(
    t("May type"),
    false,
    t("Without it the link only lets watch; whatever is sent through it is refused."),
    { name: "control" },
  );
  const life = field({
    name: "expires_in",
    label: t("Valid for"),
    control: select(
      [
        [HOUR, t("1 hour")],
        [DAY, t("1 day")],
        [7 * DAY, t("7 days")],
        [30 * DAY, t("30 days")],
      ],
      String(DAY),
    ),
  });
  const label = field({
    name: "label",
    label: t("For whom"),
    control: input({ maxlength: LABEL_CHARACTERS, placeholder: t("like Anna or the night shift") }),
  });
  const fresh = h("div", { class: "term-fresh-share", hidden: true });
  const list = h("ul", { class: "term-shares", "aria-label": t("Share links") });
  const make = h("button", { class: "button primary" }, icon("link"), h("span", {}, t("Make a link")));
  ui.body.append(
    summary,
    fresh,
    h("div", { class: "columns" }, label, life),
    control,
    h("div", {}, make),
    h("h3", {}, t("Links in force")),
    list,
  );
  ui.foot.append(button({ label: t("Close"), on: ui.leave }));
  label.control.focus();
  load();

  async function load() {
    try {
      draw(await listShares(id));
    } catch (error) {
      toastError(error);
    }
  }

  function draw(shares) {
    if (!shares.length) return list.replaceChildren(h("li", { class: "soft" }, t("Nobody else has a link.")));
    list.replaceChildren(...shares.map(row));
  }

  function row(share) {
    const name = share.label || t("Link of {when}", { when: when(share.createdAt) });
    const clients = Array.isArray(share.clients) ? share.clients.length : (share.clients ?? 0);
    const facts = [
      share.mode === "control" ? t("control") : t("view"),
      share.expiresAt ? t("until {when}", { when: when(share.expiresAt) }) : t("without end"),
      clients ? tn(clients, "{n} client", "{n} clients") : t("nobody connected"),
    ];
    return h(
      "li",
      {},
      icon(share.mode === "control" ? "keyboard" : "eye"),
      h("span", {}, h("b", {}, name), h("span", { class: "soft small" }, facts.join(" · "))),
      button({
        label: t("Revoke"),
        kind: "small",
        "aria-label": t("Revoke {name}", { name }),
        on: () => revoke(share, name),
      }),
    );
  }

  async function revoke(share, name) {
    try {
      await revokeShare(id, share.id);
      if (fresh.dataset.share === share.id) fresh.hidden = true;
      await load();
      toast(t("{name} is revoked; who used it is disconnected.", { name }));
      label.control.focus();
    } catch (error) {
      toastError(error);
    }
  }

  async function create() {
    make.disabled = true;
    try {
      const mode = control.control.checked ? "control" : "view";
      const asked = { mode, expires_in: Number(life.control.value) };
      if (label.control.value.trim()) asked.label = label.control.value.trim();
      showFresh(await createShare(id, asked));
      showProblems(ui.dialog, new Map(), summary);
      label.control.value = "";
      await load();
    } catch (error) {
      showProblems(ui.dialog, problemsOf(error), summary);
    } finally {
      make.disabled = false;
    }
  }

  function showFresh(share) {
    const address = input({ class: "mono", value: share.url, readonly: true, "aria-label": t("Link") });
    fresh.dataset.share = share.id;
    fresh.hidden = false;
    fresh.replaceChildren(
      notice("good", t("Copy the link now: it is not shown again.")),
      h(
        "div",
        { class: "copy-line" },
        address,
        button({ label: t("Copy"), glyph: "copy", on: () => copyText(share.url) }),
      ),
    );
    if (share.svg)
      fresh.append(
        h(
          "div",
          { class: "qr" },
          h("img", { src: `data:image/svg+xml;utf8,${encodeURIComponent(share.svg)}`, alt: t("QR code of the link") }),
        ),
      );
    fresh.scrollIntoView({ block: "nearest" });
    address.select();
    announce(t("Copy the link now: it is not shown again."));
  }
}
