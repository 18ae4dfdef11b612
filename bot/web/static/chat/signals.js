/** Implicit signals about an answer. They never disturb the reader: a lost signal is not sent again. */
import { call, segment } from "../api.js";

/**
 * @param {string | null} answerId
 * @param {"copied" | "dwell" | "regenerated" | "source_opened" | "stopped"} kind
 * @param {number | string} [value]
 */
export async function sendSignal(answerId, kind, value) {
  if (!answerId) return;
  try {
    await call("POST", `/api/answers/${segment(answerId)}/signals`, value === undefined ? { kind } : { kind, value }, { keepalive: true });
  } catch {
    // see above
  }
}
