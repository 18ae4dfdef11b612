/**
 * The editor's text of an item: read from what the server sent, kept in the browser while it is unsaved, sent back.
 * Knows nothing about calls.
 */
import { batch, watch } from "../html.js";
import { forget, keep, kept } from "./drafts.js";
import { baseline, conflict, dirty, emptyForm, form, item, keeps, restored, revision } from "./store.js";
import { endOfDay } from "./validity.js";

/** @typedef {import("./store.js").Item} Item */
/** @typedef {import("./store.js").Form} Form */

/** The draft of an item as the editor holds it. @param {Item} from @returns {Form} */
export function formOf(from) {
  const draft = from?.draft ?? {};
  return {
    ...emptyForm(),
    question: draft.question ?? from?.snapshot?.condensed_question ?? from?.question ?? "",
    answer: draft.answer ?? "",
    paraphrases: draft.paraphrases ?? [],
    negatives: draft.negatives ?? [],
    edits: draft.edits ?? [],
    supersedes: draft.supersedes ?? [],
    kind: draft.kind ?? from?.kind ?? "",
    valid_until: draft.valid_until ? new Date(draft.valid_until).toISOString() : "",
  };
}

/** @param {Item} next the editor's text becomes what the server has */
export function adopt(next) {
  batch(() => {
    item.value = next;
    baseline.value = formOf(next);
    form.value = baseline.value;
    revision.value = next.revision;
  });
}

/** Puts unsaved text of an earlier visit back. @param {string} id */
export function restore(id) {
  const unsaved = kept(id);
  if (!unsaved) return;
  const text = { ...emptyForm(), ...unsaved.form };
  if (/^\d{4}-\d\d-\d\d$/.test(text.valid_until)) text.valid_until = endOfDay(text.valid_until); // kept by an earlier version
  if (JSON.stringify(text) === JSON.stringify(baseline.value)) {
    forget(id);
    return;
  }
  form.value = text;
  revision.value = unsaved.revision ?? revision.value; // based on the draft of that time: a newer draft gives a conflict and is not overwritten
  restored.value = unsaved.at;
}

/** Back to what the server has. */
export function discard() {
  if (!item.value) return;
  forget(item.value.id);
  restored.value = null;
  adopt(item.value);
}

/** Keeps unsaved text in the browser after every letter, because the page may be closed at any time. */
export function autosave() {
  const read = () => ({ id: item.value?.id, text: form.value, base: revision.value, unsaved: dirty.value });
  watch(read, ({ id, text, base, unsaved }) => {
    if (!id) return;
    if (unsaved) keeps.value = keep(id, text, base);
    else if (!conflict.value) forget(id);
  });
}

/** The body of the call that saves a draft. @param {Form} text @param {number | undefined} seen the revision that it is based on */
export const draftBody = (text, seen) => ({
  ...text, kind: text.kind || null, valid_until: text.valid_until || null,
  edits: text.edits.map(bareEdit), supersedes: text.supersedes.map(bareSuperseded), revision: seen,
});

/** @param {import("./store.js").Edit} edit */
const bareEdit = ({ document_id, version, find, replace }) => ({ document_id, version, find, replace });
/** @param {import("./store.js").Superseded} superseded */
const bareSuperseded = ({ document_id, passage }) => (passage == null ? { document_id } : { document_id, passage });
