/**
 * Unsaved text, kept in the browser, so that a closed tab or an ended session loses nothing.
 * One entry per correction; entries older than 30 days are cleared.
 */
const PREFIX = "errata.draft.";
const KEEP_MS = 30 * 24 * 3600 * 1000;

/** @typedef {{at: string, revision: number | undefined, form: import("./store.js").Form}} Kept */

/**
 * @param {string} id
 * @param {import("./store.js").Form} form
 * @param {number | undefined} revision
 */
export function keep(id, form, revision) {
  try {
    localStorage.setItem(PREFIX + id, JSON.stringify({ at: new Date().toISOString(), revision, form }));
  } catch {
    // storage is full or forbidden: the text is still on the page
  }
}

/**
 * @param {string} id
 * @returns {Kept | null}
 */
export function kept(id) {
  try {
    const value = JSON.parse(localStorage.getItem(PREFIX + id) ?? "null");
    return value && typeof value.form === "object" ? value : null;
  } catch {
    return null;
  }
}

/** @param {string} id */
export function forget(id) {
  try {
    localStorage.removeItem(PREFIX + id);
  } catch {
    // see keep
  }
}

export function forgetOld() {
  try {
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX))) {
      const value = kept(key.slice(PREFIX.length));
      if (!value || Date.now() - Date.parse(value.at) > KEEP_MS) localStorage.removeItem(key);
    }
  } catch {
    // see keep
  }
}
