/**
 * The one door to Preact, signals and htm, so that a module names one import.
 * Knows nothing about Errata.
 */
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { effect, untracked } from "./vendor/signals.js";

export const html = htm.bind(h);
export { render, Fragment };
export { signal, computed, batch } from "./vendor/signals.js";
/**
 * What keys depend on (the focus, the modal, where the page stands) belongs into `useLayoutEffect`: it is done in the
 * step that draws the element. `useEffect` comes a frame later, and a key that is pressed in between would be lost.
 */
export { useState, useRef, useEffect, useLayoutEffect, useId } from "./vendor/preact-hooks.js";

/**
 * Runs `act` now and whenever what `read` reads has changed. Only `read` is tracked, so an act that reads and writes
 * other signals cannot call itself.
 * @template T
 * @param {() => T} read
 * @param {(value: T) => void} act
 * @returns {() => void} ends it
 */
export function watch(read, act) {
  return effect(() => {
    const value = read();
    untracked(() => act(value));
  });
}
