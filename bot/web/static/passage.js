/** The passage behind a citation: a side panel on wide screens, a sheet from below on a phone. */
import { html, useLayoutEffect, useRef } from "./html.js";
import { formatNumber, has, languageOf, t } from "./i18n.js";
import { safeLink } from "./render.js";
import { IconButton } from "./ui.js";

/** @typedef {import("./answer.js").Source} Source */
/** @typedef {{kind: string, first?: number | null, last?: number | null, name?: string | null}} Place */

/**
 * Where a passage stands in its file, in words; "" if that is not known.
 * @param {Place | null | undefined} place
 */
export function placeText(place) {
  if (!place) return "";
  const range = place.last == null ? place.kind : `${place.kind}s`;
  if (!has(`place.${range}`)) return ""; // a kind that this page does not know yet
  const words = t(`place.${range}`, { first: place.first ?? 0, last: place.last ?? 0, name: place.name ?? "" });
  return place.kind === "row" && place.name ? t("place.in_sheet", { sheet: place.name, rows: words }) : words;
}

/**
 * The document, version and place of a passage. Used wherever a source is named.
 * @param {{source: Source}} props
 */
export function SourceLine({ source }) {
  return html`<span class="source-line">
    <span class="source-title" lang=${languageOf(source.title)}>${source.title || source.document_id}</span>
    ${source.version != null && html`<span class="source-version">${t("source.version", { version: source.version })}</span>`}
    ${source.place && html`<span class="source-place">${placeText(source.place)}</span>`}
    ${source.curated && html`<span class="mark mark-erratum">${t("source.corrected")}</span>`}
  </span>`;
}

/**
 * The words of a passage, as plain text.
 * @param {{text: string | null | undefined}} props
 */
export function PassageText({ text }) {
  return html`<div class="passage-text" lang=${languageOf(text)}>${text || t("source.no_text")}</div>`;
}

/**
 * @param {object} props
 * @param {Source} props.source the passage shown
 * @param {readonly Source[]} props.sources its neighbours, for stepping
 * @param {(source: Source) => void} props.onSelect
 * @param {() => void} props.onClose
 * @param {any} [props.children] shown below the passage
 */
export function PassagePanel({ source, sources, onSelect, onClose, children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => box.current?.focus(), [source]);
  const at = sources.findIndex((item) => item.n === source.n);
  const link = safeLink(source.url);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    }
  };
  return html`<aside class="passage-panel" ref=${box} tabindex="-1" aria-label=${t("source.panel", { n: source.n })} onKeyDown=${onKeyDown}>
    <header class="passage-head">
      <span class="passage-number" aria-hidden="true">${source.n}</span>
      <h2 lang=${languageOf(source.title)}>${source.title || source.document_id}</h2>
      <${IconButton} name="close" label=${t("ui.close")} onClick=${onClose} />
    </header>
    <p class="passage-facts">
      ${source.curated && html`<span class="mark mark-erratum">${t("source.corrected")}</span>`}
      ${source.version != null && html`<span>${t("source.version", { version: source.version })}</span>`}
      ${source.place && html`<span class="source-place">${placeText(source.place)}</span>`}
      ${source.score != null && html`<span>${t("source.score", { score: formatNumber(source.score) })}</span>`}
    </p>
    ${source.headings?.length ? html`<p class="passage-headings" lang=${languageOf(source.headings.join(""))}>${source.headings.join(" › ")}</p>` : null}
    <div class="passage-scroll" tabindex="0"><${PassageText} text=${source.passage} />${children}</div>
    <footer class="passage-foot">
      ${link
        ? html`<a href=${link} target="_blank" rel="noopener noreferrer nofollow">${t("source.open")}</a>`
        : html`<span class="muted">${t("source.local")}</span>`}
      ${sources.length > 1 && html`<span class="passage-steps">
        <${IconButton} name="left" label=${t("source.previous")} disabled=${at <= 0} onClick=${() => onSelect(sources[at - 1])} />
        <span>${t("source.position", { at: at + 1, of: sources.length })}</span>
        <${IconButton} name="right" label=${t("source.next")} disabled=${at < 0 || at >= sources.length - 1} onClick=${() => onSelect(sources[at + 1])} />
      </span>`}
    </footer>
  </aside>`;
}
