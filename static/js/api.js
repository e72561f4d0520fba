// The HTTP API of this workspace. Every failure is an ApiError: code, message, hint, and the fields it speaks of.

export const sessionId = document.body.dataset.session;
const BASE = "/api/background_task";

export class ApiError extends Error {
  constructor({ code, message, hint = "", fields = [] }, status = 0) {
    super(message);
    Object.assign(this, { code, hint, fields, status });
  }

  /** The server gave no answer of its own: it is down, or something in between is. */
  get away() {
    return this.code === "SERVER_AWAY";
  }
}

/** fetch() with the workspace's header; network failures and gateways' answers become ApiErrors. */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const options = {
    method,
    // A terminal's own page belongs to no workspace.
    headers: { ...(sessionId && { "X-Session-ID": sessionId }), Accept: "application/json", ...headers },
    signal,
    cache: "no-store",
  };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ code: "SERVER_AWAY", message: String(error.message || error) });
  }
}

/** The JSON answer of a call under /api/background_task (or of an absolute path). Throws ApiError. */
export async function call(path, options = {}) {
  const response = await request(path.startsWith("/api/") ? path : BASE + path, options);
  return readAnswer(response);
}

export async function readAnswer(response) {
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    answer = null;
  }
  if (response.ok && answer?.success !== false) return answer;
  const code = response.status >= 502 && response.status <= 504 && !answer?.error ? "SERVER_AWAY" : "INTERNAL_ERROR";
  const error = new ApiError(answer?.error ?? { code, message: `HTTP ${response.status}` }, response.status);
  if (response.status === 401) document.dispatchEvent(new CustomEvent("login-expired"));
  throw error;
}

const query = `session_id=${encodeURIComponent(sessionId)}`;
export const artifactUrl = (id) => `${BASE}/artifacts/${encodeURIComponent(id)}?${query}`;
export const downloadUrl = (id) => `${artifactUrl(id)}&download=1`;
export const logDownloadUrl = (taskId) => `${BASE}/tasks/${encodeURIComponent(taskId)}/log?${query}&download=1`;
