/** Rejecting all chosen items at once: asking for a reason, telling what failed, taking it back. */
import { html, useId, useState } from "../html.js";
import { describe } from "../errors.js";
import { languageOf, t } from "../i18n.js";
import { Dialog, toast } from "../ui.js";
import { openItem } from "./item.js";
import { loadQueue } from "./queue.js";
import { report, request } from "./session.js";
import { chosen, deciding, dialog, itemId, queue, undecided } from "./store.js";

/** @typedef {{id: number, state: string | null, revision: number | null, error: {status: number, detail: string} | null}} Decision */

const AT_ONCE = 100; // items of one call, so that none takes long
const UNDO_SECONDS = 20;

const close = () => { dialog.value = null; };
const chosenEntries = () => queue.value.items.filter((entry) => chosen.value.has(entry.id));

/**
 * Carries out one decision on items, and remembers in `undecided` what it could not be carried out on.
 * @param {"reject" | "reopen"} name
 * @param {import("./store.js").Seen[]} seen
 * @param {string} [reason]
 * @returns {Promise<import("./store.js").Seen[] | null>} the items on which it was done; null when nothing arrived
 */
async function decide(name, seen, reason) {
  /** @type {import("./store.js").Seen[]} */
  const done = [];
  /** @type {import("./store.js").Undecided[]} */
  const failures = [];
  const questions = new Map(seen.map((entry) => [entry.id, entry.question]));
  deciding.value = true;
  try {
    for (let start = 0; start < seen.length; start += AT_ONCE) {
      const part = seen.slice(start, start + AT_ONCE);
      const revisions = Object.fromEntries(part.map((entry) => [entry.id, entry.revision]));
      const answer = await request("POST", `/api/corrections/${name}`, { ids: part.map((entry) => Number(entry.id)), revisions, reason });
      for (const result of /** @type {Decision[]} */ (answer.results)) {
        const id = String(result.id);
        const question = questions.get(id) ?? "";
        if (result.error) failures.push({ id, question, text: describe(result.error.status, result.error.detail) });
        else done.push({ id, question, revision: result.revision ?? 0 });
      }
    }
  } catch (error) {
    report(error);
    if (done.length === 0 && failures.length === 0) return null;
    const known = new Set([...done, ...failures].map((entry) => entry.id));
    for (const entry of seen) if (!known.has(entry.id)) failures.push({ id: entry.id, question: entry.question, text: t("several.unknown") });
  } finally {
    deciding.value = false;
  }
  dialog.value = null;
  chosen.value = new Set();
  const open = itemId.value;
  await Promise.all([loadQueue(), done.some((entry) => entry.id === open) ? openItem(open) : null]);
  undecided.value = failures;
  if (failures.length > 0) dialog.value = "undecided";
  return done;
}

/** @param {string} reason */
async function rejectChosen(reason) {
  const done = await decide("reject", chosenEntries().map(({ id, question, revision }) => ({ id, question, revision: revision ?? 0 })), reason);
  if (!done || done.length === 0) return;
  toast(t("several.rejected", { n: done.length }), { action: t("ui.undo"), onAction: () => undo(done), seconds: UNDO_SECONDS });
}

/** @param {import("./store.js").Seen[]} rejected */
async function undo(rejected) {
  const done = await decide("reopen", rejected);
  if (done && done.length > 0) toast(t("several.reopened", { n: done.length }));
}

export function RejectChosenDialog() {
  const [reason, setReason] = useState("");
  const id = useId();
  const entries = chosenEntries();
  const blocked = deciding.value || !reason.trim() || entries.length === 0;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!blocked) rejectChosen(reason.trim());
  };
  return html`<${Dialog} title=${t("several.title", { n: entries.length })} onClose=${close}>
    <form class="dialog-form" onSubmit=${submit}>
      <p>${t("several.text")}</p>
      <ul class="will-do scrolled">${entries.map((entry) => html`<li key=${entry.id} lang=${languageOf(entry.question)}>${entry.question}</li>`)}</ul>
      <label for=${id}>${t("dialog.reason")}</label>
      <textarea id=${id} rows="3" maxlength="4000" required autofocus value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.currentTarget.value)}></textarea>
      <p class="buttons"><button type="submit" class="button button-primary" disabled=${blocked}>${t("several.button", { n: entries.length })}</button>
        <button type="button" class="button button-quiet" onClick=${close}>${t("ui.cancel")}</button></p>
    </form>
  </${Dialog}>`;
}

/** What was not done, and why. */
export function UndecidedDialog() {
  return html`<${Dialog} title=${t("several.failed", { n: undecided.value.length })} onClose=${close}>
    <ul class="will-do scrolled">${undecided.value.map((entry) => html`<li key=${entry.id}><span lang=${languageOf(entry.question)}>${entry.question}</span><br /><span class="problem">${entry.text}</span></li>`)}</ul>
    <p class="buttons"><button type="button" class="button button-primary" autofocus onClick=${close}>${t("ui.close")}</button></p>
  </${Dialog}>`;
}
