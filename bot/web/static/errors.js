/** The text that a reader sees when a call fails. Knows nothing about which call it was. */
import { ApiError } from "./api.js";
import { has, language, languageOf, t } from "./i18n.js";

/**
 * @param {unknown} error
 * @returns {string}
 */
export function explain(error) {
  if (!(error instanceof ApiError)) return t("error.page");
  return describe(error.status, error.body.detail);
}

/**
 * The server's text if it is in the reader's language; otherwise the page's text with the server's text beside it.
 * @param {number | undefined} status HTTP status, 0 when the server was not reached
 * @param {unknown} [detail]
 * @returns {string}
 */
export function describe(status, detail) {
  if (status === 0) return t("error.network");
  const key = `error.status.${status}`;
  const text = has(key) ? t(key) : t("error.status.other", { status: status ?? "?" });
  if (!detail) return text;
  const words = String(detail);
  return languageOf(words) === language.value ? words : t("error.with_detail", { text, detail: words });
}
