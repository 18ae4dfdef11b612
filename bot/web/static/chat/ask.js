/**
 * Asking: one question goes out, its events come back into its turn. One question at a time.
 * Handles a full server (waits and tries again), a broken connection (hands over to `turns.js`) and stopping.
 */
import { ApiError, call, segment, send } from "../api.js";
import { describe, explain } from "../errors.js";
import { t } from "../i18n.js";
import { readEvents } from "../sse.js";
import { showInAddress } from "./address.js";
import { sendSignal } from "./signals.js";
import { conversationId, isRunning, newTurn, running, turns, typed, update } from "./store.js";
import { announce, finish, recover } from "./turns.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

/** A stopped answer that the server does not close within this time is closed here. */
const STOP_PATIENCE_MS = 3000;
/** Without a Retry-After of its own, a full server is asked again after this many seconds. */
const DEFAULT_WAIT_S = 10;
/** A full server is asked again by itself this often; then the reader decides. */
const AUTOMATIC_TRIES = 5;

/** @type {WeakMap<TurnSignal, AbortController>} */
const connections = new WeakMap();
/** @type {WeakMap<TurnSignal, number>} */
const tries = new WeakMap();

/**
 * Asks a question as a new turn at the end of the conversation.
 * @param {string} question
 * @param {{regenerate?: string | null}} [options] the answer whose question is asked again
 */
export async function ask(question, { regenerate = null } = {}) {
  const words = question.trim();
  if (!words || running.value) return;
  const turn = newTurn({ question: words, regenerate, asked: true });
  turns.value = [...turns.value, turn];
  await run(turn);
}

/**
 * Asks the question of a turn that got no answer once more, in its place.
 * @param {TurnSignal} turn
 */
export async function again(turn) {
  if (running.value) return;
  update(turn, { status: "waiting", text: "", sources: [], citations: [], answerId: null, problem: undefined, retryAt: undefined });
  await run(turn);
}

/**
 * Takes a turn that got no answer back into the composer.
 * @param {TurnSignal} turn
 */
export function edit(turn) {
  typed.value = turn.value.question;
  turns.value = turns.value.filter((item) => item !== turn);
}

/** Stops the running answer; what is there stays. */
export async function stop() {
  const turn = running.value;
  if (!turn) return;
  const { answerId } = turn.value;
  const close = () => {
    if (!isRunning(turn.value.status)) return;
    update(turn, { status: "stopped" });
    connections.get(turn)?.abort();
  };
  if (!answerId) {
    close();
    return;
  }
  sendSignal(answerId, "stopped");
  setTimeout(close, STOP_PATIENCE_MS);
  try {
    await call("POST", `/api/answers/${segment(answerId)}/stop`);
  } catch {
    close();
  }
}

/** @param {TurnSignal} turn */
async function run(turn) {
  const connection = new AbortController();
  connections.set(turn, connection);
  const home = conversationId.value;
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
  }
}

/**
 * @param {TurnSignal} turn
 * @param {string} event
 * @param {Record<string, any>} data
 */
function receive(turn, event, data) {
  if (!isRunning(turn.value.status)) return;
  if (event === "meta") {
    update(turn, { answerId: data.answer_id, condensed: data.condensed_question ?? null });
    if (turns.value.includes(turn) && data.conversation_id && conversationId.value !== data.conversation_id) {
      conversationId.value = data.conversation_id;
      showInAddress(data.conversation_id, { replace: true });
    }
  } else if (event === "sources") {
    update(turn, { status: "searching", sources: data.sources ?? [] });
  } else if (event === "queue") {
    update(turn, { status: "queued", position: data.position ?? null });
  } else if (event === "token") {
    update(turn, { status: "streaming", text: turn.value.text + (data.text ?? "") });
  } else if (event === "done") {
    finish(turn, data);
  } else if (event === "error") {
    update(turn, { status: "error", problem: describe(data.status ?? 500, data.detail) });
    announce(turn, turn.value.problem ?? "");
  }
}

/**
 * The server said no before it began.
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
  setTimeout(() => {
    if (turn.value.status === "busy" && turns.value.includes(turn)) again(turn);
  }, wait * 1000);
}
