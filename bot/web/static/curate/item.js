/**
 * One correction: opening, saving, acting, and what happens when somebody else was faster.
 * The server's revision decides; nothing that was typed is ever thrown away.
 */
import { ApiError, segment } from "../api.js";
import { batch, watch } from "../html.js";
import { explain } from "../errors.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { forget, keep, kept } from "./drafts.js";
import { loadQueue } from "./queue.js";
import { report, request } from "./session.js";
import {
  announcement, approving, baseline, busy, conflict, dialog, dirty, emptyForm, form, item, itemId, itemStatus, panel, restored,
  revision, setAside,
} from "./store.js";

/** @typedef {import("./store.js").Item} Item */
/** @typedef {import("./store.js").Form} Form */

const POLL_MS = 1500;
/** A correction holds to the end of the day that the curator chose. */
const END_OF_DAY = "T23:59:59Z";

/** @param {any} from what the server sent @returns {Item} */
const named = (from) => ({ ...from, id: String(from.id) });

/** @param {string} id @returns {Promise<Item>} */
const fetchItem = async (id) => named(await request("GET", `/api/corrections/${segment(id)}`));

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
    valid_until: (draft.valid_until ?? "").slice(0, 10),
  };
}

/** @param {Item} next the editor's text becomes what the server has */
function adopt(next) {
  batch(() => {
    item.value = next;
    baseline.value = formOf(next);
    form.value = baseline.value;
    revision.value = next.revision;
  });
}

/** @param {string | null} id */
export async function openItem(id) {
  panel.value = null;
  conflict.value = null;
  restored.value = null;
  setAside.value = null;
  approving.value = null;
  item.value = null;
  form.value = baseline.value = emptyForm();
  itemStatus.value = id ? "loading" : "idle";
  if (!id) return;
  try {
    const next = await fetchItem(id);
    if (itemId.value !== id) return;
    batch(() => {
      adopt(next);
      restore(id);
    });
    itemStatus.value = "idle";
    poll(id);
  } catch (error) {
    if (itemId.value !== id) return;
    itemStatus.value = error instanceof ApiError && error.status === 404 ? "missing" : "failed";
    if (itemStatus.value === "failed") report(error);
  }
}

/** Puts unsaved text of an earlier visit back. @param {string} id */
function restore(id) {
  const found = kept(id);
  if (!found) return;
  const text = { ...emptyForm(), ...found.form };
  if (JSON.stringify(text) === JSON.stringify(baseline.value)) {
    forget(id);
    return;
  }
  form.value = text;
  revision.value = found.revision ?? revision.value; // based on what was seen then: a newer draft is a conflict, not overwritten
  restored.value = found.at;
}

/** Back to what the server has. */
export function discard() {
  if (!item.value) return;
  forget(item.value.id);
  restored.value = null;
  adopt(item.value);
}

/** Keeps unsaved text in the browser with every letter: whoever closes the page gives no notice. */
export function autosave() {
  const read = () => ({ id: item.value?.id, text: form.value, base: revision.value, unsaved: dirty.value });
  watch(read, ({ id, text, base, unsaved }) => {
    if (!id) return;
    if (unsaved) keep(id, text, base);
    else if (!conflict.value) forget(id);
  });
}

/** @returns {Promise<boolean>} whether the server has the draft now */
export async function save() {
  const current = item.value;
  if (!current || busy.value) return false;
  const text = form.value;
  const body = { ...text, kind: text.kind || null, valid_until: text.valid_until ? `${text.valid_until}${END_OF_DAY}` : null, edits: text.edits.map(bareEdit), supersedes: text.supersedes.map(bareSuperseded), revision: revision.value };
  busy.value = "save";
  try {
    const next = await request("PUT", `/api/corrections/${segment(current.id)}/draft`, body);
    if (item.value?.id !== current.id) return true;
    const writtenMeanwhile = form.value !== text ? form.value : null;
    adopt(named(next));
    if (writtenMeanwhile) form.value = writtenMeanwhile;
    else forget(current.id);
    restored.value = null;
    announcement.value = t("item.saved");
    loadQueue();
    return true;
  } catch (error) {
    await failed(error);
    return false;
  } finally {
    busy.value = "";
  }
}

/** @param {import("./store.js").Edit} edit */
const bareEdit = ({ document_id, version, find, replace }) => ({ document_id, version, find, replace });
/** @param {import("./store.js").Superseded} superseded */
const bareSuperseded = ({ document_id, passage }) => (passage == null ? { document_id } : { document_id, passage });

