/**
 * Asking: sends one question and writes its events into its turn. One question at a time.
 * Handles a full server (waits and tries again), a broken connection (hands over to `turns.js`) and stopping.
 * A question belongs to the conversation that was open when it was asked, even if the reader has opened another one when its events come.
 */
import { ApiError, call, segment, send } from "../api.js";
import { describe, explain } from "../errors.js";
import { t } from "../i18n.js";
import { readEvents } from "../sse.js";
import { toast } from "../ui.js";
import { showInAddress } from "./address.js";
import { moveTyped, setTyped } from "./drafts.js";
import { sendSignal } from "./signals.js";
import { conversationId, drafts, isRunning, newTurn, running, turns, typed, unseen, update } from "./store.js";
import { announce, finish, hangUp, listen, recover } from "./turns.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

/** A stopped answer that the server does not close within this time is closed here. */
const STOP_PATIENCE_MS = 3000;
/** Seconds until a full server is asked again, when it sends no Retry-After. */
const DEFAULT_WAIT_S = 10;
/** How often a full server is asked again automatically; then the reader decides. */
const AUTOMATIC_TRIES = 5;

/** @type {WeakMap<TurnSignal, AbortController>} */
const connections = new WeakMap();
/** @type {WeakMap<TurnSignal, number>} */
const tries = new WeakMap();
/** Turns that were stopped before the server had given them an id. @type {WeakSet<TurnSignal>} */
const stopping = new WeakSet();

/**
 * Asks a question as a new turn at the end of the conversation.
 * @param {string} question
 * @param {{regenerate?: string | null}} [options] the answer whose question is asked again
 */
export async function ask(question, { regenerate = null } = {}) {
  const words = question.trim();
  if (!words || running.value) return;
  const turn = newTurn({ question: words, conversation: conversationId.value, regenerate, asked: true });
  turns.value = [...turns.value, turn];
  await run(turn);
}

/**
 * Asks the question of a turn that got no answer once more, in its place.
 * @param {TurnSignal} turn
 */
export async function again(turn) {
  if (running.value && turns.value.includes(turn)) return;
  update(turn, { status: "waiting", text: "", sources: [], citations: [], answerId: null, problem: undefined, retryAt: undefined, kept: undefined });
  await run(turn);
}

/**
 * Takes a turn that got no answer back into the composer, before what is typed there.
 * @param {TurnSignal} turn
 */
export function edit(turn) {
  setTyped([turn.value.question, typed.value].filter(Boolean).join("\n"));
  turns.value = turns.value.filter((item) => item !== turn);
}

/** Stops the running answer; its text so far stays. */
export async function stop() {
  const turn = running.value;
  if (!turn) return;
  const { answerId } = turn.value;
  if (!answerId) {
    stopping.add(turn); // sent to the server as soon as the answer has an id
    update(turn, { status: "stopped" });
    return;
  }
  try {
    await stopAnswer(answerId);
  } catch (error) {
    if (isRunning(turn.value.status)) toast(explain(error));
    return;
  }
  setTimeout(() => {
    if (!isRunning(turn.value.status)) return;
    update(turn, { status: "stopped" });
    connections.get(turn)?.abort();
  }, STOP_PATIENCE_MS);
}

/** @param {string} answerId */
async function stopAnswer(answerId) {
  sendSignal(answerId, "stopped");
  await call("POST", `/api/answers/${segment(answerId)}/stop`);
}

/** @param {TurnSignal} turn */
async function run(turn) {
  const connection = new AbortController();
  connections.set(turn, connection);
  const home = turn.value.conversation;
  announce(turn, t("chat.announce.asked"));
  try {
    const body = { question: turn.value.question, stream: true, conversation_id: home ?? undefined, regenerate: turn.value.regenerate ?? undefined };
    const response = await send("POST", "/api/chat", body, { signal: connection.signal, accept: "text/event-stream" });
    for await (const { event, data } of readEvents(response)) receive(turn, event, data ?? {});
    if (isRunning(turn.value.status)) await recover(turn);
  } catch (error) {
    if (!isRunning(turn.value.status)) return; // stopped here
    if (error instanceof ApiError && error.status > 0) refuse(turn, error);
    else await recover(turn);
  } finally {
    hangUp(turn);
    if (!turns.value.includes(turn)) endElsewhere(turn);
  }
}

