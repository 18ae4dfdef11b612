/** The proof: every replayed question before and after the correction, side by side. */
import { Answer } from "../answer.js";
import { html } from "../html.js";
import { formatTime, label, languageOf, t } from "../i18n.js";
import { isProving } from "./item.js";
import { editable, item, panel, revision } from "./store.js";

const LOOKS = { fixed: "mark-good", same: "mark-soft", changed: "mark-warn", regressed: "mark-erratum", not_fixed: "mark-erratum" };
const VERDICT_LOOKS = { fixed: "notice-good", not_fixed: "notice-problem", regressed: "notice-erratum" };

export function Proof() {
  const proof = item.value?.proof;
  if (!proof) return html`<p class="muted">${t("proof.none")}</p>`;
  const items = proof.items ?? [];
  const stale = editable.value && proof.revision !== undefined && proof.revision !== revision.value;
  return html`<div class="proof">
    ${isProving(item.value)
      ? html`<div class="notice" role="status"><p>${t("proof.running", { n: items.length })}</p><progress aria-label=${t("proof.title")}></progress></div>`
      : html`<${Verdict} proof=${proof} stale=${stale} />
        <${Checked} proof=${proof} />`}
    ${items.map((/** @type {any} */ entry, /** @type {number} */ index) => html`<${ProofItem} key=${`${entry.role}-${index}`} entry=${entry} />`)}
  </div>`;
}

/** @param {{proof: any, stale: boolean}} props */
function Verdict({ proof, stale }) {
  const verdict = proof.state === "failed" ? "failed" : proof.verdict ?? "failed";
  const look = VERDICT_LOOKS[/** @type {keyof typeof VERDICT_LOOKS} */ (verdict)] ?? "notice-problem";
  return html`<div class=${`notice ${look}`}>
    <p><strong>${label("proof.verdict", verdict)}</strong> <span class="muted">${formatTime(proof.finished_at)}</span></p>
    ${proof.detail && html`<p>${proof.detail}</p>`}
    ${stale && html`<p>${t("proof.stale")}</p>`}
  </div>`;
}

/** What was looked at, in numbers, and what was not. @param {{proof: any}} props */
function Checked({ proof }) {
  if (proof.state !== "done") return null;
  const items = proof.items ?? [];
  const counts = Object.keys(LOOKS)
    .map((outcome) => ({ outcome, n: items.filter((/** @type {any} */ entry) => entry.outcome === outcome).length }))
    .filter(({ n }) => n > 0);
  return html`<div class="proof-checked">
    <ul>${counts.map(({ outcome, n }) => html`<li key=${outcome}>${t(`proof.count.${outcome}`, { n })}</li>`)}</ul>
    <${LeftOut} leftOut=${proof.left_out} />
    <p class="muted">${t("proof.judge")}</p>
  </div>`;
}

/** @param {{leftOut: any[] | null | undefined}} props */
function LeftOut({ leftOut }) {
  if (!leftOut) return html`<p class="muted">${t("proof.left_out.unknown")}</p>`;
  if (!leftOut.length) return null;
  const why = (/** @type {any} */ part) => label("proof.left_out", part.role === "edited" && part.reason === "limit" ? "limit_edited" : part.reason);
  return html`<p class="muted">${t("proof.left_out_title")}</p>
    <ul class="muted">${leftOut.map((part) => html`<li key=${`${part.role}-${part.reason}`}>${t("proof.left_out", { role: label("role", part.role), n: part.count, why: why(part) })}</li>`)}</ul>`;
}

/** The reason in the reader's language; a report of an earlier version has no code. @param {any} entry */
const reasonOf = (entry) => (entry.code ? t(`proof.reason.${entry.code}`, entry.values) : entry.reason);

/** @param {{entry: any}} props */
function ProofItem({ entry }) {
  const look = LOOKS[/** @type {keyof typeof LOOKS} */ (entry.outcome)] ?? "mark-soft";
  const open = entry.role === "complaint" || ["regressed", "not_fixed", "changed"].includes(entry.outcome);
  return html`<details class="proof-item" open=${open}>
    <summary>
      <span class=${`mark ${look}`}>${label("outcome", entry.outcome)}</span>
      <span class="proof-question" lang=${languageOf(entry.question)}>${entry.question}</span>
      <span class="muted">${label("role", entry.role)}</span>
    </summary>
    ${entry.reason && html`<p>${reasonOf(entry)}</p>`}
    <div class="before-after">
      <${Side} title=${t("proof.before")} answer=${entry.before} />
      <${Side} title=${t("proof.after")} answer=${entry.after} />
    </div>
  </details>`;
}

/** @param {{title: string, answer: any}} props */
function Side({ title, answer }) {
  const sources = answer?.sources ?? [];
  return html`<div class="side">
    <p class="hint">${title}${answer?.status ? ` · ${label("answer_status", answer.status)}` : ""}</p>
    ${answer?.answer
      ? html`<${Answer} text=${answer.answer} sources=${sources} onCite=${(/** @type {any} */ source, /** @type {HTMLElement} */ button) => { panel.value = { source, sources, button }; }} />`
      : sources.length
        ? html`<p class="muted">${t("proof.not_written")}</p>
          <ol>${sources.map((/** @type {any} */ source) => html`<li key=${source.n}>${source.title}: ${source.passage}</li>`)}</ol>`
        : html`<p class="muted">${t("proof.no_answer")}</p>`}
  </div>`;
}
