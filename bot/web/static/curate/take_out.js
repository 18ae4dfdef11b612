/**
 * Taking a whole passage or document out of the knowledge: the coarse step, for text that is wrong throughout. All its
 * other facts disappear too. So the page asks before it does so, and offers it only when there is a corrected answer.
 */
import { computed, html } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { PassageText } from "../passage.js";
import { Dialog } from "../ui.js";
import { change, editable, form, takingOut } from "./store.js";

export const canTakeOut = computed(() => editable.value && Boolean(form.value.answer.trim()));

/** Asks for confirmation. @param {import("./store.js").Superseded} entry */
export function offerTakeOut(entry) {
  takingOut.value = entry;
}

export function TakeOutDialog() {
  const entry = takingOut.value;
  if (!entry) return null;
  const close = () => { takingOut.value = null; };
  const takeOut = () => {
    const { supersedes } = form.value;
    const same = supersedes.some((own) => own.document_id === entry.document_id && (own.passage ?? null) === (entry.passage ?? null));
    if (!same) change({ supersedes: [...supersedes, entry.passage == null ? { document_id: entry.document_id } : { document_id: entry.document_id, passage: entry.passage }] });
    close();
  };
  const whole = entry.passage == null;
  return html`<${Dialog} title=${t(whole ? "take_out.document" : "take_out.passage")} onClose=${close}>
    <p>${t("take_out.text")}</p>
    ${whole
      ? html`<p><strong lang=${languageOf(entry.title)}>${entry.title ?? entry.document_id}</strong></p>`
      : html`<div class="clamp"><${PassageText} text=${entry.passage} /></div>`}
    <p class="buttons"><button type="button" class="button button-erratum" onClick=${takeOut}>${t("supersede.take_out")}</button>
      <button type="button" class="button button-quiet" autofocus onClick=${close}>${t("ui.cancel")}</button></p>
  </${Dialog}>`;
}
