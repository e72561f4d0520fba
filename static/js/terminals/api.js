// The HTTP API of terminals. Every failure is an ApiError.
import { call } from "../api.js";

const BASE = "/api/terminals";
const WAIT_MS = 15_000;
const LONG_WAIT_MS = 60_000; // ending a process tree takes as long as its programs take to clean up
const place = (id, rest = "") => `${BASE}/${encodeURIComponent(id)}${rest}`;

async function ask(path, { method = "GET", body, wait = WAIT_MS } = {}) {
  return (await call(path, { method, body, signal: AbortSignal.timeout(wait) })).data;
}

export const listTerminals = async () => (await ask(BASE)).terminals;
export const readTerminal = (id) => ask(place(id));
export const createTerminal = (fields) => ask(BASE, { method: "POST", body: fields });
export const changeTerminal = (id, fields) => ask(place(id), { method: "PATCH", body: fields });
export const readUsage = (id) => ask(place(id, "/usage"));
export const runAgain = (id) => ask(place(id, "/run-again"), { method: "POST", body: {} });
export const endTerminal = (id) => ask(place(id, "/kill"), { method: "POST", body: {}, wait: LONG_WAIT_MS });
export const removeTerminal = (id) => ask(place(id), { method: "DELETE", wait: LONG_WAIT_MS });

export async function listShares(id) {
  const data = await ask(place(id, "/shares"));
  return Array.isArray(data) ? data : data.shares;
}
export const createShare = (id, fields) => ask(place(id, "/shares"), { method: "POST", body: fields });
export const revokeShare = (id, shareId) =>
  ask(place(id, `/shares/${encodeURIComponent(shareId)}`), { method: "DELETE" });

export const recordingUrl = (id, { inline = false } = {}) => place(id, `/recording${inline ? "?inline=1" : ""}`);
export const pageUrl = (id) => `/t/${encodeURIComponent(id)}`;
export const replayUrl = (id) => `${pageUrl(id)}/replay`;
