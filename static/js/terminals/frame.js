// The frame in which xterm.js runs, under a policy of its own, and the messages between it and this page.
import { h } from "../dom.js";
import { t } from "../i18n.js";

const SOURCE = "bg-runner-terminal";

export class TerminalFrame {
  #ready = false;

  /** `address` of the frame's page; `on(message)` gets what it says: status, connection, command, exit, lost, leave. */
  constructor(address, name, on) {
    this.element = h("iframe", { src: address, title: t("Terminal {name}", { name }), class: "term-screen" });
    this.on = on;
    this.listen = (event) => {
      if (event.origin !== location.origin || event.source !== this.element.contentWindow) return;
      if (event.data?.source !== SOURCE || typeof event.data.type !== "string") return;
      if (event.data.type === "ready") this.#beReady();
      this.on(event.data);
    };
    window.addEventListener("message", this.listen);
  }

  send(type, fields = {}) {
    this.element.contentWindow?.postMessage({ source: SOURCE, type, ...fields }, location.origin);
  }

  /** A frame that is still loading gets the focus for its terminal later, unless it has gone elsewhere meanwhile. */
  focus() {
    this.element.focus();
    if (this.#ready) this.send("focus");
  }

  #beReady() {
    this.#ready = true;
    if (document.activeElement === this.element) this.send("focus");
  }

  remove() {
    window.removeEventListener("message", this.listen);
    this.element.remove();
  }
}
