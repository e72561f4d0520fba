// Polling the status: ETag, back-off when hidden or offline, and how old the last answer is.
import { request, readAnswer, ApiError } from "./api.js";

const HIDDEN_FACTOR = 5;
const IDLE_FACTOR = 3;
const LONGEST_RETRY = 15;

/**
 * Events: "status" {status, notices} when the answer changed, "connection" {state, error} when it came or went.
 * `state` is "fresh", "away" (no answer), "offline" (this device) or "expired" (the login).
 */
export class StatusFeed extends EventTarget {
  #etag = null;
  #timer = null;
  #failures = 0;
  #asking = null;
  #active = false;
  state = "loading";
  /** performance.now() of the last answer, changed or not. */
  answeredAt = null;
  /** Milliseconds to add to this device's clock to get the server's. */
  clockOffset = 0;
  nextAttemptAt = null;

  constructor(interval) {
    super();
    this.interval = interval;
  }

  start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.poll());
    window.addEventListener("online", () => this.poll());
    window.addEventListener("offline", () => this.#connection("offline"));
    return this.poll();
  }

  /** Seconds since the server last answered, or null. */
  get age() {
    return this.answeredAt === null ? null : (performance.now() - this.answeredAt) / 1000;
  }

  serverNow() {
    return Date.now() + this.clockOffset;
  }

  /** Ask now; a question under way is shared. */
  poll() {
    clearTimeout(this.#timer);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
      this.#schedule();
    });
    return this.#asking;
  }

  /** Ask after a change of our own: an answer under way may be older than the change, so ask once more after it. */
  async refresh() {
    if (this.#asking) await this.#asking;
    return this.poll();
  }

  async #ask() {
    try {
      const headers = this.#etag ? { "If-None-Match": this.#etag } : {};
      const response = await request("/api/background_task/status", { headers, signal: AbortSignal.timeout(15000) });
      this.#readClock(response);
      if (response.status !== 304) {
        const answer = await readAnswer(response);
        this.#etag = response.headers.get("ETag");
        this.#active = ["queued", "running"].includes(answer.task_status?.status);
        this.#answered();
        this.dispatchEvent(
          new CustomEvent("status", { detail: { status: answer.task_status, notices: answer.notices ?? [] } }),
        );
        return;
      }
      this.#answered();
    } catch (error) {
      this.#failed(error);
    }
  }

  #readClock(response) {
    const date = Date.parse(response.headers.get("Date") ?? "");
    // The header counts whole seconds: correct the clock only if it is clearly off.
    if (!Number.isNaN(date) && Math.abs(date - Date.now() - this.clockOffset) > 1500)
      this.clockOffset = date - Date.now();
  }

  #answered() {
    this.#failures = 0;
    this.answeredAt = performance.now();
    this.#connection("fresh");
  }

  #failed(error) {
    this.#failures += 1;
    if (error instanceof ApiError && error.status === 401) this.#connection("expired", error);
    else if (error instanceof ApiError && error.status >= 400 && error.status < 500) this.#connection("refused", error);
    else this.#connection(navigator.onLine === false ? "offline" : "away", error);
  }

  #connection(state, error = null) {
    const before = this.state;
    this.state = state;
    if (state !== before) this.dispatchEvent(new CustomEvent("connection", { detail: { state, before, error } }));
  }

  #delay() {
    if (this.#failures)
      return Math.min(LONGEST_RETRY, this.interval * 2 ** (this.#failures - 1)) * (document.hidden ? 2 : 1);
    return this.interval * (document.hidden ? HIDDEN_FACTOR : this.#active ? 1 : IDLE_FACTOR);
  }

  #schedule() {
    clearTimeout(this.#timer);
    const seconds = this.#delay();
    this.nextAttemptAt = performance.now() + seconds * 1000;
    this.#timer = setTimeout(() => this.poll(), seconds * 1000);
  }
}
