/** Small shared pieces: icons, dialogs, toasts, the language switch. Knows nothing about chat or curation. */
import { html, signal, useLayoutEffect, useRef } from "./html.js";
import { hides } from "./invisible.js";
import { LANGUAGES, language, setLanguage, t } from "./i18n.js";

/** Strokes on a 20 × 20 grid. */
const PATHS = {
  menu: "M3 6h14M3 10h14M3 14h9",
  plus: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  check: "M4 10.5l4 4 8-9",
  again: "M15.5 7A6.2 6.2 0 1 0 16 11.5M16 3v4.5h-4.5",
  up: "M6.5 9v7.5h-3V9zM6.5 9l3-6c1.6 0 2.2 1.2 1.9 2.6L10.9 8h4.3c1 0 1.6.8 1.4 1.7l-1.2 5.4c-.2.8-.8 1.4-1.7 1.4H6.5",
  down: "M13.5 11V3.5h3V11zM13.5 11l-3 6c-1.6 0-2.2-1.2-1.9-2.6L9.1 12H4.8c-1 0-1.6-.8-1.4-1.7l1.2-5.4c.2-.8.8-1.4 1.7-1.4h7.2",
  pencil: "M4 16l.8-3.400L13.5 4l2.5 2.5-8.6 8.700zM11.5 6l2.5 2.5",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.8 10.500h7.400L14.5 6",
  stop: "M6 6h8v8H6z",
  send: "M10 16V4.500M5 9l5-5 5 5",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM12.7 12.700L16.5 16.5",
  upload: "M10 13V4M6 7.500L10 3.500l4 4M4 13v3.500h12V13",
};

/** @param {{name: keyof typeof PATHS}} props decorative: the control around it has the name */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/**
 * A button that is only an icon; `label` is its accessible name and tooltip.
 * @param {{name: keyof typeof PATHS, label: string, onClick: (event: Event) => void, pressed?: boolean, disabled?: boolean, class?: string}} props
 */
export function IconButton({ name, label, onClick, pressed, disabled, class: extra = "" }) {
  return html`<button type="button" class=${`icon-button ${extra}`} title=${label} aria-label=${label}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} disabled=${disabled} onClick=${onClick}>
    <${Icon} name=${name} />
  </button>`;
}

/**
 * Below a field whose text has characters that nobody sees: the text again, with marks.
 * @param {{text: string}} props
 */
export function HiddenNote({ text }) {
  if (!hides(text)) return null;
  return html`<div class="hidden-note" role="status"><p class="problem">${t("hidden.note")}</p><p class="hidden-text">${text}</p></div>`;
}

/** Switches the interface language; each language is named in itself. */
export function LanguageSwitch() {
  return html`<label class="language-switch">
    <span class="visually-hidden">${t("language.label")}</span>
    <select value=${language.value} onChange=${(/** @type {any} */ event) => {
      const select = event.currentTarget;
      setLanguage(select.value).catch(() => {
        select.value = language.value;
        toast(t("error.network"));
      });
    }}>
      ${LANGUAGES.map((tag) => html`<option key=${tag} value=${tag} lang=${tag}>${t(`language.${tag}`)}</option>`)}
    </select>
  </label>`;
}

/**
 * A modal dialog; Esc and the backdrop close it.
 * @param {{title: string, onClose: () => void, children?: any, class?: string}} props
 */
export function Dialog({ title, onClose, children, class: extra = "" }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const dialog = box.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      before?.focus?.();
    };
  }, []);
  return html`<dialog ref=${box} class=${`dialog ${extra}`} aria-labelledby="dialog-title"
    onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); onClose(); }}
    onClick=${(/** @type {MouseEvent} */ event) => { if (event.target === box.current) onClose(); }}>
    <div class="dialog-body">
      <header class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <${IconButton} name="close" label=${t("ui.close")} onClick=${onClose} />
      </header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} text
 * @property {string} [action]
 * @property {() => void} [onAction]
 */

/** @type {import("./vendor/signals.js").Signal<Toast[]>} */
const toasts = signal([]);
let lastToast = 0;

/**
 * Shows a passing message in place of the one before. One that offers an action stays beside it until its time is over.
 * @param {string} text
 * @param {{action?: string, onAction?: () => void, onGone?: () => void, seconds?: number}} [options]
 *   `onGone` runs when the time is over and the action was not taken
 * @returns {() => void} takes the message away without running `onGone`
 */
export function toast(text, { action, onAction, onGone, seconds = 5 } = {}) {
  lastToast += 1;
  const id = lastToast;
  const remove = () => {
    clearTimeout(timer);
    toasts.value = toasts.value.filter((item) => item.id !== id);
  };
  const timer = setTimeout(() => {
    remove();
    onGone?.();
  }, seconds * 1000);
  const item = { id, text, action, onAction: () => { remove(); onAction?.(); } };
  toasts.value = [...toasts.value.filter((shown) => shown.action), item];
  return remove;
}

/** The place where toasts appear; one per page. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((item) => html`<div class="toast" key=${item.id}>
      <span>${item.text}</span>
      ${item.action && html`<button type="button" class="link-button" onClick=${item.onAction}>${item.action}</button>`}
    </div>`)}
  </div>`;
}

/** Whether a dialog is open; then keys belong to the dialog and not to the page. */
export const isDialogOpen = () => document.querySelector("dialog") !== null;

/**
 * A list of shortcuts for the help dialog.
 * @param {{rows: [string, string][]}} props pairs of keys and meaning
 */
export function ShortcutTable({ rows }) {
  return html`<table class="shortcuts"><tbody>
    ${rows.map(([keys, meaning]) => html`<tr key=${keys}>
      <th scope="row">${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</th><td>${meaning}</td>
    </tr>`)}
  </tbody></table>`;
}
