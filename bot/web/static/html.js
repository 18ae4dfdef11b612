/**
 * The one door to Preact, signals and htm, so that a module names one import.
 * Knows nothing about Errata.
 */
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { render, Fragment };
export { signal, computed, effect, batch, useSignal, useComputed, useSignalEffect } from "./vendor/signals.js";
export { useState, useRef, useEffect, useLayoutEffect, useMemo, useId } from "./vendor/preact-hooks.js";
