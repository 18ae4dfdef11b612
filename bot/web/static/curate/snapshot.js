/** The frozen report: the complaints, the answer as it was given, and what the model had read. */
import { Answer } from "../answer.js";
import { segment, withQuery } from "../api.js";
import { html, useState } from "../html.js";
import { formatNumber, formatShare, formatTime, label, languageOf, t } from "../i18n.js";
import { PassageText, SourceLine } from "../passage.js";
import { startEdit } from "./document_picker.js";
import { ReportedAnswer } from "./explained.js";
import { person } from "./history.js";
import { report, request } from "./session.js";
import { Belongs } from "./split.js";
import { change, editable, form, item, panel } from "./store.js";
import { canTakeOut, offerTakeOut } from "./take_out.js";

/** @typedef {import("../answer.js").Source} Source */

/** @param {{complaints: any[], origin?: string}} props */
export function Complaints({ complaints, origin }) {
  if (complaints.length === 0) return html`<p class="muted">${label("origin_long", origin)}</p>`;
  return html`<ul class="complaints">${complaints.map((complaint) => html`<li key=${complaint.id} class="complaint">
    <p class="complaint-head">
      ${complaint.rating === "up" ? html`<span class="mark mark-good">${t("complaint.up")}</span>` : null}
      ${(complaint.reasons ?? []).map((/** @type {string} */ reason) => html`<span key=${reason} class="mark mark-erratum">${label("reason", reason)}</span>`)}
      <span class="muted">${[person(complaint.who), formatTime(complaint.created_at), complaint.stars ? t("complaint.stars", { n: complaint.stars }) : ""].filter(Boolean).join(" · ")}</span>
    </p>
    ${complaint.question && complaint.question !== item.value?.question && html`<p class="muted" lang=${languageOf(complaint.question)}>${complaint.question}</p>`}
    ${complaints.length > 1 && html`<${Belongs} complaint=${complaint} />`}
    ${complaint.quote && html`<blockquote class="quoted" lang=${languageOf(complaint.quote)}>${complaint.quote}</blockquote>`}
    ${complaint.comment && html`<p class="complaint-comment" lang=${languageOf(complaint.comment)}>${complaint.comment}</p>`}
    ${complaint.suggested_answer && html`<div class="suggested">
      <p class="hint">${t("complaint.suggests")}</p>
      <${Answer} text=${complaint.suggested_answer} />
      ${editable.value && html`<button type="button" class="button button-small" onClick=${() => change({ answer: complaint.suggested_answer })}>${t("complaint.use")}</button>`}
    </div>`}
    ${complaints.length > 1 && complaint.snapshot?.answer && complaint.snapshot.answer !== item.value?.snapshot?.answer && html`<details class="prompt">
      <summary>${t("complaint.saw")}</summary><div class="then"><${Answer} text=${complaint.snapshot.answer} /></div>
    </details>`}
  </li>`)}</ul>`;
}

/** @param {{snapshot: any}} props */
export function Snapshot({ snapshot }) {
  if (!snapshot) return html`<p class="muted">${t("snapshot.none")}</p>`;
  /** @type {Source[]} */
  const sources = snapshot.sources ?? [];
  const open = (/** @type {Source} */ source, /** @type {HTMLElement} */ button) => {
    panel.value = { source, sources, button };
  };
  const understood = snapshot.condensed_question && snapshot.condensed_question !== snapshot.question;
  return html`<div class="snapshot">
    <p class="snapshot-question" lang=${languageOf(snapshot.question)}>${snapshot.question}</p>
    ${understood && html`<p class="understood"><span class="muted">${t("turn.understood")}</span> <span lang=${languageOf(snapshot.condensed_question)}>${snapshot.condensed_question}</span></p>`}
    <div class="then">
      ${snapshot.status === "refused" && html`<p class="mark mark-soft">${t("snapshot.refused")}${snapshot.reason && html`: ${label("refusal", snapshot.reason)}`}</p>`}
      ${snapshot.status === "curated" && html`<p class="mark mark-erratum">${t("curated.mark")}</p>`}
      <${Answer} text=${snapshot.answer} sources=${sources} unfinished=${snapshot.status === "stopped"} onCite=${open} />
    </div>
    <${Facts} snapshot=${snapshot} />
    <${Passages} sources=${sources} cited=${snapshot.citations ?? []} />
    ${snapshot.model && html`<${ReportedAnswer} correctionId=${item.value?.id ?? 0} /><${Prompt} key=${item.value?.id} />`}
  </div>`;
}

