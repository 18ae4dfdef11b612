/**
 * The only renderer and sanitiser: streamed answers, stored answers and the curator's preview all use it.
 * Markdown (marked) → HTML → DOMPurify → a fragment whose links are hardened and whose `[n]` are citation buttons.
 *
 * The output never contains, whatever the input is: scripts, styles, event handlers, forms, frames, images (a picture in an
 * answer would tell its host who reads what), relative links, and any scheme but http, https and mailto.
 * Raw HTML is shown as the text that it is, but for a few attribute-free inline tags.
 *
 * Characters that nobody sees are shown as marks. Knows nothing about Preact, the server or the catalogues.
 */
import { markIn } from "./invisible.js";
import { Marked } from "./vendor/marked.js";
import DOMPurify from "./vendor/purify.js";

// Beyond these limits a text is shown plain, because the parser is not linear on hostile input: 54,000 emphasis signs in
// one paragraph took it two minutes. No answer comes near: 50,000 characters are twenty printed pages.
export const MARKDOWN_LIMIT = 50_000;
/** Quotes and lists within each other. */
const NESTING_LIMIT = 40;
/** Signs that may open or close something, in one paragraph outside code. */
const SIGNS_LIMIT = 2000;

const INLINE_HTML = /^<(?:br|\/?(?:sub|sup|kbd|mark|b|i|em|strong|u|s|del|ins))\s*\/?>$/i;
const ALLOWED_TAGS = [
  "p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "b", "i",
  "u", "s", "del", "ins", "sub", "sup", "kbd", "mark", "a", "table", "thead", "tbody", "tr", "th", "td", "#text",
];
const SAFE_LINK = /^(?:https?:\/\/|mailto:)[^\s]/i;
const CITATION = /\[(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\]|【(\d{1,3})】/g;

/** @param {string} text */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/**
 * @param {string | null | undefined} href
 * @returns {string | null} the address when a reader may be sent there, else null
 */
export function safeLink(href) {
  const address = (href ?? "").trim();
  if (!SAFE_LINK.test(address)) return null;
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

const marked = new Marked({
  gfm: true,
  breaks: false,
  async: false,
  tokenizer: {
    // "[1]: text" is a footnote that a model wrote, never a link definition that would turn every [1] into a link.
    def() {
      return undefined;
    },
  },
  renderer: {
    html({ text, block }) {
      if (INLINE_HTML.test(text.trim())) return text;
      return block ? `<p>${escapeHtml(text.trim())}</p>` : escapeHtml(text);
    },
    image({ href, text }) {
      const link = safeLink(href);
      const words = escapeHtml(text || link || "");
      return link ? `<a href="${escapeHtml(link)}">${words}</a>` : words;
    },
    link({ href, tokens }) {
      const link = safeLink(href);
      const words = this.parser.parseInline(tokens);
      return link ? `<a href="${escapeHtml(link)}">${words}</a>` : words;
    },
    heading({ tokens, depth }) {
      const level = Math.min(depth + 2, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
    },
    checkbox({ checked }) {
      return checked ? "☑ " : "☐ ";
    },
  },
});

/**
 * @typedef {object} RenderOptions
 * @property {readonly number[]} [citations] the numbers that become buttons; others stay text
 * @property {(n: number) => string} [citationLabel] the accessible name of a citation button
 * @property {boolean} [unfinished] the text is not complete: a half citation at its end is held back, and bold or code
 *   that is open there is closed
 */

/**
 * @param {string | null | undefined} text Markdown of any origin
 * @param {RenderOptions} [options]
 * @returns {DocumentFragment} safe to insert
 */
export function render(text, options = {}) {
  let source = String(text ?? "");
  if (options.unfinished) source = closeMarks(source.replace(/(?:\[[\d\s,，、]*|【\d*)$/, "").trimEnd());
  const fragment = purify(toHtml(source));
  hardenLinks(fragment);
  addCitations(fragment, options);
  markIn(fragment);
  return fragment;
}

/**
 * Closes what the last line leaves open, so that no bare marks are shown while the next words are awaited.
 * @param {string} source without white space at its end
 */
function closeMarks(source) {
  if ((source.match(/^ {0,3}(?:`{3}|~{3})/gm)?.length ?? 0) % 2 === 1) return source; // inside a block of code
  const line = source.slice(source.lastIndexOf("\n") + 1);
  for (const mark of ["`", "**"]) {
    if (line.split(mark).length % 2 === 1) continue;
    return line.endsWith(mark) ? source.slice(0, -mark.length).trimEnd() : source + mark;
  }
  return source;
}

/** @param {string} source */
function toHtml(source) {
  if (source.length > MARKDOWN_LIMIT || tooDeep(source) || tooDense(source)) return plain(source);
  try {
    return /** @type {string} */ (marked.parse(source));
  } catch {
    return plain(source); // the parser gave up (its stack, an unknown construct): the words still count
  }
}

/** @param {string} source */
function plain(source) {
  return source
    .split(/\n{2,}/)
    .map((part) => `<p>${escapeHtml(part).replace(/\n/g, "<br>\n")}</p>`)
    .join("\n");
}

/** @param {string} source */
function tooDeep(source) {
  for (const line of source.split("\n")) {
    const lead = /^(?:\s|>|[-+*](?=\s)|\d{1,9}[.)](?=\s))*/.exec(line)?.[0] ?? "";
    if (lead.replace(/\s/g, "").length > NESTING_LIMIT || lead.length > NESTING_LIMIT * 8) return true;
  }
  return false;
}

/** @param {string} source */
function tooDense(source) {
  const prose = source.replace(/^(`{3,}(?!`)|~{3,}(?!~))[^\n]*\n[\s\S]*?(?:^\1[^\n]*$|$(?![\s\S]))/gm, "");
  return prose.split(/\n[ \t]*\n/).some((part) => (part.match(/[*_~`[\]<!&@]/g)?.length ?? 0) > SIGNS_LIMIT);
}

/** @param {string} html */
function purify(html) {
  return /** @type {DocumentFragment} */ (
    /** @type {unknown} */ (
      DOMPurify.sanitize(html, {
        ALLOWED_TAGS,
        ALLOWED_ATTR: ["href", "start", "align"],
        ALLOWED_URI_REGEXP: SAFE_LINK,
        ADD_URI_SAFE_ATTR: ["start", "align"], // else their values would have to look like links
        ALLOW_DATA_ATTR: false,
        ALLOW_ARIA_ATTR: false,
        RETURN_DOM_FRAGMENT: true,
      })
    )
  );
}

/** @param {DocumentFragment} fragment */
function hardenLinks(fragment) {
  for (const anchor of fragment.querySelectorAll("a")) {
    const link = safeLink(anchor.getAttribute("href"));
    if (!link) {
      anchor.replaceWith(...anchor.childNodes);
      continue;
    }
    anchor.setAttribute("href", link);
    anchor.setAttribute("target", "_blank");
    anchor.setAttribute("rel", "noopener noreferrer nofollow");
  }
}

/**
 * @param {DocumentFragment} fragment
 * @param {RenderOptions} options
 */
function addCitations(fragment, { citations = [], citationLabel = String }) {
  if (citations.length === 0) return;
  const cited = new Set(citations);
  for (const node of proseOf(fragment)) {
    const pieces = withButtons(node.data, cited, citationLabel);
    if (pieces) node.replaceWith(...pieces);
  }
}

/**
 * The texts outside code and links: a number in brackets is a citation only there.
 * @param {Node} root
 * @returns {Text[]}
 */
function proseOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) {
    const node = /** @type {Text} */ (walker.currentNode);
    if (!node.parentElement?.closest("code, pre, a")) texts.push(node);
  }
  return texts;
}

/**
 * @param {string} text
 * @param {Set<number>} numbered citation numbers that become buttons
 * @param {(n: number) => string} name
 * @returns {(string | HTMLElement)[] | null} null when the text cites nothing
 */
function withButtons(text, numbered, name) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(CITATION)) {
    const numbers = (match[1] ?? match[2]).split(/[,，、]/).map((part) => Number.parseInt(part, 10));
    if (!numbers.every((n) => numbered.has(n))) continue;
    pieces.push(text.slice(end, match.index).trimEnd());
    end = match.index + match[0].length;
    const after = /^[.,;:!?。，、；：！？)）”’」』】]*/.exec(text.slice(end))?.[0] ?? "";
    const cited = document.createElement("span"); // no line begins with a citation, or with the full stop after it
    cited.className = "cited";
    for (const n of numbers) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "cite";
      button.dataset.n = String(n);
      button.setAttribute("aria-label", name(n));
      button.textContent = String(n);
      cited.append(button);
    }
    cited.append(after);
    pieces.push(cited);
    end += after.length;
  }
  if (pieces.length === 0) return null;
  pieces.push(text.slice(end));
  return pieces;
}

/**
 * Makes `container` show `fragment`, leaving the leading blocks that did not change in place, so that a selection or
 * a focused citation in an earlier paragraph survives the next token.
 * @param {Element} container
 * @param {DocumentFragment} fragment
 */
export function patch(container, fragment) {
  const next = [...fragment.childNodes];
  const old = [...container.childNodes];
  let same = 0;
  while (same < next.length && same < old.length && old[same].isEqualNode(next[same])) same += 1;
  for (const node of old.slice(same)) node.remove();
  container.append(...next.slice(same));
}

/**
 * The words of an answer without markup and citations, for announcements, quotes and the clipboard.
 * @param {string | null | undefined} text
 * @param {{marks?: boolean}} [options] `marks` keeps what plain text can show: bullets, numbers, columns
 */
export function plainText(text, { marks = false } = {}) {
  const box = document.createElement("div");
  box.append(render(text));
  const citation = new RegExp(`[ \\t]*(?:${CITATION.source})`, "g");
  for (const node of proseOf(box)) {
    node.data = node.data.replace(/[ \t]{200,}/g, " ").replace(citation, ""); // that is not linear on long runs of spaces
  }
  if (marks) markPlainly(box);
  for (const paragraph of box.querySelectorAll("p")) paragraph.append("\n");
  return (box.textContent ?? "")
    .replace(/[ \t]{200,}/g, " ") // what follows is not linear on long runs of spaces
    .replace(/[ \t]+\n/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** @param {Element} box */
function markPlainly(box) {
  for (const list of box.querySelectorAll("ol, ul")) {
    const first = list instanceof HTMLOListElement ? list.start : null;
    [...list.children].forEach((item, at) => item.prepend(first === null ? "- " : `${first + at}. `));
  }
  for (const row of box.querySelectorAll("tr")) {
    row.replaceChildren([...row.children].map((cell) => cell.textContent).join("\t"));
  }
}
