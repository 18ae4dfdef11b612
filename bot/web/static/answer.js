/** A rendered answer: Markdown through `render.js`, citations as buttons. Used by the chat and the curator page. */
import { html, useLayoutEffect, useRef } from "./html.js";
import { language, languageOf, t } from "./i18n.js";
import { patch, render } from "./render.js";

/**
 * @typedef {object} Source
 * @property {number} n
 * @property {string} document_id
 * @property {number} [version]
 * @property {string} [title]
 * @property {string | null} [url]
 * @property {string} [passage]
 * @property {number} [score]
 * @property {Record<string, number>} [stages]
 * @property {boolean} [curated]
 * @property {string} [quote] the sentence of it that surely answers
 * @property {string[]} [headings]
 * @property {import("./passage.js").Place | null} [place] where it stands in its file
 * @property {boolean} [orders] it tells a model what to do; only in a curator's item
 */

/**
 * @param {object} props
 * @param {string | null | undefined} props.text Markdown
 * @param {readonly Source[]} [props.sources] their numbers become citation buttons
 * @param {boolean} [props.streaming] more words are coming
 * @param {boolean} [props.unfinished] no more words are coming, but the text is not complete
 * @param {(source: Source, button: HTMLElement) => void} [props.onCite]
 * @param {{current: HTMLElement | null}} [props.box] receives the element, for reading a selection
 * @param {string} [props.class]
 */
export function Answer({ text, sources = [], streaming = false, unfinished = false, onCite, box, class: extra = "" }) {
  const own = useRef(/** @type {HTMLElement | null} */ (null));
  const spoken = language.value;
  useLayoutEffect(() => {
    if (!own.current) return;
    if (box) box.current = own.current;
    const citationLabel = (/** @type {number} */ n) => {
      const title = sources.find((source) => source.n === n)?.title ?? "";
      return t("answer.citation", { n, title });
    };
    patch(own.current, render(text, { citations: onCite ? sources.map((source) => source.n) : [], citationLabel, unfinished: streaming || unfinished }));
  }, [text, sources, streaming, unfinished, spoken]);

  const onClick = (/** @type {MouseEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const button = /** @type {HTMLElement | null} */ (target.closest("button.cite"));
    const source = button && sources.find((item) => String(item.n) === button.dataset.n);
    if (button && source) onCite?.(source, button);
  };
  return html`<div ref=${own} class=${`prose ${streaming ? "streaming" : ""} ${extra}`} lang=${languageOf(text)} onClick=${onClick}></div>`;
}
