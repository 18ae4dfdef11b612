/** The wrong words of an answer: what the reader selected, which sentences there are, and marking them on the page. */

const LONGEST_QUOTE = 1000;

/**
 * @param {HTMLElement | null} box
 * @returns {string} the selected words when the selection lies within the box, else ""
 */
export function selectedIn(box) {
  const selection = getSelection();
  if (!box || !selection || selection.isCollapsed || selection.rangeCount === 0) return "";
  const range = selection.getRangeAt(0);
  if (!box.contains(range.commonAncestorContainer)) return "";
  const copy = range.cloneContents();
  for (const button of copy.querySelectorAll("button")) button.remove();
  return (copy.textContent ?? "").replace(/\s+/g, " ").trim().slice(0, LONGEST_QUOTE);
}

/**
 * @param {string} text plain words
 * @returns {string[]} its sentences, each once
 */
export function sentences(text) {
  const found = text.match(/[^。！？!?\n.]+(?:[.](?=\S)[^。！？!?\n.]*)*(?:[。！？!?]+["”』」’)]*|[.]+["”’)]*(?=\s|$))?/g) ?? [];
  return [...new Set(found.map((part) => part.trim()).filter((part) => part.length > 1))].slice(0, 60);
}

/**
 * Marks the words on the page without touching the document, where the browser can (CSS custom highlights).
 * @param {HTMLElement | null} box
 * @param {string} words
 * @returns {() => void} takes the mark away
 */
export function highlight(box, words) {
  const registry = /** @type {any} */ (CSS).highlights;
  if (!box || !words || !registry || typeof Highlight === "undefined") return () => {};
  const range = find(box, words);
  if (range) registry.set("quoted", new Highlight(range));
  return () => registry.delete("quoted");
}

/**
 * @param {HTMLElement} box
 * @param {string} words white space counts as one space
 * @returns {Range | null}
 */
function find(box, words) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  /** @type {{node: Text, offset: number}[]} */
  const places = [];
  let flat = "";
  while (walker.nextNode()) {
    const node = /** @type {Text} */ (walker.currentNode);
    if (node.parentElement?.closest("button")) continue;
    for (let offset = 0; offset < node.data.length; offset += 1) {
      const char = /\s/.test(node.data[offset]) ? " " : node.data[offset];
      if (char === " " && flat.endsWith(" ")) continue;
      flat += char;
      places.push({ node, offset });
    }
  }
  const wanted = words.replace(/\s+/g, " ").trim();
  const at = flat.indexOf(wanted);
  if (at < 0 || !wanted) return null;
  const first = places[at];
  const last = places[at + wanted.length - 1];
  const range = document.createRange();
  range.setStart(first.node, first.offset);
  range.setEnd(last.node, last.offset + 1);
  return range;
}
