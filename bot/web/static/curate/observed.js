/** Readers who got the published answer and pressed “Not my question”. */
import { html } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { change, editable, form } from "./store.js";

/** @param {{observations?: {count: number, readers: number, questions: {question: string, count: number}[]}}} props */
export function Observed({ observations }) {
  if (!observations?.count) return null;
  const { negatives } = form.value;
  return html`<div class="notice">
    <p>${t("observed.title", { n: observations.readers })}</p>
    <ul>${observations.questions.map(({ question, count }) => html`<li key=${question}>
      <span lang=${languageOf(question)}>${question}</span>${count > 1 && html` <span class="muted">×${count}</span>`}
      ${editable.value && !negatives.includes(question) && html` <button type="button" class="button button-small" onClick=${() => change({ negatives: [...negatives, question] })}>+ ${t("editor.negatives")}</button>`}
    </li>`)}</ul>
    <p class="hint">${t("observed.hint")}</p>
  </div>`;
}
