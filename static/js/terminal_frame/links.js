// Links in output are somebody else's words: only http and https, in a new tab that knows nothing of this one.
import { ask } from "../dialogs.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";

function webAddress(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Open an address that stands in the output as it is. */
export function openLink(text) {
  const address = webAddress(text);
  if (address) window.open(address, "_blank", "noopener,noreferrer");
}

/** Open an address that hides behind other words (OSC 8): show it first. */
export async function confirmAndOpen(text) {
  const address = webAddress(text);
  if (!address) return;
  const answers = [
    { value: "", label: t("Cancel") },
    { value: "open", label: t("Open"), kind: "primary" },
  ];
  const shown = h("p", { class: "break mono" }, address);
  const answer = await ask({ title: t("Open this link?"), text: [t("A program wrote it:"), shown], answers });
  if (answer === "open") openLink(address);
}
