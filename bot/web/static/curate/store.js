/**
 * The state of the curator's page. Every other curate module reads and writes these signals.
 * What belongs to one item is listed in `leaveItem`, which clears it: no part of it may reach the next item.
 * Knows nothing about the server or the screen.
 */
import { batch, computed, signal } from "../html.js";

/** @typedef {import("../answer.js").Source} Source */
/** @typedef {{document_id: string, version: number, find: string, replace: string, title?: string, reason?: string}} Edit */
/** @typedef {{document_id: string, passage?: string, version?: number, title?: string, reason?: string}} Superseded */

/**
 * What a curator writes. `valid_until` is a moment, ISO 8601 with a zone, or "".
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
 * @property {string} id the server's number, as text, because the page's address contains it too
 * @property {string} state
 * @property {boolean} [live]
 * @property {string | null} [recheck_state]
 * @property {string} [priority]
 * @property {string} [origin]
 * @property {string} question
 * @property {number} [revision]
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
/** The session ended during work: the page asks for the password without leaving. */
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
/** Ids chosen for merging or rejecting. */
export const chosen = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** @type {Signal<string | null>} */
export const itemId = signal(null);
/** @type {Signal<Item | null>} */
export const item = signal(null);
export const itemStatus = signal(/** @type {"idle" | "loading" | "missing" | "failed"} */ ("idle"));
/** The text in the editor, and the text that the server had when both were last equal. */
export const form = signal(emptyForm());
export const baseline = signal(emptyForm());
/** The revision that the editor's text is based on. @type {Signal<number | undefined>} */
export const revision = signal(undefined);
/** The action that is being carried out, by item. @type {Signal<ReadonlyMap<string, string>>} */
export const working = signal(new Map());
/** The same for the item that is open, for disabling buttons. */
export const busy = computed(() => working.value.get(itemId.value ?? "") ?? "");
/** Text from an earlier visit that was put back into the editor: when it was written. @type {Signal<string | null>} */
export const restored = signal(null);
/** A conflict: another curator changed the item first. @type {Signal<{detail: string, theirs: Item, mine: Form} | null>} */
export const conflict = signal(null);
/** The curator's own text after the other curator's text was loaded in its place. @type {Signal<Form | null>} */
export const setAside = signal(null);
/** Whether this browser keeps unsaved text; some forbid it. */
export const keeps = signal(true);
/** @typedef {{id: string, question: string, revision: number}} Seen an item as the curator saw it */
/** @typedef {{id: string, question: string, text: string}} Undecided an item on which nothing was decided, and why */
/** Whether a decision on all chosen items is being carried out. */
export const deciding = signal(false);
/** The items on which the last such decision could not be carried out. @type {Signal<Undecided[]>} */
export const undecided = signal([]);
/** The dialog that asks for a reason or a confirmation. @type {Signal<"approve" | "reject" | "rollback" | "reopen" | "merge" | "reject_chosen" | "undecided" | null>} */
export const dialog = signal(null);
/** @typedef {{key: number, mode: "edit" | "supersede", document_id?: string, version?: number, find?: string, replace?: string}} Picker */
/** What is being chosen for the draft, if anything: a document, or words in it. @type {Signal<Picker | null>} */
export const picker = signal(null);
/** What may be taken out of the knowledge, when the curator says yes. @type {Signal<Superseded | null>} */
export const takingOut = signal(null);
/** Questions typed below the draft's lists and not yet added to them. */
export const typedLines = signal({ paraphrases: "", negatives: "" });
/** The passage shown in the side panel. @type {Signal<{source: Source, sources: Source[], button: HTMLElement | null} | null>} */
export const panel = signal(null);

export const dirty = computed(() => JSON.stringify(form.value) !== JSON.stringify(baseline.value));
/** Whether the draft can be changed: after approval only that of a reopened item can. */
export const editable = computed(() => ["queued", "drafted", "reopened"].includes(item.value?.state));

/**
 * @param {string} id
 * @param {string} name the action that is being carried out for the item; "" when it has ended
 */
export function setWorking(id, name) {
  const next = new Map(working.value);
  if (name) next.set(id, name);
  else next.delete(id);
  working.value = next;
}

/** Clears everything that belongs to the item that was open. Its unsaved text is in the browser already (drafts.js). */
export function leaveItem() {
  batch(() => {
    item.value = null;
    form.value = baseline.value = emptyForm();
    revision.value = undefined;
    restored.value = conflict.value = setAside.value = null;
    dialog.value = panel.value = picker.value = takingOut.value = null;
    typedLines.value = { paraphrases: "", negatives: "" };
  });
}

/** @returns {Form} */
export function emptyForm() {
  return { answer: "", question: "", paraphrases: [], negatives: [], edits: [], supersedes: [], kind: "", valid_until: "" };
}

/** @param {Partial<Form>} changes */
export function change(changes) {
  form.value = { ...form.value, ...changes };
}
