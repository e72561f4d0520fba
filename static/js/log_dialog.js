// The whole log of a task: from its end, earlier parts on request, new output as it comes.
import { call, logDownloadUrl } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, h, icon, setText } from "./dom.js";
import { errorWords } from "./error_words.js";
import { bytes, t } from "./i18n.js";

const CHUNK = 256 * 1024;
const MOST_CHARACTERS = 4_000_000;
const WAIT_SECONDS = 1.5;

export function openLog(row) {
  new LogReader(row).open();
}

class LogReader {
  #timer = null;
  #gone = false;
  #running = true;

  constructor(row) {
    this.row = row;
    this.first = null; // not known before the log's present end has been asked for
    this.next = null;
    this.oldest = 0;
  }

  open() {
    const { body, foot, closed } = openDialog({
      title: t("Log of {name}", { name: this.row.name }),
      size: "wide",
      name: "log",
    });
    this.text = h("pre", { class: "log-text", tabindex: 0, "aria-label": t("Log") });
    this.note = h("span", { class: "start small soft numbers" });
    this.follow = h("input", { type: "checkbox", checked: true, on: { change: () => this.#scroll() } });
    this.earlier = button({
      label: t("Load earlier output"),
      glyph: "up",
      kind: "small",
      on: () => this.#loadEarlier(),
    });
    body.style.padding = "0";
    body.append(this.text);
    foot.append(
      this.note,
      this.earlier,
      h("label", { class: "check" }, this.follow, t("Follow")),
      h(
        "a",
        { class: "button small", href: logDownloadUrl(this.row.id), download: "" },
        icon("download"),
        t("Download log"),
      ),
    );
    this.text.addEventListener("wheel", () => this.#unfollow(), { passive: true });
    this.text.addEventListener(
      "keydown",
      (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && (this.follow.checked = false),
    );
    this.text.focus();
    closed.then(() => {
      this.#gone = true;
      clearTimeout(this.#timer);
    });
    this.#read();
  }

  async #fetch(since, limit = CHUNK) {
    const { log } = await call(`/tasks/${encodeURIComponent(this.row.id)}/log?since=${since}&limit=${limit}`);
    return log;
  }

  async #read() {
    try {
      if (this.next === null) {
        const { end } = await this.#fetch(0, 0);
        this.first = this.next = Math.max(0, end - CHUNK);
      }
      const log = await this.#fetch(this.next);
      if (this.#gone) return;
      if (this.next === this.first) this.first = log.since;
      this.next = log.next;
      this.oldest = log.oldest;
      this.#running = log.running;
      this.#append(log.text);
      this.#describe(log.end);
      const more = log.next < log.end;
      if (more || log.running) this.#timer = setTimeout(() => this.#read(), more ? 0 : WAIT_SECONDS * 1000);
    } catch (error) {
      if (this.#gone) return;
      const { title } = errorWords(error);
      setText(this.note, title);
      if (error.away) this.#timer = setTimeout(() => this.#read(), 3000);
    }
  }

  async #loadEarlier() {
    const since = Math.max(this.oldest, this.first - CHUNK);
    const log = await this.#fetch(since, this.first - since);
    const below = this.text.scrollHeight - this.text.scrollTop;
    this.follow.checked = false;
    this.text.prepend(log.text);
    this.first = log.since;
    this.text.scrollTop = this.text.scrollHeight - below;
    this.#describe(log.end);
  }

  #append(text) {
    if (text) this.text.append(text);
    let length = this.text.textContent.length;
    while (length > MOST_CHARACTERS && this.text.childNodes.length > 1) {
      length -= this.text.firstChild.length;
      this.first += new TextEncoder().encode(this.text.firstChild.data).length;
      this.text.firstChild.remove();
    }
    this.#scroll();
  }

  #scroll() {
    if (this.follow.checked) this.text.scrollTop = this.text.scrollHeight;
  }

  #unfollow() {
    requestAnimationFrame(() => {
      if (this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight > 40) this.follow.checked = false;
    });
  }

  #describe(end) {
    this.earlier.hidden = this.first <= this.oldest;
    setText(this.note, [bytes(end), this.#running ? t("still being written") : t("complete")].join(" · "));
  }
}
