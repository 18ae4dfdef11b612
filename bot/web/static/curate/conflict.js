/** A conflict with another curator: who changed what, how the texts differ, and the two ways to continue. */
import { html } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { HiddenNote } from "../ui.js";
import { Diff } from "./diff.js";
import { keepAside } from "./drafts.js";
import { History } from "./history.js";
import { formOf } from "./form.js";
import { keepMine, takeTheirs } from "./item.js";
import { conflict, item, setAside } from "./store.js";

export function Conflict() {
  const clash = conflict.value;
  if (!clash) return null;
  const seen = item.value?.history?.length ?? 0;
  const news = (clash.theirs.history ?? []).slice(seen);
  const theirs = formOf(clash.theirs);
  const sameAnswer = theirs.answer === clash.mine.answer;
  return html`<div class="notice notice-erratum conflict" role="alert">
    <p><strong>${t("conflict.title")}</strong> ${clash.detail}</p>
    ${news.length > 0 && html`<${History} entries=${news} />`}
    ${!sameAnswer && html`<div><p class="hint">${t("conflict.difference")}</p><${Diff} before=${theirs.answer} after=${clash.mine.answer} /></div>`}
    <p class="buttons">
      <button type="button" class="button" onClick=${takeTheirs}>${t("conflict.take_theirs")}</button>
      <button type="button" class="button" onClick=${keepMine}>${t("conflict.keep_mine")}</button>
    </p>
    <p class="hint">${t("conflict.nothing_lost")}</p>
  </div>`;
}

/** The curator's own text, after the other curator's text was loaded. */
export function SetAside() {
  const text = setAside.value;
  if (!text) return null;
  const close = () => {
    if (item.value) keepAside(item.value.id, null);
    setAside.value = null;
  };
  return html`<details class="notice" open>
    <summary>${t("conflict.set_aside")}</summary>
    <textarea rows="6" readonly lang=${languageOf(text.answer)} aria-label=${t("conflict.set_aside")} value=${text.answer}></textarea>
    <${HiddenNote} text=${text.answer} />
    <p><button type="button" class="link-button" onClick=${close}>${t("ui.close")}</button></p>
  </details>`;
}
