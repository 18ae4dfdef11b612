/** The bar of steps at the foot of an item, and the dialogs that confirm them or ask for a reason. */
import { html, useId, useState } from "../html.js";
import { formatAgo, label, t } from "../i18n.js";
import { codePoints } from "../invisible.js";
import { Dialog } from "../ui.js";
import { discard } from "./form.js";
import { act, isProving, save } from "./item.js";
import { mergeChosen } from "./queue.js";
import { busy, chosen, conflict, dialog, dirty, editable, form, item, keeps, queue, restored, revision, takingOut, user } from "./store.js";
import { RejectChosenDialog, UndecidedDialog } from "./reject_chosen.js";
import { TakeOutDialog } from "./take_out.js";

/** Which actions are offered in a state; the server decides. @param {any} current */
export function steps(current) {
  const { state, live } = current;
  const open = ["queued", "drafted", "reopened"].includes(state);
  return {
    write: open,
    reject: open && !live,
    reopen: ["rejected", "verified", "approved", "rolled_back"].includes(state),
    rollback: ["approved", "verified"].includes(state) || (state === "reopened" && live !== false),
    claim: open,
  };
}

export function ActionBar() {
  const current = item.value;
  if (!current) return null;
  const can = steps(current);
  const waiting = Boolean(busy.value) || isProving(current) || Boolean(conflict.value);
  const hasAnswer = Boolean(form.value.answer.trim());
  const open = (/** @type {"approve" | "reject" | "rollback" | "reopen"} */ name) => () => { dialog.value = name; };
  return html`<div class="action-bar" role="toolbar" aria-label=${t("actions.title")}>
    <span class="save-state" role="status">${saveState()}</span>
    ${can.claim && current.claimed_by !== user.value?.username && html`<button type="button" class="button button-quiet" disabled=${waiting} onClick=${() => act("claim")}>${t("action_button.claim")}</button>`}
    ${can.reopen && html`<button type="button" class="button" disabled=${waiting} onClick=${open("reopen")}>${t("action_button.reopen")}</button>`}
    ${can.rollback && html`<button type="button" class="button" disabled=${Boolean(busy.value)} onClick=${open("rollback")}>${t("action_button.rollback")}</button>`}
    ${can.reject && html`<button type="button" class="button button-quiet" disabled=${waiting} onClick=${open("reject")}>${t("action_button.reject")}</button>`}
    ${can.write && html`
      <button type="button" class="button" disabled=${waiting || !dirty.value || !hasAnswer} onClick=${save}>${t("action_button.save")}</button>
      <button type="button" class="button" disabled=${waiting || !hasAnswer} onClick=${() => act("prove")}>${isProving(current) || busy.value === "prove" ? t("proof.proving") : t("action_button.prove")}</button>
      <button type="button" class="button button-erratum" disabled=${waiting || !hasAnswer} onClick=${open("approve")}>${t("action_button.approve")}</button>`}
  </div>`;
}

function saveState() {
  if (busy.value === "save") return t("item.saving");
  if (busy.value === "prove" || busy.value === "approve") return t("proof.proving");
  if (!editable.value) return "";
  if (dirty.value) return keeps.value ? t("item.unsaved") : t("item.unsaved_here");
  return item.value?.draft ? t("item.saved") : "";
}

/** Text of an earlier visit was restored. */
export function Restored() {
  if (!restored.value || !dirty.value) return null;
  return html`<div class="notice"><p>${t("item.restored", { when: formatAgo(restored.value) })} <button type="button" class="link-button" onClick=${discard}>${t("item.discard")}</button></p></div>`;
}

export function ActionDialog() {
  const name = dialog.value;
  if (takingOut.value) return html`<${TakeOutDialog} />`;
  if (!name) return null;
  if (name === "merge") return html`<${MergeDialog} />`;
  if (name === "reject_chosen") return html`<${RejectChosenDialog} />`;
  if (name === "undecided") return html`<${UndecidedDialog} />`;
  if (name === "approve") return html`<${ApproveDialog} />`;
  return html`<${ReasonDialog} key=${name} name=${name} />`;
}

const close = () => { dialog.value = null; };

