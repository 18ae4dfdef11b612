/**
 * Characters that nobody sees, shown as marks: what a person reads must be what the text says. The rule is that of
 * `retrieval/invisible.py`, where it is explained; a test compares the two.
 *
 * A mark is an element whose style shows the code point in place of the character, which stays in the page: what is
 * selected and copied is what was written.
 * Knows nothing about Preact.
 */

const HIDEABLE = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
const PLAIN = /^[\x20-\x7e\t\n\r]*$/;
const WHITE = new Set("\t\n\r");
const BLANK = new Set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f");
const VISIBLE_SIGNS = new Set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}");
const FLAGS = ["gbeng", "gbsct", "gbwls"].map((name) => `\u{1f3f4}${[...name].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join("")}\u{e007f}`);
const TEXT_EMOJI = new Set("#*0123456789©®‼⁉™ℹ↔↕↖↗↘↙↩↪〰〽㊗㊙");
/** @typedef {readonly (readonly [number, number])[]} Ranges */
/** @type {Ranges} */
const JOINED = [[0x0600, 0x08ff], [0x0900, 0x0dff], [0x0f00, 0x109f], [0x1780, 0x18af], [0xa840, 0xabff], [0xfb50, 0xfdff], [0xfe70, 0xfefc], [0x10a00, 0x11fff]];
/** @type {Ranges} */
const UNSPACED = [[0x0e00, 0x0fff], [0x1000, 0x109f], [0x1780, 0x17ff], [0x1950, 0x1aaf], [0xa9e0, 0xaa7f]];
/** @type {Ranges} */
const HAN = [[0x3005, 0x3007], [0x3400, 0x9fff], [0xf900, 0xfaff], [0x20000, 0x3fffd]];
/** @type {Ranges} */
const GROWING = [[0x1f000, 0x1fbff], [0x20000, 0x3fffd]];

/** @param {number} code @param {Ranges} ranges */
const within = (code, ranges) => ranges.some(([first, last]) => code >= first && code <= last);
/** @param {string} c */
const codeOf = (c) => /** @type {number} */ (c.codePointAt(0));
/** @param {string} c @param {Ranges} ranges */
const among = (c, ranges) => c !== "" && within(codeOf(c), ranges) && !isHideable(c);
/** @param {string} c */
const isLetter = (c) => /^[\p{L}\p{M}]$/u.test(c) && !BLANK.has(c);
/** @param {string} c */
const isAlphabetic = (c) => /^\p{L}$/u.test(c);

/** Whether it is hidden unless its neighbours need it. @param {string} c */
function isHideable(c) {
  const code = codeOf(c);
  if (WHITE.has(c) || VISIBLE_SIGNS.has(c)) return false;
  if (/^\p{Cn}$/u.test(c)) return (code & 0xfffe) === 0xfffe || !within(code, GROWING);
  return /^[\p{C}\p{Zl}\p{Zp}]$/u.test(c) || BLANK.has(c) || within(code, [[0xfe00, 0xfe0f], [0xe0100, 0xe01ef]]);
}

/** @param {string} c */
function isEmoji(c) {
  if (!c || BLANK.has(c)) return false;
  const code = codeOf(c);
  return (code >= 0x1f000 && code <= 0x1fbff) || (code >= 0x2190 && code <= 0x2bff && /^[\p{So}\p{Sm}]$/u.test(c));
}

/** Whether real text needs this character here, or it is harmless here. @param {string[]} all @param {number} at */
function isNeeded(all, at) {
  const c = all[at];
  const before = all[at - 1] ?? "";
  const after = all[at + 1] ?? "";
  const code = codeOf(c);
  if (c === "\ufeff") return at === 0;
  if (c === "\u00ad") return isAlphabetic(before) && isAlphabetic(after);
  if (c === "\u200d" || c === "\u200c") {
    if (among(before, JOINED) && isLetter(before)) return c === "\u200d" || (among(after, JOINED) && isLetter(after));
    const styled = before === "\ufe0f" && at > 1 ? all[at - 2] : before;
    return c === "\u200d" && isEmoji(styled) && isEmoji(after);
  }
  if (c === "\u200b") return among(before, UNSPACED) && among(after, UNSPACED);
  if (code === 0xfe0e || code === 0xfe0f) return isEmoji(before) || TEXT_EMOJI.has(before);
  if (code >= 0xfe00 && code <= 0xfe0d) return (code <= 0xfe02 && among(before, HAN)) || (code === 0xfe00 && /^\p{Sm}$/u.test(before));
  if (code >= 0xe0100 && code <= 0xe01ef) return among(before, HAN);
  if (code >= 0xe0000 && code <= 0xe007f) return isInFlag(all, at);
  if (c === "\u180b" || c === "\u180c" || c === "\u180d" || c === "\u180f") return among(before, [[0x1820, 0x18aa]]);
  if (c === "\u115f") return after >= "\u1161" && after <= "\u11a7";
  if (c === "\u1160") return before >= "\u1100" && before <= "\u115e";
  return false;
}

/** @param {string[]} all @param {number} at */
function isInFlag(all, at) {
  const start = all.lastIndexOf("\u{1f3f4}", at - 1);
  return at > 0 && start >= 0 && at - start <= 6 && FLAGS.includes(all.slice(start, start + 7).join(""));
}

/** @param {string} c */
export const codePoint = (c) => `U+${codeOf(c).toString(16).toUpperCase().padStart(4, "0")}`;

/** @typedef {{text: string, hidden: boolean}} Piece `hidden`: it is one hidden character */

/**
 * @param {string} text
 * @returns {Piece[] | null} null where nothing is hidden
 */
export function pieces(text) {
  if (PLAIN.test(text)) return null;
  HIDEABLE.lastIndex = 0;
  if (text.search(HIDEABLE) < 0) return null;
  const all = [...text];
  /** @type {Piece[]} */
  const found = [];
  let from = 0;
  all.forEach((c, at) => {
    if (!isHideable(c) || isNeeded(all, at)) return;
    if (at > from) found.push({ text: all.slice(from, at).join(""), hidden: false });
    found.push({ text: c, hidden: true });
    from = at + 1;
  });
  if (found.length === 0) return null;
  if (from < all.length) found.push({ text: all.slice(from).join(""), hidden: false });
  return found;
}

/** Whether any of the texts hides something. @param {...(string | null | undefined)} texts */
export const hides = (...texts) => texts.some((text) => pieces(text ?? "") !== null);

/** The text with marks in words, for where no element can stand. @param {string} text */
export const inWords = (text) => pieces(text)?.map((piece) => (piece.hidden ? `‹${codePoint(piece.text)}›` : piece.text)).join("") ?? text;

/** Which hidden characters the texts have, each once. @param {...string} texts @returns {string[]} code points */
export function codePoints(...texts) {
  const all = texts.flatMap((text) => (pieces(text) ?? []).filter((piece) => piece.hidden).map((piece) => codePoint(piece.text)));
  return [...new Set(all)];
}

/** Puts marks into what is drawn without Preact. @param {Node} root */
export function markIn(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  /** @type {Text[]} */
  const texts = [];
  while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
  for (const node of texts) {
    const parts = pieces(node.data);
    if (parts) node.replaceWith(...parts.map((piece) => (piece.hidden ? markOf(piece.text) : piece.text)));
  }
}

/** @param {string} c */
function markOf(c) {
  const mark = document.createElement("span");
  mark.className = "hidden-mark";
  mark.dataset.mark = codePoint(c);
  mark.textContent = c;
  return mark;
}
