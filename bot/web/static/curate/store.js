/**
 * The state of the curator's page. Every other curate module reads and writes these signals.
 * Knows nothing about the server or the screen.
 */
import { computed, signal } from "../html.js";

/** @typedef {import("../answer.js").Source} Source */
/** @typedef {{document_id: string, version: number, find: string, replace: string, title?: string, reason?: string}} Edit */
/** @typedef {{document_id: string, passage?: string, version?: number, title?: string, reason?: string}} Superseded */

/**
 * What a curator writes. `valid_until` is a day, `YYYY-MM-DD`, or "".
 * @typedef {object} Form
 * @property {string} answer
 * @property {string} question
 * @property {string[]} paraphrases
 * @property {string[]} negatives
 * @property {Edit[]} edits
 * @property {Superseded[]} supersedes
 * @property {string} kind
 * @property {string} valid_until
 */

/**
 * @typedef {object} QueueEntry
 * @property {string} id the server's number, as text, because the page's address holds it too
 * @property {string} state
 * @property {boolean} [live]
 * @property {string} [priority]
 * @property {string} [origin]
 * @property {string} question
 * @property {string} [answer_excerpt]
 * @property {number} [complaints]
 * @property {string | null} [claimed_by]
 * @property {string} [created_at]
 * @property {string} [updated_at]
 */

/** An item as `GET /api/corrections/{id}` gives it; fields beyond `id`, `state`, `revision` may be missing. @typedef {any} Item */
/** @template T @typedef {import("../vendor/signals.js").Signal<T>} Signal */

/** @type {Signal<{username: string, role: string} | null>} */
export const user = signal(null);
/** The session ended while somebody was working: ask for the password without leaving the page. */
export const signedOut = signal(false);
/** @type {Signal<"queue" | "knowledge">} */
export const tab = signal("queue");
export const helpOpen = signal(false);
/** Read out by screen readers. */
export const announcement = signal("");

/** States in which work is left to do. */
export const TO_DO = "queued,drafted,reopened";
export const STATES = ["queued", "drafted", "reopened", "approved", "verified", "rejected", "rolled_back", "merged"];
export const PRIORITIES = ["urgent", "important", "normal"];
export const KINDS = ["wrong", "missing", "outdated", "retrieval", "synthesis", "out_of_scope"];

export const filter = signal({ state: TO_DO, priority: "", q: "" });
/** @type {Signal<{items: QueueEntry[], total: number, counts: Record<string, number>, status: "loading" | "ready" | "failed"}>} */
export const queue = signal({ items: [], total: 0, counts: {}, status: "loading" });
/** Ids chosen for merging. */
export const chosen = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** @type {Signal<string | null>} */
export const itemId = signal(null);
/** @type {Signal<Item | null>} */
export const item = signal(null);
export const itemStatus = signal(/** @type {"idle" | "loading" | "missing" | "failed"} */ ("idle"));
/** What stands in the editor, and what stood there when it was last the same as on the server. */
export const form = signal(emptyForm());
export const baseline = signal(emptyForm());
/** The revision that the editor's text is based on. @type {Signal<number | undefined>} */
export const revision = signal(undefined);
/** The action that is being carried out, for disabling buttons. */
export const busy = signal("");
/** Text from an earlier visit that was put back into the editor: when it was written. @type {Signal<string | null>} */
export const restored = signal(null);
/** Somebody else was faster. @type {Signal<{detail: string, theirs: Item, mine: Form} | null>} */
export const conflict = signal(null);
/** One's own text after somebody else's was loaded over it. @type {Signal<Form | null>} */
export const setAside = signal(null);
/** An approval that waits for its proof. @type {Signal<string | null>} */
export const approving = signal(null);
/** The dialog that asks for a reason or a confirmation. @type {Signal<"approve" | "reject" | "rollback" | "reopen" | "merge" | null>} */
export const dialog = signal(null);
/** The passage shown in the side panel. @type {Signal<{source: Source, sources: Source[], button: HTMLElement | null} | null>} */
export const panel = signal(null);

export const dirty = computed(() => JSON.stringify(form.value) !== JSON.stringify(baseline.value));
/** Whether the draft may still be written: after approval only a reopened item takes changes. */
export const editable = computed(() => ["queued", "drafted", "reopened"].includes(item.value?.state));

/** @returns {Form} */
export function emptyForm() {
  return { answer: "", question: "", paraphrases: [], negatives: [], edits: [], supersedes: [], kind: "", valid_until: "" };
}

/** @param {Partial<Form>} changes */
export function change(changes) {
  form.value = { ...form.value, ...changes };
}
