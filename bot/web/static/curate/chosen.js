/** The files that were chosen for an upload: what each would be stored as, before it is taken in. */
import { html, signal } from "../html.js";
import { explain } from "../errors.js";
import { languageOf, t } from "../i18n.js";
import { PassageText, placeText } from "../passage.js";
import { upload } from "./knowledge.js";
import { request } from "./session.js";

/** @typedef {{file: File, shown: any | null, error: string}} Chosen `shown`: the preview, null before it is there */
/** @template T @typedef {import("../vendor/signals.js").Signal<T>} Signal */

/** @type {Signal<Chosen[]>} */
const chosen = signal([]);
/** @type {Promise<void>} the server looks at one file at a time */
let last = Promise.resolve();

/** @param {FileList | File[]} files */
export function choose(files) {
  chosen.value = [...files].map((file) => ({ file, shown: null, error: "" }));
  if (chosen.value.length === 1) look(chosen.value[0].file);
}

/** @param {File} file */
function look(file) {
  last = last.then(async () => {
    const entry = chosen.value.find((other) => other.file === file);
    if (!entry || entry.shown || entry.error) return;
    const form = new FormData();
    form.append("file", file, file.name);
    try {
      note(file, { shown: await request("POST", "/api/preview", form) });
    } catch (error) {
      note(file, { error: explain(error) });
    }
  });
}

/** @param {File} file @param {Partial<Chosen>} change */
function note(file, change) {
  chosen.value = chosen.value.map((entry) => (entry.file === file ? { ...entry, ...change } : entry));
}

export function ChosenFiles() {
  const entries = chosen.value;
  if (entries.length === 0) return null;
  const close = () => { chosen.value = []; };
  const takeIn = () => {
    const files = entries.map((entry) => entry.file);
    close();
    upload(files);
  };
  return html`<section class="chosen" aria-label=${t("preview.title")}>
    <ul class="chosen-files">${entries.map((entry, at) => html`<${ChosenFile} key=${`${at} ${entry.file.name}`} entry=${entry} open=${entries.length === 1} />`)}</ul>
    <p class="buttons">
      <button type="button" class="button button-primary button-small" onClick=${takeIn}>${t("preview.take_in", { n: entries.length })}</button>
      <button type="button" class="button button-small" onClick=${close}>${t("ui.cancel")}</button>
    </p>
  </section>`;
}

/** @param {{entry: Chosen, open: boolean}} props */
function ChosenFile({ entry, open }) {
  return html`<li><details open=${open} onToggle=${(/** @type {any} */ event) => { if (event.currentTarget.open) look(entry.file); }}>
    <summary>${entry.file.name}</summary>
    <div aria-live="polite">
      ${entry.error ? html`<p class="rejected">${entry.error}</p>` : entry.shown ? html`<${Shown} shown=${entry.shown} />` : html`<p class="hint">${t("preview.reading")}</p>`}
    </div>
  </details></li>`;
}

/** @param {{shown: any}} props */
function Shown({ shown }) {
  const left = shown.passage_count - shown.documents.reduce((/** @type {number} */ sum, /** @type {any} */ document) => sum + document.passages.length, 0);
  return html`
    <p class="hint">${t("preview.documents", { n: shown.document_count })}, ${t("knowledge.passages", { n: shown.passage_count })}</p>
    ${shown.remarks.map((/** @type {string} */ remark) => html`<p class="remarked">${remark}</p>`)}
    ${shown.documents.map((/** @type {any} */ document) => html`<article class="preview" tabindex="0" key=${document.key}>
      <h3 lang=${languageOf(document.title)}>${document.title} <span class="mark mark-soft">${document.language}</span></h3>
      <ol>${document.passages.map((/** @type {any} */ passage) => html`<li>
        ${passage.place && html`<p class="hint source-place">${placeText(passage.place)}</p>`}
        ${passage.headings.length > 0 && html`<p class="hint" lang=${languageOf(passage.headings.join(" "))}>${passage.headings.join(" › ")}</p>`}
        <${PassageText} text=${passage.text} />
      </li>`)}</ol>
    </article>`)}
    ${left > 0 && html`<p class="hint">${t("preview.more", { n: left })}</p>`}`;
}