/** What the model was given. It is long, so it is fetched when somebody wants to see it. */
function Prompt() {
  const [messages, setMessages] = useState(/** @type {{role: string, content?: string}[] | null} */ (null));
  const fetchOnce = async (/** @type {{currentTarget: HTMLDetailsElement}} */ { currentTarget }) => {
    if (!currentTarget.open || messages) return;
    try {
      const whole = await request("GET", withQuery(`/api/corrections/${segment(item.value?.id ?? "")}`, { prompts: "true" }));
      setMessages(whole.snapshot?.prompt ?? []);
    } catch (error) {
      report(error);
    }
  };
  return html`<details class="prompt" onToggle=${fetchOnce}><summary>${t("snapshot.prompt")}</summary>
    ${messages?.length === 0 && html`<p class="muted">${t("snapshot.no_prompt")}</p>`}
    ${(messages ?? []).map((message, index) => html`<div key=${index}><p class="hint">${message.role}</p><pre class="prompt-text">${String(message.content ?? "")}</pre></div>`)}
  </details>`;
}

/** @param {{snapshot: any}} props */
function Facts({ snapshot }) {
  const facts = [
    [t("snapshot.when"), formatTime(snapshot.answered_at)],
    [t("snapshot.model"), snapshot.model],
    [t("snapshot.knowledge"), snapshot.knowledge_version],
    [t("snapshot.confidence"), formatShare(snapshot.confidence)],
    [t("snapshot.time"), snapshot.timings_ms?.total ? t("snapshot.seconds", { seconds: formatNumber(snapshot.timings_ms.total / 1000, 1) }) : ""],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {{sources: Source[], cited: number[]}} props */
function Passages({ sources, cited }) {
  if (sources.length === 0) return html`<p class="muted">${t("snapshot.no_passages")}</p>`;
  return html`<div class="passages">
    <h4>${t("snapshot.passages")}</h4>
    <ul>${sources.map((source) => html`<${PassageRow} key=${source.n} source=${source} cited=${cited.includes(source.n)} />`)}</ul>
  </div>`;
}

/** @param {{source: Source, cited: boolean}} props */
function PassageRow({ source, cited }) {
  const at = form.value.supersedes.findIndex((entry) => entry.document_id === source.document_id && entry.passage === source.passage);
  const superseded = at >= 0;
  const keepIt = () => change({ supersedes: form.value.supersedes.filter((_, index) => index !== at) });
  const stages = Object.entries(source.stages ?? {}).filter(([, value]) => typeof value === "number");
  return html`<li class=${`passage-row ${superseded ? "is-superseded" : ""}`}>
    <details>
      <summary><span class="footnote-number">${source.n}</span> <${SourceLine} source=${source} />
        ${source.orders && html` <span class="mark mark-erratum">${t("snapshot.orders")}</span>`}
        ${cited && html` <span class="mark mark-soft">${t("snapshot.cited")}</span>`}
        ${superseded && editable.value && html` <span class="mark mark-erratum">${t("supersede.marked")}</span>`}
        <span class="passage-score">${formatNumber(source.score, 3)}</span>
      </summary>
      ${stages.length > 0 && html`<p class="hint">${stages.map(([name, value]) => `${label("stage", name)} ${formatNumber(value, 3)}`).join(" · ")}</p>`}
      <${PassageText} text=${source.passage} />
      ${editable.value && html`<p class="buttons">
        <button type="button" class="button button-small" onClick=${() => startEdit(source)}>${t("edits.these_words")}</button>
        ${superseded
          ? html`<button type="button" class="button button-small button-quiet" onClick=${keepIt}>${t("supersede.keep")}</button>`
          : canTakeOut.value && source.passage && html`<button type="button" class="button button-small button-quiet" onClick=${() => offerTakeOut({ document_id: source.document_id, passage: source.passage })}>${t("supersede.passage")}</button>`}
      </p>`}
    </details>
  </li>`;
}
