/** Writing the correction: the answer with its preview, the question it answers, and where it ends. */
import { Answer } from "../answer.js";
import { html, useId } from "../html.js";
import { label, languageOf, t } from "../i18n.js";
import { HiddenNote, IconButton } from "../ui.js";
import { change, editable, form, item, KINDS, typedLines } from "./store.js";
import { dayOf, endOfDay, inWords, zoneName } from "./validity.js";

const value = (/** @type {any} */ event) => event.currentTarget.value;

export function Editor() {
  const id = useId();
  const text = form.value;
  const locked = !editable.value;
  const snapshot = item.value?.snapshot;
  return html`<div class="editor">
    <label for=${`${id}-question`}>${t("editor.question")}</label>
    <input id=${`${id}-question`} value=${text.question} disabled=${locked} lang=${languageOf(text.question)} maxlength="4000" onInput=${(/** @type {any} */ event) => change({ question: value(event) })} />
    <${HiddenNote} text=${text.question} />
    <div class="answer-editor">
      <div class="answer-write">
        <div class="field-head"><label for="answer">${t("editor.answer")}</label>
          ${!locked && !text.answer && snapshot?.answer && snapshot.status !== "refused" && html`<button type="button" class="link-button" onClick=${() => change({ answer: stripCitations(snapshot.answer) })}>${t("editor.from_old")}</button>`}
        </div>
        <textarea id="answer" rows="9" value=${text.answer} disabled=${locked} lang=${languageOf(text.answer)} maxlength="50000" aria-describedby=${`${id}-hint`} onInput=${(/** @type {any} */ event) => change({ answer: value(event) })}></textarea>
        <${HiddenNote} text=${text.answer} />
        <p class="hint" id=${`${id}-hint`}>${t("editor.markdown")}</p>
      </div>
      <div class="answer-preview" aria-label=${t("editor.preview")} role="region">
        <p class="hint">${t("editor.preview")}</p>
        ${text.answer.trim() ? html`<${Answer} text=${text.answer} />` : html`<p class="muted">${t("editor.empty")}</p>`}
      </div>
    </div>
    <div class="field-grid">
      <div><label for=${`${id}-kind`}>${t("editor.kind")}</label>
        <select id=${`${id}-kind`} value=${text.kind} disabled=${locked} onChange=${(/** @type {any} */ event) => change({ kind: value(event) })}>
          <option value="">${t("editor.kind_none")}</option>
          ${KINDS.map((kind) => html`<option key=${kind} value=${kind}>${label("kind", kind)}</option>`)}
        </select></div>
      <div><label for=${`${id}-until`}>${t("editor.valid_until")}</label>
        <input id=${`${id}-until`} type="date" value=${dayOf(text.valid_until)} disabled=${locked} aria-describedby=${`${id}-ends`} onInput=${(/** @type {any} */ event) => change({ valid_until: endOfDay(value(event)) })} />
        <p class="hint" id=${`${id}-ends`}>${text.valid_until ? t("editor.ends", { when: inWords(text.valid_until) }) : t("editor.ends_zone", { zone: zoneName() })}</p></div>
    </div>
    <${Lines} name="paraphrases" suggestions=${item.value?.suggestions?.paraphrases ?? []} />
    <${Lines} name="negatives" suggestions=${[]} />
  </div>`;
}

/** Citations of the old answer mean nothing in the new one. @param {string} text */
const stripCitations = (text) => text.replace(/```[\s\S]*?(?:```|$)|`[^`\n]*`|[ \t]*(?:\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\](?!\()|【\d{1,3}】)/g, (match) => (match.startsWith("`") ? match : ""));

/**
 * A list of questions, one in each line: those that mean the same, or those that look alike and do not.
 * @param {{name: "paraphrases" | "negatives", suggestions: string[]}} props
 */
function Lines({ name, suggestions }) {
  const next = typedLines.value[name];
  const setNext = (/** @type {string} */ line) => { typedLines.value = { ...typedLines.value, [name]: line }; };
  const id = useId();
  const lines = form.value[name];
  const locked = !editable.value;
  const set = (/** @type {string[]} */ all) => change({ [name]: all });
  const add = (/** @type {string} */ line) => {
    const text = line.trim();
    if (text && !lines.includes(text)) set([...lines, text]);
  };
  const addTyped = () => {
    add(next);
    setNext("");
  };
  const open = suggestions.filter((text) => !lines.includes(text));
  return html`<fieldset class="lines">
    <legend>${t(`editor.${name}`)}</legend>
    <p class="hint">${t(`editor.${name}_hint`)}</p>
    <ul>${lines.map((line, index) => html`<li key=${`${index}-${line}`}>
      <span lang=${languageOf(line)}>${line}</span>
      ${!locked && html`<${IconButton} name="close" label=${t("editor.remove", { text: line })} onClick=${() => set(lines.filter((_, at) => at !== index))} />`}
    </li>`)}</ul>
    ${!locked && html`<div class="add-line">
      <label class="visually-hidden" for=${id}>${t("editor.add_line")}</label>
      <input id=${id} value=${next} maxlength="4000" placeholder=${t("editor.add_line")} onInput=${(/** @type {any} */ event) => setNext(value(event))}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); addTyped(); } }} />
      <button type="button" class="button button-small" disabled=${!next.trim()} onClick=${addTyped}>${t("editor.add")}</button>
    </div>
    <${HiddenNote} text=${next} />`}
    ${!locked && open.length > 0 && html`<div class="suggested-lines"><p class="hint">${t("editor.suggested")}</p>
      ${open.map((text) => html`<button type="button" key=${text} class="button button-small" onClick=${() => add(text)}>+ ${text}</button>`)}
    </div>`}
  </fieldset>`;
}
