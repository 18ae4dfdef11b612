/** The knowledge tab: the documents on the left, one of them, or a search trial, on the right. */
import { html, useRef, useState } from "../html.js";
import { formatAgo, formatNumber, formatTime, label, languageOf, t } from "../i18n.js";
import { PassageText, SourceLine } from "../passage.js";
import { safeLink } from "../render.js";
import { Dialog, Icon, IconButton } from "../ui.js";
import { deleteDocument, loadDocument, loadDocuments, restoreDocument, trySearch } from "./knowledge.js";
import { documentId, documents, documentSearch, openDocument, trial } from "./knowledge_store.js";
import { go } from "./route.js";
import { Upload } from "./upload.js";

/** @typedef {import("./knowledge_store.js").DocumentEntry} DocumentEntry */

const TYPING_PAUSE_MS = 250;

export function DocumentList() {
  const { documents: entries, total, status } = documents.value;
  const timer = useRef(0);
  const search = (/** @type {any} */ event) => {
    const text = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      documentSearch.value = text.trim();
      loadDocuments();
    }, TYPING_PAUSE_MS);
  };
  return html`<section class="list-pane" aria-label=${t("knowledge.title")}>
    <div class="filters">
      <label class="search-box"><${Icon} name="search" /><span class="visually-hidden">${t("knowledge.search")}</span>
        <input id="document-search" type="search" placeholder=${t("knowledge.search")} defaultValue=${documentSearch.value} onInput=${search} />
      </label>
      <${Upload} />
    </div>
    <div class="list-scroll">
      ${status === "loading" && html`<p class="list-note" role="status">${t("queue.loading")}</p>`}
      ${status === "failed" && html`<p class="list-note">${t("queue.failed")} <button type="button" class="link-button" onClick=${() => loadDocuments()}>${t("ui.try_again")}</button></p>`}
      ${status === "ready" && entries.length === 0 && html`<p class="list-note">${documentSearch.value ? t("knowledge.none") : t("knowledge.empty")}</p>`}
      <ul class="entries">${entries.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} />`)}</ul>
      ${entries.length < total && status === "ready" && html`<button type="button" class="button more" onClick=${() => loadDocuments({ more: true })}>${t("queue.more", { n: total - entries.length })}</button>`}
    </div>
  </section>`;
}

/** @param {{entry: DocumentEntry}} props */
function Entry({ entry }) {
  const current = entry.id === documentId.value;
  return html`<li class=${`entry entry-plain ${current ? "is-current" : ""}`}>
    <a class="entry-link" href=${`#/knowledge/${encodeURIComponent(entry.id)}`} aria-current=${current ? "true" : undefined}>
      <span class="entry-question" lang=${languageOf(entry.title)}>${entry.title || entry.id}</span>
      <span class="entry-facts">
        ${entry.kind === "erratum" && html`<span class="mark mark-erratum">${t("knowledge.erratum")}</span>`}
        ${entry.retired && html`<span class="mark mark-soft">${t("knowledge.retired")}</span>`}
        <span>${t("source.version", { version: entry.version ?? 1 })}</span>
        ${entry.passages !== undefined && html`<span>${t("knowledge.passages", { n: entry.passages })}</span>`}
        <span>${formatAgo(entry.updated_at)}</span>
      </span>
    </a>
  </li>`;
}

export function DocumentView() {
  const shown = openDocument.value;
  const [deleting, setDeleting] = useState(""); // the id: the question is about this document and no other
  if (!documentId.value) return html`<section class="detail-pane"><div class="detail-scroll" tabindex="-1"><div class="detail-column"><${Trial} /></div></div></section>`;
  if (!shown) return html`<section class="detail-pane is-empty"><p class="muted" role="status">${t("item.loading")}</p></section>`;
  if (shown.missing || shown.text === undefined) return html`<section class="detail-pane is-empty"><p>${shown.missing ? t("knowledge.missing") : t("item.failed")}</p></section>`;
  const link = safeLink(shown.url ?? shown.source);
  const text = String(shown.text);
  return html`<section class="detail-pane" aria-label=${t("knowledge.document")}>
    <div class="detail-scroll" tabindex="-1"><article class="detail-column">
      <header class="item-head">
        <p class="item-facts">
          <span class="back"><${IconButton} name="left" label=${t("knowledge.back")} onClick=${() => go("knowledge")} /></span>
          ${shown.kind === "erratum" && html`<span class="mark mark-erratum">${t("knowledge.erratum")}</span>`}
          ${shown.retired && html`<span class="mark mark-soft">${t("knowledge.retired")}</span>`}
          <span class="muted">${[t("source.version", { version: shown.version }), shown.language, shown.passages === undefined ? "" : t("knowledge.passages", { n: shown.passages })].filter(Boolean).join(" · ")}</span>
          ${!shown.retired && html`<button type="button" class="button button-small button-quiet push" onClick=${() => setDeleting(shown.id)}>${t("knowledge.delete")}</button>`}
          ${shown.retired && shown.kind !== "erratum" && html`<button type="button" class="button button-small button-quiet push" onClick=${() => restoreDocument(shown.id)}>${t("knowledge.restore")}</button>`}
        </p>
        <h1 lang=${languageOf(shown.title)}>${shown.title || shown.id}</h1>
        <p class="muted">${link ? html`<a href=${link} target="_blank" rel="noopener noreferrer nofollow">${link}</a>` : shown.id}</p>
      </header>
      ${shown.remarks?.length > 0 && html`<div class="notice notice-erratum">${shown.remarks.map((/** @type {string} */ remark) => html`<p key=${remark}>${remark}</p>`)}</div>`}
      ${shown.versions?.length > 0 && html`<${Versions} shown=${shown} />`}
      <div class="document-body" lang=${languageOf(text)}>${text}</div>
    </article></div>
    ${deleting === shown.id && html`<${Dialog} title=${t("knowledge.delete_title")} onClose=${() => setDeleting("")}>
      <p>${t("knowledge.delete_text", { title: shown.title || shown.id })}</p>
      <p class="buttons"><button type="button" class="button button-erratum" autofocus onClick=${async () => { setDeleting(""); await deleteDocument(shown.id); }}>${t("knowledge.delete")}</button>
        <button type="button" class="button button-quiet" onClick=${() => setDeleting("")}>${t("ui.cancel")}</button></p>
    </${Dialog}>`}
  </section>`;
}

/** @param {{shown: any}} props */
function Versions({ shown }) {
  return html`<details class="versions"><summary>${t("knowledge.versions", { n: shown.versions.length })}</summary>
    <ol class="history">${shown.versions.map((/** @type {any} */ entry) => html`<li key=${entry.version}>
      <time datetime=${entry.created_at}>${formatTime(entry.created_at)}</time>
      <span><button type="button" class="link-button" aria-current=${entry.version === shown.version ? "true" : undefined} onClick=${() => loadDocument(shown.id, entry.version)}>${t("source.version", { version: entry.version })}</button>
        ${" "}${entry.actor ?? ""} ${entry.correction_id && html`<a href=${`#/queue/${encodeURIComponent(entry.correction_id)}`}>${t("knowledge.by_correction")}</a>`}
        ${entry.reason && html`<span class="history-reason">${entry.reason}</span>`}</span>
    </li>`)}</ol>
  </details>`;
}

/** What a question finds, with the score of every stage. */
function Trial() {
  const [query, setQuery] = useState(trial.value?.query ?? "");
  const answer = trial.value?.answer;
  const timings = answer?.timings_ms ?? {};
  return html`<div class="trial">
    <h1>${t("trial.title")}</h1>
    <p class="muted">${t("trial.text")}</p>
    <form class="add-line" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); trySearch(query); }}>
      <label class="visually-hidden" for="trial">${t("trial.label")}</label>
      <input id="trial" type="search" value=${query} placeholder=${t("trial.label")} onInput=${(/** @type {any} */ event) => setQuery(event.currentTarget.value)} />
      <button type="submit" class="button">${t("trial.button")}</button>
    </form>
    ${answer && html`<p class="hint" role="status">${t("trial.facts", { n: answer.hits?.length ?? 0, version: answer.knowledge_version ?? 0, ms: formatNumber((timings.embed ?? 0) + (timings.search ?? 0), 0) })}</p>
      <ol class="hits">${(answer.hits ?? []).map((/** @type {any} */ hit) => html`<li key=${hit.n} class="passage-row">
        <details><summary><span class="footnote-number">${hit.n}</span> <${SourceLine} source=${hit} /> <span class="passage-score">${formatNumber(hit.score, 4)}</span></summary>
          <p class="hint">${Object.entries(hit.stages ?? {}).map(([name, value]) => `${label("stage", name)} ${formatNumber(/** @type {number} */ (value), 4)}`).join(" · ")}</p>
          ${hit.headings?.length ? html`<p class="passage-headings">${hit.headings.join(" › ")}</p>` : null}
          <${PassageText} text=${hit.passage} />
          <p><a href=${`#/knowledge/${encodeURIComponent(hit.document_id)}`}>${t("knowledge.document")}</a></p>
        </details></li>`)}</ol>`}
  </div>`;
}
