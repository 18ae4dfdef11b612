/** What a reader is told when a call fails. Knows nothing about which call it was. */
import { ApiError } from "./api.js";
import { has, t } from "./i18n.js";

/**
 * @param {unknown} error
 * @returns {string}
 */
export function explain(error) {
  if (!(error instanceof ApiError)) return t("error.page");
  if (error.status === 0) return t("error.network");
  if (error.body.detail) return String(error.body.detail);
  const key = `error.status.${error.status}`;
  return has(key) ? t(key) : t("error.status.other", { status: error.status });
}
