/**
 * One correction: opening, saving, acting, and conflicts with changes by other curators.
 * The server's revision decides; nothing that was typed is ever thrown away. A call belongs to the item for which it
 * was made: when it ends after the curator has opened another item, that item stays untouched.
 */
import { ApiError, segment } from "../api.js";
import { batch } from "../html.js";
import { explain } from "../errors.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { forget, keepAside, kept, keptAside } from "./drafts.js";
import { adopt, draftBody, formOf, restore } from "./form.js";
import { loadQueue } from "./queue.js";
import { report, request } from "./session.js";
import { announcement, baseline, conflict, dialog, dirty, form, item, itemId, itemStatus, leaveItem, restored, revision, setAside, setWorking, working } from "./store.js";

/** @typedef {import("./store.js").Item} Item */

const POLL_MS = 1500;
/** Counts the items that were opened, so that data fetched for an earlier item is dropped. */
let opened = 0;

/** @param {any} from what the server sent @returns {Item} */
const named = (from) => ({ ...from, id: String(from.id) });

/** @param {string} id @returns {Promise<Item>} */
const fetchItem = async (id) => named(await request("GET", `/api/corrections/${segment(id)}`));

/** @param {string | null} id */
export async function openItem(id) {
  opened += 1;
  const mine = opened;
  leaveItem();
  itemStatus.value = id ? "loading" : "idle";
  if (!id) return;
  try {
    const next = await fetchItem(id);
    if (mine !== opened) return;
    batch(() => {
      adopt(next);
      restore(id);
      setAside.value = keptAside(id);
    });
    itemStatus.value = "idle";
    poll(id);
  } catch (error) {
    if (mine !== opened) return;
    itemStatus.value = error instanceof ApiError && error.status === 404 ? "missing" : "failed";
    if (itemStatus.value === "failed") report(error);
  }
}

/**
 * Shows a message about an item; names the item when another one is open.
 * @param {string} id
 * @param {string} text
 * @param {{seconds?: number}} [options]
 */
function tell(id, text, options) {
  toast(item.value?.id === id ? text : t("item.elsewhere", { id, text }), options);
}

/** @returns {Promise<number | null>} the item's revision when the server has the draft, else null */
export async function save() {
  const current = item.value;
  if (!current || working.value.has(current.id)) return null;
  const text = form.value;
  const body = draftBody(text, revision.value);
  setWorking(current.id, "save");
  try {
    const next = await request("PUT", `/api/corrections/${segment(current.id)}/draft`, body);
    loadQueue();
    if (item.value?.id !== current.id) {
      if (JSON.stringify(kept(current.id)?.form) === JSON.stringify(text)) forget(current.id);
      return next.revision;
    }
    const writtenMeanwhile = form.value !== text ? form.value : null;
    adopt(named(next));
    if (writtenMeanwhile) form.value = writtenMeanwhile;
    else forget(current.id);
    restored.value = null;
    announcement.value = t("item.saved");
    return next.revision;
  } catch (error) {
    await failed(current.id, error);
    return null;
  } finally {
    setWorking(current.id, "");
  }
}

/**
 * Carries out one action on the item; saves unsaved text first if the action needs it.
 * @param {"claim" | "prove" | "approve" | "recheck" | "reject" | "reopen" | "rollback"} name
 * @param {string} [reason]
 * @param {boolean} [override] approve although the proof does not allow it
 * @param {boolean} [allowInvisible] also approve characters that nobody sees
 * @returns {Promise<boolean>}
 */
export async function act(name, reason, override = false, allowInvisible = false) {
  const current = item.value;
  if (!current) return false;
  let seen = revision.value;
  if ((name === "prove" || name === "approve") && dirty.value) {
    const saved = await save();
    if (saved === null) return false;
    seen = saved;
  }
  if (working.value.has(current.id)) return false;
  setWorking(current.id, name);
  try {
    const next = await request("POST", `/api/corrections/${segment(current.id)}/${name}`, { reason: reason || undefined, revision: seen, override: override || undefined, allow_invisible: allowInvisible || undefined });
    closeDialog(current.id);
    await arrived(current.id, next, name);
    return true;
  } catch (error) {
    // After the session's end the dialog stays, with the words in it; so it does when the server is not reached.
    if (error instanceof ApiError && error.status === 409) closeDialog(current.id);
    await failed(current.id, error);
    return false;
  } finally {
    setWorking(current.id, "");
  }
}

/** @param {string} id */
function closeDialog(id) {
  if (item.value?.id === id) dialog.value = null;
}

/**
 * @param {string} id
 * @param {any} next the item, or a proof's report
 * @param {string} name
 */
async function arrived(id, next, name) {
  loadQueue();
  if (name !== "prove") tell(id, t(`done.${name}`));
  else if (item.value?.id !== id) tell(id, t("proof.ended"));
  const whole = next?.state && next.revision !== undefined ? named(next) : await fetchItem(id);
  if (item.value?.id !== id) return;
  const unsaved = dirty.value ? form.value : null;
  adopt(whole);
  if (unsaved) form.value = unsaved;
  poll(id);
}

/** @param {Item | null} from */
export const isProving = (from) => from?.proof?.state === "running";
/** @param {Item | null} from */
export const isRechecking = (from) => from?.recheck?.state === "pending";

/**
 * @param {string} id the item for which a call failed
 * @param {unknown} error
 */
async function failed(id, error) {
  if (item.value?.id !== id) {
    tell(id, explain(error), { seconds: 12 }); // the text is kept in the browser: opening the item shows it
    loadQueue();
    return;
  }
  if (!(error instanceof ApiError && error.status === 409)) {
    report(error);
    return;
  }
  const detail = explain(error);
  try {
    const theirs = await fetchItem(id);
    if (item.value?.id !== id) return;
    const sameDraft = JSON.stringify(formOf(theirs)) === JSON.stringify(baseline.value);
    if (theirs.revision === revision.value && sameDraft) {
      // No conflict with another curator: the action itself is refused (a running proof, a regression). The editor is untouched.
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

/** Continues with the curator's own text, based on the revision of the other curator. */
export function keepMine() {
  const clash = conflict.value;
  if (!clash) return;
  adopt(clash.theirs);
  form.value = clash.mine;
  conflict.value = null;
}

/** Loads the text of the other curator; the own text stays readable beside it. */
export function takeTheirs() {
  const clash = conflict.value;
  if (!clash) return;
  setAside.value = JSON.stringify(clash.mine) === JSON.stringify(formOf(clash.theirs)) ? null : clash.mine;
  keepAside(clash.theirs.id, setAside.value);
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
      if ((next.revision ?? 0) >= (before.revision ?? 0)) { // else the reply is older than the last action
        item.value = next;
        if (JSON.stringify(formOf(next)) === JSON.stringify(baseline.value)) revision.value = next.revision;
      }
      if (isProving(before) && !isProving(next)) announcement.value = t(`proof.verdict.${next.proof?.verdict ?? "failed"}`);
      if (before.state !== next.state) loadQueue();
    } catch {
      // the next round may succeed
    }
    if (item.value?.id === id) poll(id);
  }, POLL_MS);
}