/** @param {{name: "reject" | "rollback" | "reopen"}} props */
function ReasonDialog({ name }) {
  const [reason, setReason] = useState("");
  const id = useId();
  const required = name !== "reopen";
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!required || reason.trim()) act(name, reason.trim());
  };
  return html`<${Dialog} title=${t(`dialog.${name}`)} onClose=${close}>
    <form class="dialog-form" onSubmit=${submit}>
      <p>${t(`dialog.${name}_text`)}</p>
      <label for=${id}>${required ? t("dialog.reason") : t("dialog.reason_optional")}</label>
      <textarea id=${id} rows="3" maxlength="4000" required=${required} autofocus value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.currentTarget.value)}></textarea>
      <p class="buttons"><button type="submit" class="button button-primary" disabled=${Boolean(busy.value) || (required && !reason.trim())}>${t(`action_button.${name}`)}</button>
        <button type="button" class="button button-quiet" onClick=${close}>${t("ui.cancel")}</button></p>
    </form>
  </${Dialog}>`;
}

function ApproveDialog() {
  const [reason, setReason] = useState("");
  const [allowed, setAllowed] = useState(false);
  const id = useId();
  const { question, answer, paraphrases, negatives, edits, supersedes } = form.value;
  const hidden = codePoints(question, answer, ...paraphrases, ...negatives, ...edits.map((edit) => edit.replace));
  const undecided = hidden.length > 0 && !allowed;
  const proof = item.value?.proof;
  const current = proof?.state === "done" && !dirty.value && (proof.revision === undefined || proof.revision === revision.value);
  const refused = current && ["regressed", "not_fixed"].includes(proof.verdict);
  const admin = user.value?.role === "admin";
  const blocked = refused && !admin;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!blocked && !undecided && (!refused || reason.trim())) act("approve", reason.trim(), refused, allowed);
  };
  return html`<${Dialog} title=${t("dialog.approve")} onClose=${close}>
    <form class="dialog-form" onSubmit=${submit}>
      <p>${t("dialog.approve_text")}</p>
      <ul class="will-do">
        <li>${t("dialog.writes_erratum")}</li>
        ${edits.length > 0 && html`<li>${t("dialog.writes_edits", { n: edits.length })}</li>`}
        ${supersedes.length > 0 && html`<li>${t("dialog.writes_supersedes", { n: supersedes.length })}</li>`}
        <li>${current ? label("proof.verdict", proof.verdict) : t("dialog.proof_first")}</li>
      </ul>
      ${hidden.length > 0 && html`<div class="notice notice-erratum"><p>${t("dialog.hidden", { characters: hidden.join(", ") })}</p>
        <label class="allow-hidden"><input type="checkbox" checked=${allowed} onChange=${(/** @type {any} */ event) => setAllowed(event.currentTarget.checked)} /> ${t("dialog.allow_hidden")}</label></div>`}
      ${blocked && html`<p class="notice notice-erratum">${t("dialog.blocked")}</p>`}
      ${refused && admin && html`<label for=${id}>${t("dialog.override")}</label>
        <textarea id=${id} rows="3" required value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.currentTarget.value)}></textarea>`}
      <p class="buttons"><button type="submit" class="button button-erratum" autofocus disabled=${Boolean(busy.value) || blocked || undecided || (refused && !reason.trim())}>${t("action_button.approve")}</button>
        <button type="button" class="button button-quiet" onClick=${close}>${t("ui.cancel")}</button></p>
    </form>
  </${Dialog}>`;
}

function MergeDialog() {
  const entries = queue.value.items.filter((entry) => chosen.value.has(entry.id));
  return html`<${Dialog} title=${t("merge.title")} onClose=${close}>
    <p>${t("merge.text")}</p>
    <ul class="will-do">${entries.map((entry) => html`<li key=${entry.id}>${entry.question}</li>`)}</ul>
    <p class="buttons"><button type="button" class="button button-primary" autofocus onClick=${mergeChosen}>${t("merge.button", { n: entries.length })}</button>
      <button type="button" class="button button-quiet" onClick=${close}>${t("ui.cancel")}</button></p>
  </${Dialog}>`;
}
