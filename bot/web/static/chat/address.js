/** Which conversation the page's address names (`/?c=ID`). */

/** @returns {string | null} */
export const addressed = () => new URLSearchParams(location.search).get("c");

/**
 * @param {string | null} id
 * @param {{replace?: boolean}} [options]
 */
export function showInAddress(id, { replace = false } = {}) {
  if (id === addressed()) return;
  const address = id ? `/?c=${encodeURIComponent(id)}` : "/";
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}
