/**
 * How a turn continues and ends: from the events of its stream, or from what the server has stored. The server finishes
 * an answer even if nobody listens. A turn that this page did not start, or whose connection broke, is therefore followed
 * by requesting it from the server again and again.
 */
import { ApiError, call, segment } from "../api.js";
import { t } from "../i18n.js";
import { plainText } from "../render.js";
import { announcement, isFinal, isRunning, newTurn, turns, update } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

/** How long to wait before looking at a running answer again. */
const FOLLOW_MS = 1000;
/** The same while the server cannot be reached; the last pause repeats. */
const RECOVERY_PAUSES_MS = [1500, 4000, 8000, 15_000];

/** Turns whose stream this page reads, by answer, for a reader who comes back to their conversation. @type {Map<string, TurnSignal>} */
const listening = new Map();

/** @param {TurnSignal} turn */
export function listen(turn) {
  if (turn.value.answerId) listening.set(turn.value.answerId, turn);
}

/** @param {TurnSignal} turn */
export function hangUp(turn) {
  if (turn.value.answerId) listening.delete(turn.value.answerId);
}

/**
 * Announces a text to screen readers, unless the reader has gone to another conversation.
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
    text: done.status === "failed" ? done.answer || turn.value.text : done.answer ?? turn.value.text, // the server stores nothing of a failed answer
    citations: done.citations ?? [],
    condensed: done.condensed_question ?? turn.value.condensed,
  });
  announce(turn, t(`chat.announce.${turn.value.status}`, { answer: plainText(turn.value.text) }));
}

/**
 * @param {any} stored a turn as the server keeps it
 * @param {string} conversation
 * @returns {TurnSignal} the turn whose stream is being read already, where there is one
 */
export function fromStored(stored, conversation) {
  const answerId = stored.answer_id ?? null;
  return listening.get(answerId) ?? newTurn({
    question: stored.question ?? "",
    condensed: stored.condensed_question ?? null,
    conversation,
    answerId,
    citations: stored.citations ?? [],
    feedback: stored.feedback ?? null,
    correction: stored.correction ?? null,
    ...progress(stored),
  });
}

/** How far a stored turn is. @param {any} stored @returns {Pick<import("./store.js").Turn, "status" | "text" | "sources" | "position">} */
function progress(stored) {
  const status = stored.status ?? "answered";
  const sources = stored.sources ?? [];
  const text = stored.answer ?? "";
  const position = stored.position ?? null;
  if (isFinal(status)) return { status, text, sources, position: null };
  if (text) return { status: "streaming", text, sources, position: null };
  if (position) return { status: "queued", text, sources, position };
  return { status: sources.length > 0 ? "searching" : "waiting", text, sources, position: null };
}

/**
 * Shows that the connection broke, and looks for the answer.
 * @param {TurnSignal} turn
 */
export async function recover(turn) {
  hangUp(turn);
  update(turn, { status: "lost", kept: null });
  announce(turn, t("chat.lost.title"));
  await follow(turn);
}

/**
 * Looks at a stored turn until it is finished or no longer shown.
 * @param {TurnSignal} turn
 */
export async function follow(turn) {
  const { answerId, conversation } = turn.value;
  if (!answerId || !conversation) return;
  const concerned = () => turns.value.includes(turn) && turn.value.answerId === answerId && (isRunning(turn.value.status) || turn.value.status === "lost");
  for (let failures = 0; ;) {
    const pause = failures === 0 ? FOLLOW_MS : RECOVERY_PAUSES_MS[Math.min(failures, RECOVERY_PAUSES_MS.length) - 1];
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!concerned()) return;
    const stored = await savedTurn(conversation, answerId);
    if (!concerned()) return;
    if (stored === undefined) {
      failures += 1;
      if (turn.value.status !== "lost") update(turn, { status: "lost", kept: null });
      continue;
    }
    failures = 0;
    if (stored === null) {
      update(turn, { status: "lost", kept: false });
      return;
    }
    if (isFinal(stored.status)) {
      update(turn, { sources: stored.sources ?? turn.value.sources });
      finish(turn, stored);
      return;
    }
    update(turn, progress(stored));
  }
}

/**
 * @param {string} conversation
 * @param {string} answerId
 * @returns {Promise<any>} the turn; null when the server does not have it any more; undefined when the server did not answer
 */
async function savedTurn(conversation, answerId) {
  try {
    const stored = await call("GET", `/api/conversations/${segment(conversation)}`);
    return (stored?.turns ?? []).find((/** @type {any} */ item) => item.answer_id === answerId) ?? null;
  } catch (error) {
    return error instanceof ApiError && error.status === 404 ? null : undefined;
  }
}
