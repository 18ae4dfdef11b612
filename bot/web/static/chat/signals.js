/** Implicit signals about an answer. They never disturb the reader: a signal that is lost is lost. */
import { call, segment } from "../api.js";

/**
 * @param {string | null} answerId
 * @param {"copied" | "dwell" | "regenerated" | "source_opened" | "stopped" | "not_my_question"} kind
 * @param {number | string} [value]
 * @returns {Promise<boolean>} whether it arrived
 */
export async function sendSignal(answerId, kind, value) {
  if (!answerId) return false;
  try {
    await call("POST", `/api/answers/${segment(answerId)}/signals`, value === undefined ? { kind } : { kind, value }, { keepalive: true });
    return true;
  } catch {
    return false;
  }
}
