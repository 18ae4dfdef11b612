/** Starts a page: catalogue first, then the first render; a page that cannot start says so. */
import { html, render } from "./html.js";
import { loadCatalogue } from "./i18n.js";

/**
 * @param {() => any} view makes the page's element
 * @param {() => void} [start] runs after the first render
 */
export async function boot(view, start) {
  const root = /** @type {HTMLElement} */ (document.querySelector("#app"));
  try {
    await loadCatalogue();
  } catch {
    document.querySelector("#broken")?.removeAttribute("hidden");
    return;
  }
  root.replaceChildren();
  render(html`${view()}`, root);
  start?.();
}
