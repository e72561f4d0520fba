// What the page knows of the terminals: the list, asked for every 5 s while it is looked at (seed 000), and what the
// frames of the opened ones report at once.
import { listTerminals } from "./api.js";
import { forget, remember, remembered } from "./memory.js";

const INTERVAL = 5_000;
const LONGEST_RETRY = 30_000;
const HIDDEN = "hidden-terminals";

/** Events: "change" (anything), "gone" {ids} (they are no longer on the server), "error" {error|null}. */
export class TerminalStore extends EventTarget {
  #known = new Map();
  #hidden = new Set(remembered(HIDDEN, []));
  #timer = null;
  #asking = null;
  #failures = 0;
  #wanted = false;
  loaded = false;

  /** `read` is the question asked; a shared page knows one terminal only. */
  constructor(read = listTerminals) {
    super();
    this.read = read;
    document.addEventListener("visibilitychange", () => this.#resume());
  }

  /** Keep the list fresh (or stop doing so). A hidden tab asks for nothing. */
  watch(wanted) {
    this.#wanted = wanted;
    this.#resume();
  }

  #resume() {
    clearTimeout(this.#timer);
    if (this.#wanted && !document.hidden) this.refresh();
  }

  /** Ask now; after a change of our own the answer under way may be older than the change, so ask once more. */
  async refresh() {
    clearTimeout(this.#timer);
    if (this.#asking) await this.#asking;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
      clearTimeout(this.#timer);
      const wait = Math.min(LONGEST_RETRY, INTERVAL * 2 ** this.#failures);
      if (this.#wanted && !document.hidden) this.#timer = setTimeout(() => this.refresh(), wait);
    });
    return this.#asking;
  }

  async #ask() {
    try {
      this.#take(await this.read());
      this.#failures = 0;
      this.dispatchEvent(new CustomEvent("error", { detail: null }));
    } catch (error) {
      this.#failures += 1;
      this.dispatchEvent(new CustomEvent("error", { detail: error }));
    }
  }

  #take(terminals) {
    const before = this.#known;
    const kept = ({ clients = null, clientId = null } = {}) => ({ clients, clientId }); // only a frame knows these
    this.#known = new Map(terminals.map((one) => [one.terminalId, { ...one, ...kept(before.get(one.terminalId)) }]));
    this.loaded = true;
    const gone = [...before.keys()].filter((id) => !this.#known.has(id));
    if (gone.length) this.dispatchEvent(new CustomEvent("gone", { detail: { ids: gone } }));
    this.#changed();
  }

  /** The status message of the WebSocket of an opened terminal: newer than any list. */
  applyStatus(id, status) {
    const terminal = this.#known.get(id);
    if (!terminal) return;
    Object.assign(terminal, {
      clients: status.clients ?? terminal.clients,
      clientId: status.client_id ?? terminal.clientId,
      connectedClients: status.connected_clients ?? terminal.connectedClients,
      status: status.state ?? terminal.status,
      title: status.title ?? terminal.title,
      cwd: status.cwd || terminal.cwd,
      progress: "progress" in status ? status.progress : terminal.progress,
      sizeOwner: "size_owner" in status ? status.size_owner : terminal.sizeOwner,
    });
    terminal.runningInBackground = terminal.status === "running" && terminal.connectedClients === 0;
    this.#changed();
  }

  /** Some fields of a terminal as the server just answered them. */
  apply(terminal) {
    this.#known.set(terminal.terminalId, { clients: null, ...this.#known.get(terminal.terminalId), ...terminal });
    this.#changed();
  }

  drop(id) {
    if (this.#known.delete(id)) this.dispatchEvent(new CustomEvent("gone", { detail: { ids: [id] } }));
    this.show(id);
  }

  get(id) {
    return this.#known.get(id) ?? null;
  }

  /** Every terminal: those without a group first, then by group, oldest first. */
  get all() {
    const order = (a, b) =>
      (a.group ?? "").localeCompare(b.group ?? "") || String(a.created).localeCompare(String(b.created));
    return [...this.#known.values()].sort(order);
  }

  get visible() {
    return this.all.filter((one) => !this.#hidden.has(one.terminalId));
  }

  get hidden() {
    return this.all.filter((one) => this.#hidden.has(one.terminalId));
  }

  get groups() {
    return [...new Set(this.all.map((one) => one.group).filter(Boolean))];
  }

  /** Only this browser hides the tab; the terminal does not notice. */
  hide(id) {
    this.#hidden.add(id);
    this.#keepHidden();
  }

  show(id) {
    this.#hidden.delete(id);
    this.#keepHidden();
  }

  #keepHidden() {
    const still = [...this.#hidden].filter((id) => this.#known.has(id));
    if (still.length) remember(HIDDEN, still);
    else forget(HIDDEN);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
