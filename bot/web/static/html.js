/**
 * The only import of Preact, signals and htm: all other modules import them from here. Every text that is drawn through
 * it has marks for characters that nobody sees.
 */
import { codePoint, inWords, pieces } from "./invisible.js";
import { h, render, Fragment, options } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { effect, untracked } from "./vendor/signals.js";

export const html = htm.bind(h);

const WORDS_ONLY = new Set(["option", "title"]); // no element can stand in them
const SHOWN_ATTRIBUTES = ["title", "aria-label", "placeholder", "alt"];
const before = options.vnode;
options.vnode = (/** @type {any} */ vnode) => {
  const { type, props } = vnode;
  if ((typeof type === "string" || type === Fragment) && props["data-mark"] === undefined && type !== "textarea") {
    if (props.children !== undefined) props.children = withMarks(props.children, WORDS_ONLY.has(type));
    for (const name of SHOWN_ATTRIBUTES) if (typeof props[name] === "string") props[name] = inWords(props[name]);
  }
  before?.(vnode);
};

/**
 * @param {any} children
 * @param {boolean} words
 * @returns {any} the same where nothing is hidden
 */
function withMarks(children, words) {
  if (typeof children === "string") {
    const parts = pieces(children);
    if (!parts) return children;
    if (words) return inWords(children);
    return parts.map((piece) => (piece.hidden ? h("span", { class: "hidden-mark", "data-mark": codePoint(piece.text) }, piece.text) : piece.text));
  }
  if (!Array.isArray(children)) return children;
  const marked = children.map((child) => withMarks(child, words));
  return marked.some((child, at) => child !== children[at]) ? marked : children;
}
export { render, Fragment };
export { signal, computed, batch } from "./vendor/signals.js";
/**
 * State that keys depend on (the focus, the open dialog, the scroll position) belongs into `useLayoutEffect`: it runs in the
 * step that draws the element. `useEffect` runs a frame later, and a key that is pressed in between would be lost.
 */
export { useState, useRef, useEffect, useLayoutEffect, useId } from "./vendor/preact-hooks.js";

/**
 * Runs `act` now and whenever what `read` reads has changed. Only `read` is tracked, so an act that reads and writes
 * other signals cannot call itself.
 * @template T
 * @param {() => T} read
 * @param {(value: T) => void} act
 * @returns {() => void} stops it
 */
export function watch(read, act) {
  return effect(() => {
    const value = read();
    untracked(() => act(value));
  });
}
