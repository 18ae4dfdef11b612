/** Which words changed between two texts: words for alphabets, characters for Chinese. */
import { html } from "../html.js";
import { languageOf } from "../i18n.js";

/** Most comparisons; longer texts are shown one after the other, because comparing them takes too long. */
const LIMIT = 4_000_000;

/** @typedef {{kind: "same" | "gone" | "new", text: string}} Piece */

/** @param {string} text */
const words = (text) => text.match(/\p{Script=Han}|[\p{L}\p{N}_]+|\s+|[^\s]/gu) ?? [];

/**
 * @param {string} before
 * @param {string} after
 * @returns {Piece[]} in reading order, neighbours of one kind joined
 */
export function diff(before, after) {
  const a = words(before);
  const b = words(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middleA = a.slice(start, a.length - end);
  const middleB = b.slice(start, b.length - end);
  const pieces = /** @type {Piece[]} */ ([{ kind: "same", text: a.slice(0, start).join("") }]);
  if (middleA.length * middleB.length > LIMIT) {
    pieces.push({ kind: "gone", text: middleA.join("") }, { kind: "new", text: middleB.join("") });
  } else {
    pieces.push(...compare(middleA, middleB));
  }
  pieces.push({ kind: "same", text: a.slice(a.length - end).join("") });
  return join(pieces);
}

/**
 * Longest common subsequence.
 * @param {string[]} a
 * @param {string[]} b
 * @returns {Piece[]}
 */
function compare(a, b) {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  /** @type {Piece[]} */
  const pieces = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      pieces.push({ kind: "same", text: a[i] });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      pieces.push({ kind: "gone", text: a[i] });
      i += 1;
    } else {
      pieces.push({ kind: "new", text: b[j] });
      j += 1;
    }
  }
  return pieces;
}

/** @param {Piece[]} pieces */
function join(pieces) {
  /** @type {Piece[]} */
  const joined = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (!piece.text) continue;
    if (last?.kind === piece.kind) last.text += piece.text;
    else joined.push({ ...piece });
  }
  return joined;
}

/** @param {{before: string, after: string}} props */
export function Diff({ before, after }) {
  return html`<p class="diff" lang=${languageOf(before + after)}>${diff(before, after).map((piece, index) => {
    if (piece.kind === "gone") return html`<del key=${index}>${piece.text}</del>`;
    if (piece.kind === "new") return html`<ins key=${index}>${piece.text}</ins>`;
    return html`<span key=${index}>${piece.text}</span>`;
  })}</p>`;
}
