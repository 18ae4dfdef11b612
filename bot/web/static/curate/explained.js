/** How the reported answer was made, in full: every passage that the search found, with its scores and its use. */
import { segment } from "../api.js";
import { Explained } from "../explained.js";
import { html } from "../html.js";
import { formatNumber, formatShare, label, languageOf, t } from "../i18n.js";
import { PassageText, placeText } from "../passage.js";
import { request } from "./session.js";

/** @param {{correctionId: number}} props */
export function ReportedAnswer({ correctionId }) {
  const load = () => request("GET", `/api/corrections/${segment(correctionId)}/explanation`);
  return html`<${Explained} key=${correctionId} load=${load} detail=${(/** @type {any} */ full) => html`<${Numbers} full=${full} /><${Candidates} candidates=${full.candidates} />`} />`;
}

/** @param {{full: any}} props */
function Numbers({ full }) {
  const { signs, doubt, limit, profile } = full;
  const lines = [
    signs && (signs.floor > -1
      ? t("explain.nearest", { nearest: formatNumber(signs.nearest, 3), floor: formatNumber(signs.floor, 3) })
      : t("explain.nearest_any", { nearest: formatNumber(signs.nearest, 3) })),
    signs && t("explain.coverage", { coverage: formatShare(signs.coverage), covering: formatShare(signs.covering) }),
    signs?.foreign && t("explain.foreign"),
    doubt !== null && limit !== null && t("explain.doubt", { doubt: formatNumber(doubt, 3), limit: formatNumber(limit, 3) }),
    profile && t("explain.profile", { profile }),
  ].filter(Boolean);
  return lines.map((line) => html`<p key=${line} class="hint">${line}</p>`);
}

/** @param {{candidates: any[]}} props */
function Candidates({ candidates }) {
  if (candidates.length === 0) return null;
  return html`<h4>${t("explain.candidates")}</h4>
    <ol class="candidates">${candidates.map((candidate) => html`<li key=${candidate.passage_id} class="passage-row"><details>
      <summary>
        <span class="source-title" lang=${languageOf(candidate.title)}>${candidate.title || candidate.document_id}</span>
        ${candidate.place && html`<span class="source-place">${placeText(candidate.place)}</span>`}
        <span class="mark mark-soft">${label("use", candidate.use)}</span>
        ${candidate.cited && html`<span class="mark mark-soft">${t("snapshot.cited")}</span>`}
        ${candidate.curated && html`<span class="mark mark-erratum">${t("source.corrected")}</span>`}
        <span class="passage-score">${formatNumber(candidate.score, 3)}</span>
      </summary>
      <p class="hint">${Object.entries(candidate.stages).map(([name, value]) => `${label("stage", name)} ${formatNumber(/** @type {number} */ (value), 3)}`).join(" · ")}</p>
      ${candidate.span && html`<${Read} candidate=${candidate} />`}
      <${PassageText} text=${candidate.passage} />
    </details></li>`)}</ol>`;
}

/** The part of a passage that the reader took for the answer. Its offsets count characters, not UTF-16 units. @param {{candidate: any}} props */
function Read({ candidate }) {
  const [start, end, score] = candidate.span;
  const words = Array.from(candidate.passage).slice(start, end).join("");
  return html`<p class="hint" lang=${languageOf(words)}>${t("explain.span", { words, score: formatNumber(score, 3) })}</p>`;
}
