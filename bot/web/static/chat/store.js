/**
 * The state of the chat page, and nothing else: every other chat module reads and writes these signals.
 * Knows nothing about the server or the screen.
 */
import { computed, signal } from "../html.js";

/**
 * `waiting` for the server, `queued` behind others, `searching` passages are there, `streaming` words arrive; then one
 * of the server's final states, or `busy` (503, counting down), `lost` (the connection broke), `error` (the server refused the question).
 * @typedef {"waiting" | "queued" | "searching" | "streaming" | "answered" | "curated" | "refused" | "stopped" | "failed" | "busy" | "lost" | "error"} TurnStatus
 */

/**
 * @typedef {object} Feedback
 * @property {"up" | "down"} rating
 * @property {string[]} [reasons]
 * @property {string | null} [comment]
 * @property {string | null} [suggested_answer]
 * @property {string | null} [quote]
 */

/**
 * @typedef {object} Turn
 * @property {string} key stable for the life of the page
 * @property {string} question
 * @property {string | null} [condensed] the question as it was understood with its history
 * @property {string | null} conversation where it belongs; null until the server has begun a new one
 * @property {string | null} answerId
 * @property {TurnStatus} status
 * @property {string} text
 * @property {import("../answer.js").Source[]} sources
 * @property {number[]} citations
 * @property {number | null} [position] in the queue, 1 = next; null when it does not wait there
 * @property {{seconds: number, limit: number} | null} [silent] for how long the model has sent nothing, and when it is given up
 * @property {boolean | null} [kept] of a lost one: false when the server does not have it, null when that is not known
 * @property {number} [retryAt] milliseconds since the epoch
 * @property {string} [problem] the message for the reader
 * @property {boolean} [login] only people with an account may ask here
 * @property {Feedback | null} feedback
 * @property {{corrected?: boolean, corrected_at?: string | null, state?: string, answer?: string | null} | null} correction
 * @property {string | null} [regenerate] the answer whose question this asks again
 * @property {boolean} [asked] in this visit, not fetched from the server
 */

/** @typedef {import("../vendor/signals.js").Signal<Turn>} TurnSignal */
/** @typedef {{id: string, title: string, created_at?: string, updated_at?: string, corrected?: boolean}} Conversation */

/** @type {import("../vendor/signals.js").Signal<Conversation[]>} */
export const conversations = signal([]);
/** Conversations that are deleted here but not yet on the server, because that can still be undone. */
export const hidden = signal(/** @type {ReadonlySet<string>} */ (new Set()));
/** @type {import("../vendor/signals.js").Signal<string | null>} */
export const conversationId = signal(null);
/** @type {import("../vendor/signals.js").Signal<TurnSignal[]>} */
export const turns = signal([]);
/** Where the turns before those that are shown begin (`before` for the server); null: all are shown. @type {import("../vendor/signals.js").Signal<string | null>} */
export const earlier = signal(null);
/** `idle`, `loading` a stored conversation, or `missing`: it does not exist or belongs to somebody else. */
export const loading = signal(/** @type {"idle" | "loading" | "missing" | "failed"} */ ("idle"));
/** Why a stored conversation could not be shown. */
export const loadingProblem = signal("");
/** What is typed and not yet asked, by conversation; "" is the new one. @type {import("../vendor/signals.js").Signal<Record<string, string>>} */
export const drafts = signal({});
/** The same for the conversation that is open. */
export const typed = computed(() => drafts.value[conversationId.value ?? ""] ?? "");
/** Counts what the list of conversations has not shown yet: a new one, and what happened in one that is not open. */
export const unseen = signal(0);
/** The passage that the panel shows. @type {import("../vendor/signals.js").Signal<{source: import("../answer.js").Source, sources: import("../answer.js").Source[], button: HTMLElement | null, answerId?: string | null} | null>} */
export const panel = signal(null);
/** The list of conversations is open (narrow screens). */
export const drawer = signal(false);
export const helpOpen = signal(false);
/** Read out by screen readers: short states, and each finished answer once. */
export const announcement = signal("");

/** @type {ReadonlySet<TurnStatus>} */
const RUNNING = new Set(["waiting", "queued", "searching", "streaming"]);
/** @type {ReadonlySet<TurnStatus>} */
const FINAL = new Set(["answered", "curated", "refused", "stopped", "failed"]);

/** The turn that is being answered, if any. */
export const running = computed(() => turns.value.find((turn) => RUNNING.has(turn.value.status)) ?? null);

/** @param {TurnStatus} status */
export const isRunning = (status) => RUNNING.has(status);
/** @param {TurnStatus} status */
export const isFinal = (status) => FINAL.has(status);

let lastKey = 0;

/**
 * @param {Partial<Turn> & {question: string}} values
 * @returns {TurnSignal}
 */
export function newTurn(values) {
  lastKey += 1;
  return signal({
    key: `turn-${lastKey}`, conversation: null, answerId: null, status: "waiting", text: "", sources: [], citations: [],
    feedback: null, correction: null, ...values,
  });
}

/**
 * @param {TurnSignal} turn
 * @param {Partial<Turn>} changes
 */
export function update(turn, changes) {
  turn.value = { ...turn.value, ...changes };
}