/**
 * Called when the reader has opened another conversation: a question that the server did not accept is kept in the question box of its own conversation.
 * @param {TurnSignal} turn
 */
function endElsewhere(turn) {
  unseen.value += 1;
  const { answerId, status, conversation, question, retryAt } = turn.value;
  const dropped = !answerId && (status === "error" || status === "lost" || (status === "busy" && !retryAt));
  if (dropped && !drafts.value[conversation ?? ""]) setTyped(question, conversation);
}

/**
 * @param {TurnSignal} turn
 * @param {string} event
 * @param {Record<string, any>} data
 */
function receive(turn, event, data) {
  if (event === "meta") begun(turn, data);
  if (!isRunning(turn.value.status)) return;
  if (event === "sources") {
    update(turn, { status: "searching", sources: data.sources ?? [] });
  } else if (event === "queue") {
    const next = turn.value.sources.length > 0 ? "searching" : "waiting"; // what follows when the place is reached
    update(turn, data.position === 0 ? { status: next, position: null, silent: null } : { status: "queued", position: data.position ?? null });
  } else if (event === "silent") {
    update(turn, { silent: { seconds: data.seconds, limit: data.limit } });
  } else if (event === "token") {
    update(turn, { status: "streaming", silent: null, text: turn.value.text + (data.text ?? "") });
  } else if (event === "done") {
    finish(turn, data);
  } else if (event === "error") {
    update(turn, { status: "error", problem: describe(data.status ?? 500, data.detail) });
    announce(turn, turn.value.problem ?? "");
  }
}

/**
 * The server has taken the question.
 * @param {TurnSignal} turn
 * @param {Record<string, any>} data
 */
function begun(turn, data) {
  const shown = turns.value.includes(turn);
  if (!turn.value.conversation || !shown || stopping.has(turn)) unseen.value += 1;
  update(turn, { answerId: data.answer_id, conversation: data.conversation_id ?? turn.value.conversation, condensed: data.condensed_question ?? null });
  listen(turn);
  // A conversation that was being loaded may have brought the same turn along.
  if (shown) turns.value = turns.value.filter((other) => other === turn || other.value.answerId !== data.answer_id);
  if (stopping.delete(turn)) stopAnswer(data.answer_id).catch((error) => toast(explain(error)));
  if (shown && data.conversation_id && conversationId.value !== data.conversation_id) {
    moveTyped(conversationId.value, data.conversation_id);
    conversationId.value = data.conversation_id;
    showInAddress(data.conversation_id, { replace: true });
  }
}

/**
 * The server refused the question before it started to answer.
 * @param {TurnSignal} turn
 * @param {ApiError} error
 */
function refuse(turn, error) {
  if (error.status !== 503) {
    update(turn, { status: "error", problem: explain(error), login: error.status === 401 });
    announce(turn, turn.value.problem ?? "");
    return;
  }
  const wait = error.retryAfter ?? DEFAULT_WAIT_S;
  const tried = (tries.get(turn) ?? 0) + 1;
  tries.set(turn, tried);
  const automatic = tried <= AUTOMATIC_TRIES;
  update(turn, { status: "busy", retryAt: automatic ? Date.now() + wait * 1000 : undefined });
  announce(turn, t("chat.busy.title"));
  if (!automatic) return;
  retry(turn, wait * 1000);
}

/**
 * Asks again automatically, even when the reader is in another conversation; waits while another question is being answered.
 * @param {TurnSignal} turn
 * @param {number} wait milliseconds
 */
function retry(turn, wait) {
  setTimeout(() => {
    if (turn.value.status !== "busy") return;
    if (running.value && turns.value.includes(turn)) retry(turn, 1000);
    else again(turn);
  }, wait);
}
