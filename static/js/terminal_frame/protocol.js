// The binary form of the terminal's WebSocket: what a frame of the server says, and what is sent to it.

export const SUBPROTOCOL = "bg-runner.binary.v1";
export const OUTPUT = 0x01;
export const SCREEN = 0x02;
export const SCREEN_WITH_SCROLLBACK = 0x03;

const HEAD = 9; // 1 byte kind, 8 bytes cursor (big-endian)

/**
 * A binary frame as {kind, cursor, payload}. For OUTPUT the cursor is where the payload begins in the terminal's log;
 * for a snapshot it is where output goes on after it. Throws RangeError for a frame that is too short.
 */
export function decodeFrame(buffer) {
  const view = new DataView(buffer);
  return { kind: view.getUint8(0), cursor: Number(view.getBigUint64(1)), payload: new Uint8Array(buffer, HEAD) };
}

export const ack = (cursor) => ({ type: "ack", cursor });
export const resize = ({ rows, cols }, take = false) => ({ type: "resize", rows, cols, ...(take && { take }) });
export const askForSnapshot = () => ({ type: "snapshot" });

/** The close codes after which trying again is of no use, each with a name for it. */
export const FINAL_CLOSE = { 4401: "expired", 4403: "revoked", 4404: "gone" };
