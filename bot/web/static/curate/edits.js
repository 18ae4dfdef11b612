/** Changes to the source documents: the wrong words are replaced, the rest of the passage stays. */
import { html, useState } from "../html.js";
import { label, languageOf, t } from "../i18n.js";
import { PassageText } from "../passage.js";
import { HiddenNote, IconButton } from "../ui.js";
import { Diff } from "./diff.js";
import { DocumentPicker, openPicker, titles } from "./document_picker.js";
import { change, editable, form, item, picker } from "./store.js";
import { canTakeOut, offerTakeOut } from "./take_out.js";

/** @typedef {import("./store.js").Edit} Edit */

export function Edits() {
  const { edits } = form.value;
  /** @type {Edit[]} */
  const suggested = item.value?.suggestions?.edits ?? [];
  const open = suggested.filter((edit) => !edits.some((own) => own.document_id === edit.document_id && own.find === edit.find));
  const locked = !editable.value;
  return html`<div class="edits">
    ${edits.length === 0 && (locked || open.length === 0) && html`<p class="muted">${t("edits.none")}</p>`}
    ${edits.map((edit, index) => html`<${EditCard} key=${`${edit.document_id}-${edit.find}`} edit=${edit} locked=${locked}
      onChange=${(/** @type {Edit} */ next) => change({ edits: edits.map((own, at) => (at === index ? next : own)) })}
      onRemove=${() => change({ edits: edits.filter((_, at) => at !== index) })} />`)}
    ${!locked && open.map((edit) => html`<${Suggestion} key=${`${edit.document_id}-${edit.find}`} edit=${edit} onAccept=${() => change({ edits: [...edits, edit] })} />`)}
    ${!locked && (picker.value?.mode === "edit" ? html`<${DocumentPicker} />` : html`<p><button type="button" class="button button-small" onClick=${() => openPicker({ mode: "edit" })}>${t("edits.own")}</button></p>`)}
  </div>`;
}

/** @param {{edit: Edit, locked: boolean, onChange: (next: Edit) => void, onRemove: () => void}} props */
function EditCard({ edit, locked, onChange, onRemove }) {
  const [writing, setWriting] = useState(false);
  return html`<div class="edit-card is-accepted">
    <${EditHead} edit=${edit} mark=${locked ? (item.value?.live ? t("edits.changed") : "") : t("edits.will_change")} />
    <${Diff} before=${edit.find} after=${edit.replace} />
    ${writing && html`<label>${t("edits.replace")}<textarea rows="3" value=${edit.replace} onInput=${(/** @type {any} */ event) => onChange({ ...edit, replace: event.currentTarget.value })}></textarea></label><${HiddenNote} text=${edit.replace} />`}
    ${!locked && html`<p class="buttons">
      <button type="button" class="button button-small" aria-expanded=${String(writing)} onClick=${() => setWriting(!writing)}>${writing ? t("edits.done") : t("edits.change")}</button>
      <button type="button" class="button button-small button-quiet" onClick=${onRemove}>${t("edits.remove")}</button>
    </p>`}
  </div>`;
}

/** @param {{edit: Edit, onAccept: () => void}} props */
function Suggestion({ edit, onAccept }) {
  return html`<div class="edit-card">
    <${EditHead} edit=${edit} mark=${t("edits.suggested")} />
    <${Diff} before=${edit.find} after=${edit.replace} />
    ${edit.reason && html`<p class="hint" lang=${languageOf(edit.reason)}>${edit.reason}</p>`}
    <p class="buttons"><button type="button" class="button button-small" onClick=${onAccept}>${t("edits.accept")}</button></p>
  </div>`;
}

/** @param {{edit: Edit, mark: string}} props */
function EditHead({ edit, mark }) {
  const title = edit.title ?? titles.value[edit.document_id] ?? edit.document_id;
  return html`<p class="edit-head"><span lang=${languageOf(title)}>${title}</span> <span class="muted">${t("source.version", { version: edit.version })}</span> ${mark && html`<span class="mark mark-soft">${mark}</span>`}</p>`;
}

/** Passages and documents that the correction takes out of the knowledge. */
export function Superseded() {
  const { supersedes } = form.value;
  /** @type {import("./store.js").Superseded[]} */
  const conflicts = item.value?.suggestions?.conflicts ?? [];
  const same = (/** @type {any} */ a, /** @type {any} */ b) => a.document_id === b.document_id && a.passage === b.passage;
  const open = conflicts.filter((entry) => !supersedes.some((own) => same(own, entry)));
  const locked = !editable.value;
  return html`<div class="superseding">
    ${supersedes.length === 0 && (locked || open.length === 0) && html`<p class="muted">${t("supersede.none")}</p>`}
    ${supersedes.map((entry, index) => html`<div key=${`${entry.document_id}-${index}`} class="edit-card is-accepted">
      <p class="edit-head"><span>${entry.title ?? titles.value[entry.document_id] ?? titleFromSnapshot(entry.document_id)}</span>
        ${entry.passage == null && html`<span class="mark mark-soft">${t("supersede.whole")}</span>`}
        ${!locked && html`<span class="mark mark-erratum">${t("supersede.marked")}</span>`}
        ${!locked && html`<${IconButton} name="close" label=${t("edits.remove")} onClick=${() => change({ supersedes: supersedes.filter((_, at) => at !== index) })} />`}
      </p>
      ${entry.passage != null && html`<div class="clamp"><${PassageText} text=${entry.passage} /></div>`}
    </div>`)}
    ${!locked && open.map((entry, index) => html`<div key=${`conflict-${index}`} class="edit-card">
      <p class="edit-head"><span>${entry.title ?? entry.document_id}</span> <span class="mark mark-soft">${label("conflict_reason", entry.reason)}</span></p>
      <div class="clamp"><${PassageText} text=${entry.passage} /></div>
      ${canTakeOut.value && html`<p class="buttons"><button type="button" class="button button-small" onClick=${() => offerTakeOut(entry)}>${t("supersede.passage")}</button></p>`}
    </div>`)}
    ${!locked && !canTakeOut.value && html`<p class="hint">${t("supersede.answer_first")}</p>`}
    ${canTakeOut.value && (picker.value?.mode === "supersede" ? html`<${DocumentPicker} />` : html`<p><button type="button" class="button button-small" onClick=${() => openPicker({ mode: "supersede" })}>${t("supersede.document")}</button></p>`)}
  </div>`;
}

/** @param {string} id */
function titleFromSnapshot(id) {
  const sources = item.value?.snapshot?.sources ?? [];
  return sources.find((/** @type {any} */ source) => source.document_id === id)?.title ?? id;
}
