/**
 * When a correction ends. Curators choose a day and mean its end where they are; the server keeps the moment. Shown is
 * the moment, in the reader's time zone, with that zone's name. Knows nothing about items.
 */
import { language } from "../i18n.js";

/** @param {string} text two digits at least */
const padded = (text) => text.padStart(2, "0");

/**
 * @param {string} day `YYYY-MM-DD`, or ""
 * @returns {string} the last second of that day in this browser's time zone, ISO 8601 in UTC; "" for no day
 */
export function endOfDay(day) {
  const [year, month, date] = day.split("-").map(Number);
  const end = new Date(2000, 0, 1, 23, 59, 59);
  end.setFullYear(year, month - 1, date); // the constructor takes the years 0 to 99, which come by while one types, for 1900 to 1999
  return day && !Number.isNaN(end.getTime()) ? end.toISOString() : "";
}

/**
 * @param {string} moment ISO 8601 with a zone, or ""
 * @returns {string} the day `YYYY-MM-DD` on which it falls in this browser's time zone
 */
export function dayOf(moment) {
  const at = new Date(moment);
  if (!moment || Number.isNaN(at.getTime())) return "";
  return `${String(at.getFullYear()).padStart(4, "0")}-${padded(String(at.getMonth() + 1))}-${padded(String(at.getDate()))}`;
}

/**
 * @param {string} moment ISO 8601 with a zone
 * @returns {string} the moment in the interface language, with the name of this browser's time zone
 */
export function inWords(moment) {
  const at = new Date(moment);
  if (Number.isNaN(at.getTime())) return "";
  return new Intl.DateTimeFormat(language.value, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "long" }).format(at);
}

/** @returns {string} the name of this browser's time zone */
export function zoneName() {
  const parts = new Intl.DateTimeFormat(language.value, { timeZoneName: "long" }).formatToParts(new Date());
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
}
