/** How a turn ends: from the last event of its stream, or from what the server saved when the stream broke. */
import { call, segment } from "../api.js";
import { t } from "../i18n.js";
import { plainText } from "../render.js";
import { announcement, conversationId, isFinal, newTurn, turns, update } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

/** When a broken connection may have left a finished answer behind: look for it after these pauses. */
const RECOVERY_PAUSES_MS = [1500, 4000, 8000, 15_000];

/**
 * Reads a text out, unless the reader has gone to another conversation.
 * @param {TurnSignal} turn
 * @param {string} text
 */
export function announce(turn, text) {
  if (turns.value.includes(turn)) announcement.value = text;
}

/**
 * @param {TurnSignal} turn
 * @param {Record<string, any>} done the `done` event, or a stored turn
 */
export function finish(turn, done) {
  update(turn, {
    answerId: done.answer_id ?? turn.value.answerId,
    status: done.status ?? "answered",
    text: done.answer ?? turn.value.text,
    citations: done.citations ?? [],
    condensed: done.condensed_question ?? turn.value.condensed,
  });
  announce(turn, t(`chat.announce.${turn.value.status}`, { answer: plainText(turn.value.text) }));
}

/**
 * @param {any} stored a turn as the server keeps it
 * @returns {TurnSignal}
 */
export function fromStored(stored) {
  const status = stored.status ?? "answered";
  return newTurn({
    question: stored.question ?? "",
    condensed: stored.condensed_question ?? null,
    answerId: stored.answer_id ?? null,
    status: isFinal(status) ? status : "lost", // still being written: `recover` waits for it
    text: stored.answer ?? "",
    sources: stored.sources ?? [],
    citations: stored.citations ?? [],
    feedback: stored.feedback ?? null,
    correction: stored.correction ?? null,
  });
}

/**
 * The connection broke. The server saves an answer whether or not anyone listens, so look for it before giving up.
 * @param {TurnSignal} turn
 */
export async function recover(turn) {
  const { answerId } = turn.value;
  const home = conversationId.value;
  update(turn, { status: "lost" });
  announce(turn, t("chat.lost.title"));
  if (!answerId || !home) return;
  for (const pause of RECOVERY_PAUSES_MS) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (turn.value.status !== "lost" || !turns.value.includes(turn)) return;
    const stored = await savedTurn(home, answerId);
    if (turn.value.status !== "lost") return;
    if (stored && isFinal(stored.status)) {
      update(turn, { sources: stored.sources ?? turn.value.sources });
      finish(turn, stored);
      return;
    }
  }
}

/**
 * @param {string} conversation
 * @param {string} answerId
 */
async function savedTurn(conversation, answerId) {
  try {
    const stored = await call("GET", `/api/conversations/${segment(conversation)}`);
    return (stored?.turns ?? []).find((/** @type {any} */ item) => item.answer_id === answerId) ?? null;
  } catch {
    return null;
  }
}
