/** A refused answer: the reason, what was looked for, the nearest documents, and a form to say what was expected. */
import { Answer } from "../answer.js";
import { call, segment } from "../api.js";
import { explain } from "../errors.js";
import { html, useId, useState } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { SourceLine } from "../passage.js";
import { HiddenNote, toast } from "../ui.js";
import { useComplaint } from "./drafts.js";
import { OwnAnswer } from "./explained.js";
import { update } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */
/** @typedef {import("../answer.js").Source} Source */

/** @param {{turn: TurnSignal, onOpen: (source: Source, button: HTMLElement) => void}} props */
export function Refusal({ turn, onOpen }) {
  const { condensed, question, sources, text } = turn.value;
  const sought = condensed || question;
  return html`<div class="refusal">
    <p class="refusal-title">${t("refused.title")}</p>
    ${text && html`<${Answer} text=${text} sources=${sources} onCite=${onOpen} />`}
    <dl class="refusal-facts">
      <dt>${t("refused.sought")}</dt>
      <dd lang=${languageOf(sought)}>${sought}</dd>
      <dt>${t("refused.nearest")}</dt>
      <dd>
        ${sources.length === 0 ? t("refused.nothing_near") : html`<ul class="nearest">
          ${sources.map((source) => html`<li key=${source.n}>
            <button type="button" class="footnote" onClick=${(/** @type {any} */ event) => onOpen(source, event.currentTarget)}>
              <span class="footnote-number">${source.n}</span> <${SourceLine} source=${source} />
            </button>
          </li>`)}
        </ul>`}
      </dd>
    </dl>
    ${turn.value.answerId && html`<${OwnAnswer} answerId=${turn.value.answerId} />`}
    <${Expected} turn=${turn} />
  </div>`;
}

/** @param {{turn: TurnSignal}} props */
function Expected({ turn }) {
  const { answerId, feedback } = turn.value;
  const [complaint, change] = useComplaint(answerId, {});
  const comment = complaint.comment ?? "";
  const suggestion = complaint.suggested_answer ?? "";
  const [begun] = useState(Boolean(comment || suggestion));
  const [busy, setBusy] = useState(false);
  const id = useId();
  if (!answerId) return null;
  if (feedback) return html`<p class="thanks" role="status">${t("refused.thanks")}</p>`;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    const body = { rating: /** @type {const} */ ("down"), reasons: ["missing"], comment: comment.trim() || undefined, suggested_answer: suggestion.trim() || undefined };
    try {
      await call("POST", `/api/answers/${segment(answerId)}/feedback`, body);
      change(null);
      update(turn, { feedback: body });
    } catch (error) {
      toast(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return html`<details class="expected" open=${begun}>
    <summary>${t("refused.tell")}</summary>
    <form onSubmit=${submit}>
      <label for=${`${id}-comment`}>${t("refused.expected")}</label>
      <textarea id=${`${id}-comment`} rows="2" maxlength="10000" value=${comment} onInput=${(/** @type {any} */ event) => change({ comment: event.currentTarget.value })}></textarea>
      <${HiddenNote} text=${comment} />
      <label for=${`${id}-answer`}>${t("refused.answer")}</label>
      <textarea id=${`${id}-answer`} rows="3" maxlength="10000" value=${suggestion} onInput=${(/** @type {any} */ event) => change({ suggested_answer: event.currentTarget.value })}></textarea>
      <${HiddenNote} text=${suggestion} />
      <p class="buttons"><button type="submit" class="button button-primary" disabled=${busy || !(comment.trim() || suggestion.trim())}>${t("ui.send")}</button></p>
    </form>
  </details>`;
}
