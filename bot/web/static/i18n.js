/**
 * Interface language: which catalogue is loaded, and `t(key)`. The interface's language is the reader's
 * choice and independent of the language of questions and documents.
 * Knows nothing about the server beyond `locales/<language>.json`.
 */
import { signal } from "./html.js";

/** @type {readonly string[]} */
export const LANGUAGES = ["en", "zh-CN"];
const REMEMBERED = "errata.language";

/** The current interface language, one of LANGUAGES. */
export const language = signal(initialLanguage());
/** @type {import("./vendor/signals.js").Signal<Record<string, string>>} */
const catalogue = signal({});

function initialLanguage() {
  const remembered = readRemembered();
  if (remembered) return remembered;
  const fixed = document.documentElement.dataset.language ?? ""; // the operator may have set a language
  if (LANGUAGES.includes(fixed)) return fixed;
  const preferred = navigator.languages?.length ? navigator.languages : [navigator.language || "en"];
  for (const tag of preferred) {
    if (/^zh\b/i.test(tag)) return "zh-CN";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

function readRemembered() {
  try {
    const value = localStorage.getItem(REMEMBERED);
    return value && LANGUAGES.includes(value) ? value : null;
  } catch {
    return null; // the browser forbids storage: the choice is lost when the page closes
  }
}

/**
 * Loads the catalogue of the current language. Call once before the first render.
 * @returns {Promise<void>}
 */
export async function loadCatalogue() {
  await load(language.value);
}

/** @param {string} next one of LANGUAGES */
export async function setLanguage(next) {
  if (!LANGUAGES.includes(next)) return;
  await load(next);
  try {
    localStorage.setItem(REMEMBERED, next);
  } catch {
    // see readRemembered
  }
}

/** @param {string} next */
async function load(next) {
  const answer = await fetch(new URL(`./locales/${next}.json`, import.meta.url), { cache: "no-cache" });
  if (!answer.ok) throw new Error(`catalogue ${next}: HTTP ${answer.status}`);
  catalogue.value = await answer.json();
  language.value = next;
  document.documentElement.lang = next;
}

/** @param {string} key */
export function has(key) {
  return Object.hasOwn(catalogue.value, key);
}

/**
 * The text of a key in the interface language. A key `k` that does not exist but has `k.one` and `k.other`
 * is chosen by the plural rule of `params.n`. Reading it inside a component subscribes to language changes.
 * @param {string} key
 * @param {Record<string, string | number>} [params] values for `{name}` placeholders
 * @returns {string}
 */
export function t(key, params = {}) {
  const texts = catalogue.value;
  let text = texts[key];
  if (text === undefined && typeof params.n === "number") {
    const rule = new Intl.PluralRules(language.value).select(params.n);
    text = texts[`${key}.${rule}`] ?? texts[`${key}.other`];
  }
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/**
 * The text of `prefix.value`, or the bare value when the server sends one that this page does not know yet.
 * @param {string} prefix
 * @param {string | null | undefined} value
 */
export function label(prefix, value) {
  if (!value) return "";
  const key = `${prefix}.${value}`;
  return has(key) ? t(key) : value.replaceAll("_", " ");
}

/**
 * @param {string | null | undefined} iso an ISO 8601 time
 * @returns {string} date and time in the interface language, the reader's time zone
 */
export function formatTime(iso) {
  const date = iso ? new Date(iso) : null;
  if (!date || Number.isNaN(date.getTime())) return "";
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(date);
}

/**
 * @param {string | null | undefined} iso
 * @returns {string} "3 minutes ago" for the last week, else the date
 */
export function formatAgo(iso) {
  const date = iso ? new Date(iso) : null;
  if (!date || Number.isNaN(date.getTime())) return "";
  const seconds = (date.getTime() - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat(language.value, { numeric: "auto", style: "short" });
  const size = Math.abs(seconds);
  if (size < 60) return t("ago.now");
  if (size < 3600) return words.format(Math.round(seconds / 60), "minute");
  if (size < 86400) return words.format(Math.round(seconds / 3600), "hour");
  if (size < 7 * 86400) return words.format(Math.round(seconds / 86400), "day");
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(date);
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function formatNumber(value, digits = 2) {
  if (typeof value !== "number" || Number.isNaN(value)) return "";
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);
}

/**
 * @param {number | null | undefined} share 0 to 1
 * @returns {string} in percent
 */
export function formatShare(share) {
  if (typeof share !== "number" || Number.isNaN(share)) return "";
  return new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/**
 * The `lang` attribute for a text of unknown language, so that fonts, line breaking and screen readers fit.
 * @param {string | null | undefined} text
 * @returns {"zh-CN" | "en"}
 */
export function languageOf(text) {
  const sample = (text ?? "").slice(0, 2000);
  const han = sample.match(/\p{Script=Han}/gu)?.length ?? 0;
  const latin = sample.match(/[A-Za-z]+/g)?.length ?? 0;
  return han > latin ? "zh-CN" : "en";
}
