// Screenshots in full size, one after the other: arrow keys or buttons.
import { artifactUrl } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, h, icon, setText } from "./dom.js";
import { t } from "./i18n.js";

export function openScreenshots(shots, start, taskName, describeStep) {
  const { dialog, body, foot } = openDialog({ title: taskName || t("Screenshots"), size: "wide", name: "screenshots" });
  let at = start;
  const image = h("img");
  const caption = h("span", { class: "start numbers", role: "status" });
  const original = h("a", { class: "button", target: "_blank", rel: "noopener" }, icon("link"), t("Original"));
  const previous = button({ label: t("Previous"), on: () => show(at - 1) });
  const next = button({ label: t("Next"), on: () => show(at + 1) });
  body.className = "shot";
  body.tabIndex = 0;
  body.append(image);
  foot.append(caption, original, previous, next);

  function show(index) {
    at = Math.max(0, Math.min(shots.length - 1, index));
    image.src = artifactUrl(shots[at].id);
    image.alt = shotWords(shots[at], describeStep);
    original.href = image.src;
    setText(
      caption,
      t("{n} of {total}", { n: at + 1, total: shots.length }) + ` · ${shotWords(shots[at], describeStep)}`,
    );
    previous.setAttribute("aria-disabled", String(at === 0));
    next.setAttribute("aria-disabled", String(at === shots.length - 1));
  }

  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) show(at + step);
  });
  show(start);
  next.focus();
}

/** What a screenshot shows: the words of its step if they are known, else the name somebody gave it. */
export function shotWords(shot, describeStep) {
  const name = shot.name.replace(/\.(jpe?g|png|webp)$/, "");
  if (!shot.step) return name;
  const words = /^(step|failure)-?\d*$/.test(name) ? describeStep(shot.step) : name;
  return words ? t("Step {n}: {name}", { n: shot.step, name: words }) : t("Step {n}", { n: shot.step });
}