/**
 * Carries out one step of the item's life; saves unsaved text first where the step depends on it.
 * @param {"claim" | "prove" | "approve" | "recheck" | "reject" | "reopen" | "rollback"} name
 * @param {string} [reason]
 * @param {boolean} [override] approve in spite of a regression
 * @returns {Promise<boolean>}
 */
export async function act(name, reason, override = false) {
  const current = item.value;
  if (!current) return false;
  if ((name === "prove" || name === "approve") && dirty.value && !(await save())) return false;
  if (busy.value) return false;
  busy.value = name;
  try {
    const next = await request("POST", `/api/corrections/${segment(current.id)}/${name}`, { reason: reason || undefined, revision: revision.value, override: override || undefined });
    dialog.value = null;
    await arrived(current.id, next, name, reason);
    return true;
  } catch (error) {
    dialog.value = null;
    await failed(error);
    return false;
  } finally {
    busy.value = "";
  }
}

/**
 * @param {string} id
 * @param {any} next the item, or a proof's report
 * @param {string} name
 * @param {string} [reason]
 */
async function arrived(id, next, name, reason) {
  const whole = next?.state && next.revision !== undefined ? named(next) : await fetchItem(id);
  if (item.value?.id !== id) return;
  const unsaved = dirty.value ? form.value : null;
  adopt(whole);
  if (unsaved) form.value = unsaved;
  const waits = name === "approve" && isProving(whole) && !["approved", "verified"].includes(whole.state);
  approving.value = waits ? reason ?? "" : null;
  if (name !== "prove" && !waits) toast(t(`done.${name}`));
  if (waits) toast(t("approve.waits"));
  loadQueue();
  poll(id);
}

/** @param {Item | null} from */
export const isProving = (from) => from?.proof?.state === "running";
/** @param {Item | null} from */
export const isRechecking = (from) => from?.recheck?.state === "pending";

/** @param {unknown} error */
async function failed(error) {
  if (!(error instanceof ApiError && error.status === 409) || !item.value) {
    report(error);
    return;
  }
  const { id } = item.value;
  const detail = explain(error);
  try {
    const theirs = await fetchItem(id);
    if (item.value?.id !== id) return;
    const sameDraft = JSON.stringify(formOf(theirs)) === JSON.stringify(baseline.value);
    if (theirs.revision === revision.value && sameDraft) {
      // Not a lost race: the step itself is refused (a running proof, a regression). The editor is untouched.
      item.value = theirs;
      toast(detail, { seconds: 12 });
      poll(id);
    } else {
      conflict.value = { detail, theirs, mine: form.value };
    }
    loadQueue();
  } catch (second) {
    report(second);
  }
}

/** Goes on with one's own text, on top of what the other wrote. */
export function keepMine() {
  const clash = conflict.value;
  if (!clash) return;
  adopt(clash.theirs);
  form.value = clash.mine;
  conflict.value = null;
}

/** Loads what the other wrote; one's own text stays readable beside it. */
export function takeTheirs() {
  const clash = conflict.value;
  if (!clash) return;
  setAside.value = JSON.stringify(clash.mine) === JSON.stringify(formOf(clash.theirs)) ? null : clash.mine;
  adopt(clash.theirs);
  conflict.value = null;
}

let polling = 0;

/** Looks again while a proof or a recheck runs. @param {string} id */
function poll(id) {
  clearTimeout(polling);
  if (!isProving(item.value) && !isRechecking(item.value)) return;
  polling = setTimeout(async () => {
    try {
      const next = await fetchItem(id);
      if (item.value?.id !== id) return;
      const before = item.value;
      item.value = next;
      if (JSON.stringify(formOf(next)) === JSON.stringify(baseline.value)) revision.value = next.revision;
      if (isProving(before) && !isProving(next)) proofEnded(next);
      if (before.state !== next.state) loadQueue();
    } catch {
      // the next round may succeed
    }
    if (item.value?.id === id) poll(id);
  }, POLL_MS);
}

/** @param {Item} next */
function proofEnded(next) {
  const reason = approving.value;
  approving.value = null;
  announcement.value = t(`proof.verdict.${next.proof?.verdict ?? "failed"}`);
  if (reason === null) return;
  if (next.proof?.verdict === "fixed" && !dirty.value) act("approve", reason);
  else toast(t("approve.not_proved"), { seconds: 10 });
}
