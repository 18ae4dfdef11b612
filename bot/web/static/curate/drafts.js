/**
 * Unsaved text, kept in the browser, so that a closed tab, an ended session or the next item loses nothing. Beside it
 * the curator's own text that was set aside for another curator's text, until its notice is closed.
 * One entry per correction; entries older than 30 days are cleared.
 */
const PREFIX = "errata.draft.";
const ASIDE = "errata.aside.";
const KEEP_MS = 30 * 24 * 3600 * 1000;

/** @typedef {{at: string, revision: number | undefined, form: import("./store.js").Form}} Kept */

/**
 * @param {string} id
 * @param {import("./store.js").Form} form
 * @param {number | undefined} revision
 * @returns {boolean} false when the browser's storage is full or forbidden: then the text is only on the page
 */
export function keep(id, form, revision) {
  try {
    localStorage.setItem(PREFIX + id, JSON.stringify({ at: new Date().toISOString(), revision, form }));
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} id
 * @returns {Kept | null}
 */
export const kept = (id) => read(PREFIX + id);

/** @param {string} key @returns {Kept | null} */
function read(key) {
  try {
    const value = JSON.parse(localStorage.getItem(key) ?? "null");
    return value && typeof value.form === "object" ? value : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} id
 * @param {import("./store.js").Form | null} form null: no longer
 */
export function keepAside(id, form) {
  try {
    if (form) localStorage.setItem(ASIDE + id, JSON.stringify({ at: new Date().toISOString(), form }));
    else localStorage.removeItem(ASIDE + id);
  } catch {
    // see keep
  }
}

/** @param {string} id */
export const keptAside = (id) => read(ASIDE + id)?.form ?? null;

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
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX) || name.startsWith(ASIDE))) {
      const value = read(key);
      if (!value || Date.now() - Date.parse(value.at) > KEEP_MS) localStorage.removeItem(key);
    }
  } catch {
    // see keep
  }
}
