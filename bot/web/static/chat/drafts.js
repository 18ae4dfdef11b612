/**
 * What a reader has typed and not sent: questions by conversation (kept while the tab lives), complaints by answer (kept while
 * the page is open). Each is shown again in its own place when the reader comes back, and nowhere else.
 */
import { useState } from "../html.js";
import { conversationId, drafts } from "./store.js";

const REMEMBERED = "errata.typed";

/** What was typed before the page was left. */
export function restoreTyped() {
  try {
    const value = JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "{}");
    if (value && typeof value === "object") drafts.value = value;
  } catch {
    // the browser forbids storage, or it contains something else: nothing to restore
  }
}

/**
 * @param {string} text
 * @param {string | null} [conversation]
 */
export function setTyped(text, conversation = conversationId.value) {
  const { [conversation ?? ""]: _before, ...others } = drafts.value;
  drafts.value = text ? { ...others, [conversation ?? ""]: text } : others;
  try {
    sessionStorage.setItem(REMEMBERED, JSON.stringify(drafts.value));
  } catch {
    // see restoreTyped
  }
}

/**
 * A new conversation has got its id: what was typed in it meanwhile goes with it.
 * @param {string | null} from
 * @param {string} to
 */
export function moveTyped(from, to) {
  const text = drafts.value[from ?? ""];
  if (!text) return;
  setTyped("", from);
  setTyped(text, to);
}

/** @typedef {{open?: boolean, reasons?: string[], comment?: string | null, suggested_answer?: string | null, quote?: string | null}} Complaint */

/** @type {Map<string, Complaint>} */
const complaints = new Map();

/** Whether the form was open when the reader left. @param {string | null} answerId */
export const isComplaintOpen = (answerId) => Boolean(complaints.get(answerId ?? "")?.open);

/**
 * @param {string | null} answerId
 * @param {boolean} open
 */
export function keepComplaintOpen(answerId, open) {
  const before = complaints.get(answerId ?? "");
  if (answerId && (before || open)) complaints.set(answerId, { ...before, open });
}

/**
 * The complaint about an answer that was not sent yet; `start` where there is none.
 * @param {string | null} answerId
 * @param {Complaint} start
 * @returns {[Complaint, (changes: Complaint | null) => void]} null forgets it
 */
export function useComplaint(answerId, start) {
  const [complaint, setComplaint] = useState(() => ({ ...start, ...complaints.get(answerId ?? "") }));
  const change = (/** @type {Complaint | null} */ changes) => {
    setComplaint((/** @type {Complaint} */ before) => {
      const next = changes === null ? {} : { ...before, ...changes };
      if (changes === null) complaints.delete(answerId ?? "");
      else if (answerId) complaints.set(answerId, next);
      return next;
    });
  };
  return [complaint, change];
}
