// The WebSocket to one terminal, kept up: tries again with growing pauses, at once when the network is back.
import { FINAL_CLOSE, SUBPROTOCOL, decodeFrame } from "./protocol.js";

const FIRST_PAUSE = 500; // ms
const LONGEST_PAUSE = 15_000;
const HEARTBEAT = 5_000;
const SLEPT = 20_000;

/**
 * Events: "state" {state, reason, retryAt}, "message" (parsed JSON), "frame" {kind, cursor, payload}.
 * States: connecting, connected, reconnecting, closed. A closed connection stays so; `reason` says why:
 * "expired" (login), "revoked" (share link), "gone" (no such terminal).
 */
export class Connection extends EventTarget {
  #address;
  #probe;
  #socket = null;
  #failures = 0;
  #timer = 0;
  state = "connecting";
  reason = "";
  retryAt = 0; // performance.now() of the next try

  /** `address()` is asked for the URL before each try; `probe` is an address that tells why a handshake failed. */
  constructor(address, probe) {
    super();
    this.#address = address;
    this.#probe = probe;
    addEventListener("online", () => this.renew());
    document.addEventListener("resume", () => this.renew());
    document.addEventListener("visibilitychange", () => !document.hidden && this.tryNow());
    this.#watchForSleep();
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that are waiting to be sent. */
  get backlog() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#address(), [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      if (typeof data !== "string") {
        this.#emit("frame", decodeFrame(data));
        return;
      }
      if (this.state !== "connected") {
        this.#failures = 0;
        this.#enter("connected");
      }
      this.#emit("message", JSON.parse(data));
    };
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code, opened);
  }

  /** Send a JSON message; returns whether there was a connection for it. */
  send(message) {
    if (!this.open) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Send raw input. */
  sendBytes(bytes) {
    if (this.open) this.#socket.send(bytes);
  }

  /** Try at once instead of waiting for the next turn. */
  tryNow() {
    if (this.state === "reconnecting" && this.#socket === null) this.connect();
  }

  /** Leave a connection that may be dead without anybody having said so: after sleep, on another network. */
  renew() {
    if (this.state === "closed" || this.#socket?.readyState === WebSocket.CONNECTING) return;
    const old = this.#socket;
    this.#socket = null;
    old?.close();
    this.#failures = 0;
    this.#enter("reconnecting");
    this.connect();
  }

  #lost(code, opened) {
    this.#socket = null;
    if (FINAL_CLOSE[code]) this.#enter("closed", FINAL_CLOSE[code]);
    else {
      this.#again();
      if (!opened) this.#askWhy();
    }
  }

  #again() {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    this.retryAt = performance.now() + pause;
    this.#timer = setTimeout(() => this.connect(), pause);
    this.#enter("reconnecting");
  }

  /** A browser does not tell a script why a handshake was refused: ask the terminal's plain address. */
  async #askWhy() {
    let status = 0;
    try {
      status = (await fetch(this.#probe, { cache: "no-store" })).status;
    } catch {
      return; // the server is away
    }
    const reason = { 401: "expired", 403: "revoked", 404: "gone" }[status];
    if (!reason || this.state !== "reconnecting" || this.#socket) return;
    clearTimeout(this.#timer);
    this.#enter("closed", reason);
  }

  #watchForSleep() {
    let last = Date.now();
    let seen = !document.hidden;
    setInterval(() => {
      // A hidden page's timers are slow anyway; only a gap while it was shown means that the machine slept.
      if (seen && !document.hidden && Date.now() - last > SLEPT) this.renew();
      last = Date.now();
      seen = !document.hidden;
    }, HEARTBEAT);
  }

  #enter(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.#emit("state", { state, reason, retryAt: this.retryAt });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
