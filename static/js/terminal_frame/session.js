// What the server says about the terminal, kept together and passed on to the page around the frame.
import { cleanTitle } from "./titles.js";

/** The terminal as this client knows it. Fires "change"; `post(type, fields)` tells the page around the frame. */
export class Session extends EventTarget {
  #post;
  #commandSince = null;
  clientId = null;
  mode = "control";
  clients = [];
  owner = null;
  state = "running";
  exitCode = null;
  signal = null;
  lostReason = "";
  title = "";
  progress = null;

  constructor(post) {
    super();
    this.#post = post;
  }

  get running() {
    return this.state === "running";
  }

  /** Take a JSON message of the server that says something of the terminal itself. */
  take(message) {
    const handlers = { status: this.#status, exit: this.#exit, lost: this.#lost, command: this.#command };
    handlers[message.type]?.call(this, message);
  }

  /** The owner of the size and its clients change with `resize` messages, too. */
  setOwner(owner) {
    this.owner = owner;
    this.#changed();
  }

  setTitle(text) {
    const title = cleanTitle(text);
    if (title === this.title) return;
    this.title = title;
    this.#post("title", { title });
    this.#changed();
  }

  #status(message) {
    this.clientId = message.client_id;
    this.mode = message.mode;
    this.clients = message.clients ?? [];
    this.owner = message.size_owner;
    this.state = message.state ?? (message.running ? "running" : "exited");
    if (message.exit_code !== undefined) this.exitCode = message.exit_code;
    if (message.signal !== undefined) this.signal = message.signal;
    if (message.lost_reason !== undefined) this.lostReason = message.lost_reason ?? "";
    this.#post("status", message);
    if (JSON.stringify(message.progress) !== JSON.stringify(this.progress)) {
      this.progress = message.progress;
      this.#post("progress", { progress: message.progress });
    }
    this.setTitle(message.title ?? "");
    this.#changed();
  }

  #exit({ code, signal }) {
    Object.assign(this, { state: "exited", exitCode: code, signal });
    this.#post("exit", { code, signal });
    this.#changed();
  }

  #lost({ reason }) {
    Object.assign(this, { state: "lost", lostReason: reason ?? "" });
    this.#post("lost", { reason });
    this.#changed();
  }

  #command({ event, code, cursor }) {
    const now = performance.now();
    const seconds = event === "done" && this.#commandSince !== null ? (now - this.#commandSince) / 1000 : undefined;
    this.#commandSince = event === "output" ? now : event === "done" ? null : this.#commandSince;
    this.#post("command", { event, code, cursor, seconds });
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
