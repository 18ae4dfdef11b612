/** One correction on the page: what was reported, what was answered, the corrected text, and its results. */
import { html, useLayoutEffect, useRef } from "../html.js";
import { formatTime, label, languageOf, t } from "../i18n.js";
import { IconButton } from "../ui.js";
import { ActionBar, Restored } from "./actions.js";
import { Conflict, SetAside } from "./conflict.js";
import { Editor } from "./editor.js";
import { Edits, Superseded } from "./edits.js";
import { History } from "./history.js";
import { openItem } from "./item.js";
import { Observed } from "./observed.js";
import { Proof } from "./proof.js";
import { PriorityMark, StateMark } from "./queue_view.js";
import { Recheck } from "./recheck.js";
import { go } from "./route.js";
import { Same } from "./same.js";
import { Complaints, Snapshot } from "./snapshot.js";
import { form, item, itemId, itemStatus } from "./store.js";

export function ItemView() {
  const current = item.value;
  const scroll = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (scroll.current) scroll.current.scrollTop = 0;
  }, [current?.id]);
  if (!itemId.value) return html`<section class="detail-pane is-empty"><p class="muted">${t("item.choose")}</p></section>`;
  if (itemStatus.value === "missing") return html`<section class="detail-pane is-empty"><p>${t("item.missing")}</p></section>`;
  if (itemStatus.value === "failed") return html`<section class="detail-pane is-empty"><p>${t("item.failed")}</p><button type="button" class="button" onClick=${() => openItem(itemId.value)}>${t("ui.try_again")}</button></section>`;
  if (!current) return html`<section class="detail-pane is-empty"><p class="muted" role="status">${t("item.loading")}</p></section>`;
  const complaints = current.complaints ?? [];
  return html`<section key=${current.id} class="detail-pane" aria-label=${t("item.title")}>
    <div class="detail-scroll" ref=${scroll} tabindex="-1"><div class="detail-column">
      <${Head} current=${current} />
      <${Conflict} /><${SetAside} /><${Restored} />
      <${Outcome} current=${current} />
      <${Same} id=${current.id} revision=${current.revision} />
      <${Observed} observations=${current.observations} />
      <${Section} id="reported" title=${t("section.reported")} count=${complaints.length}><${Complaints} complaints=${complaints} origin=${current.origin} /></${Section}>
      <${Section} id="answer-then" title=${t("section.then")}><${Snapshot} snapshot=${current.snapshot} /></${Section}>
      <${Section} id="correction" title=${t("section.correction")}><${Editor} /></${Section}>
      <${Section} id="edits" title=${t("section.edits")} count=${form.value.edits.length} hint=${t("edits.hint")}><${Edits} /></${Section}>
      <${Section} id="supersedes" title=${t("section.supersedes")} count=${form.value.supersedes.length} hint=${t("supersede.hint")}><${Superseded} /></${Section}>
      <${Section} id="proof" title=${t("section.proof")} hint=${t("proof.hint")}><${Proof} /></${Section}>
      <${Section} id="history" title=${t("section.history")}><${History} entries=${current.history ?? []} /></${Section}>
    </div></div>
    <${ActionBar} />
  </section>`;
}

/** @param {{current: any}} props */
function Head({ current }) {
  return html`<header class="item-head">
    <p class="item-facts">
      <span class="back"><${IconButton} name="left" label=${t("item.back")} onClick=${() => go("queue")} /></span>
      <${StateMark} state=${current.state} live=${current.live} />
      <${PriorityMark} priority=${current.priority} />
      <span class="muted">${[label("origin", current.origin), formatTime(current.created_at), current.claimed_by ? t("item.claimed_by", { name: current.claimed_by }) : "", t("item.revision", { n: current.revision ?? 0 })].filter(Boolean).join(" · ")}</span>
    </p>
    <h1 lang=${languageOf(current.question)}>${current.question}</h1>
  </header>`;
}

/** The results of an approved correction. @param {{current: any}} props */
function Outcome({ current }) {
  const { published } = current;
  const recheck = ["approved", "verified", "reopened"].includes(current.state) ? current.recheck : null;
  if (!published && !recheck) return null;
  const look = recheck?.state === "reopened" ? "notice-erratum" : recheck?.state === "verified" ? "notice-good" : "";
  return html`<div class=${`notice ${look}`}>
    ${published && html`<p>${t("outcome.published", { name: published.approved_by ?? "", when: formatTime(published.approved_at) })}
      ${published.document_id && html` <a href=${`#/knowledge/${encodeURIComponent(published.document_id)}`}>${t("outcome.document")}</a>`}</p>`}
    ${recheck && html`<${Recheck} recheck=${recheck} state=${current.state} />`}
  </div>`;
}

/** @param {{id: string, title: string, count?: number, hint?: string, children?: any}} props */
function Section({ id, title, count, hint, children }) {
  return html`<section class="item-section" id=${id} aria-labelledby=${`${id}-title`}>
    <h2 id=${`${id}-title`}>${title}${count ? html` <span class="count">${count}</span>` : null}</h2>
    ${hint && html`<p class="hint">${hint}</p>`}
    ${children}
  </section>`;
}
