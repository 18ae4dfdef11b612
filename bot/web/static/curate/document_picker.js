/** Choosing a document, reading it, and selecting the words in it that are wrong. */
import { segment, withQuery } from "../api.js";
import { html, signal, useEffect, useId, useLayoutEffect, useRef, useState } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { HiddenNote } from "../ui.js";
import { Diff } from "./diff.js";
import { report, request } from "./session.js";
import { change, form, picker } from "./store.js";
import { offerTakeOut } from "./take_out.js";

/** @typedef {import("./store.js").Picker} Picker */

let lastKey = 0;

/** Titles that were seen, by document id. @type {import("../vendor/signals.js").Signal<Record<string, string>>} */
export const titles = signal({});

const TYPING_PAUSE_MS = 250;

/** Opens the picker afresh; it belongs to the open item and closes with it. @param {Omit<Picker, "key">} choice */
export function openPicker(choice) {
  lastKey += 1;
  picker.value = { key: lastKey, ...choice };
}

/** Opens the document of a passage for editing. @param {import("../answer.js").Source} source */
export function startEdit(source) {
  openPicker({ mode: "edit", document_id: source.document_id, version: source.version, find: source.passage, replace: source.passage });
  queueMicrotask(() => document.querySelector("#edits")?.scrollIntoView({ block: "start" }));
}

export function DocumentPicker() {
  const { key, mode, document_id } = /** @type {Picker} */ (picker.value);
  return html`<div class="picker">
    ${document_id && mode === "edit" ? html`<${WordPicker} key=${key} />` : html`<${DocumentSearch} key=${key} mode=${mode} />`}
    <p><button type="button" class="link-button" onClick=${() => { picker.value = null; }}>${t("ui.cancel")}</button></p>
  </div>`;
}

/** @param {{mode: "edit" | "supersede"}} props */
function DocumentSearch({ mode }) {
  const [query, setQuery] = useState("");
  const [documents, setDocuments] = useState(/** @type {any[] | null} */ (null));
  const id = useId();
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => box.current?.focus(), []);
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(async () => {
      try {
        const answer = await request("GET", withQuery("/api/documents", { q: query.trim(), limit: 12 }));
        if (!stale) setDocuments(answer.documents ?? []);
      } catch (error) {
        if (!stale) report(error);
      }
    }, TYPING_PAUSE_MS);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [query]);
  const choose = (/** @type {any} */ entry) => {
    titles.value = { ...titles.value, [entry.id]: entry.title ?? entry.id };
    if (mode === "edit") {
      openPicker({ mode, document_id: entry.id });
      return;
    }
    offerTakeOut({ document_id: entry.id, title: entry.title });
    picker.value = null;
  };
  return html`<label for=${id}>${mode === "edit" ? t("picker.which_edit") : t("picker.which_supersede")}</label>
    <input id=${id} ref=${box} type="search" value=${query} placeholder=${t("knowledge.search")} onInput=${(/** @type {any} */ event) => setQuery(event.currentTarget.value)} />
    ${documents?.length === 0 && html`<p class="muted">${t("knowledge.none")}</p>`}
    <ul class="picker-list">${(documents ?? []).map((entry) => html`<li key=${entry.id}><button type="button" class="footnote" onClick=${() => choose(entry)}>
      <span lang=${languageOf(entry.title)}>${entry.title ?? entry.id}</span> <span class="muted">${t("source.version", { version: entry.version ?? 1 })}</span>
      ${entry.kind === "erratum" && html`<span class="mark mark-erratum">${t("source.corrected")}</span>`}
    </button></li>`)}</ul>`;
}

function WordPicker() {
  const { key, document_id = "", version, find = "", replace = "" } = /** @type {Picker} */ (picker.value);
  const [loaded, setLoaded] = useState(/** @type {any} */ (null));
  const write = (/** @type {Partial<Picker>} */ words) => {
    if (picker.value?.key === key) picker.value = { ...picker.value, ...words };
  };
  const text = useRef(/** @type {HTMLElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    // The current version is what an edit changes; the passage may come from an older one.
    request("GET", `/api/documents/${segment(document_id)}`).then((answer) => {
      titles.value = { ...titles.value, [document_id]: answer.title ?? document_id };
      setLoaded(answer);
    }, (error) => {
      report(error);
      if (picker.value?.key === key) picker.value = null;
    });
  }, [document_id]);
  const takeSelection = () => {
    const selection = getSelection();
    if (!selection || selection.isCollapsed || !text.current?.contains(selection.anchorNode) || !text.current.contains(selection.focusNode)) return;
    const words = selection.toString().trim();
    if (!words) return;
    write({ find: words, replace: words });
  };
  if (!loaded) return html`<p class="progress" role="status">${t("picker.loading")}</p>`;
  const body = String(loaded.text ?? "");
  const count = find ? body.split(find).length - 1 : 0;
  const ready = count === 1 && replace !== find;
  const add = () => {
    change({ edits: [...form.value.edits, { document_id, version: loaded.version, find, replace, title: loaded.title }] });
    picker.value = null;
  };
  return html`<p class="edit-head"><span lang=${languageOf(loaded.title)}>${loaded.title ?? document_id}</span> <span class="muted">${t("source.version", { version: loaded.version })}</span></p>
    ${version !== undefined && version !== loaded.version && html`<p class="notice notice-problem">${t("picker.newer", { seen: version, now: loaded.version })}</p>`}
    <p class="hint">${t("picker.select")}</p>
    <div class="document-text" ref=${text} tabindex="0" lang=${languageOf(body)} onMouseUp=${takeSelection} onKeyUp=${takeSelection} onTouchEnd=${() => setTimeout(takeSelection, 50)}>${marked(body, find)}</div>
    <div class="field-grid">
      <div><label for=${`${id}-find`}>${t("edits.find")}</label>
        <textarea id=${`${id}-find`} rows="3" value=${find} onInput=${(/** @type {any} */ event) => write({ find: event.currentTarget.value })}></textarea><${HiddenNote} text=${find} /></div>
      <div><label for=${`${id}-replace`}>${t("edits.replace")}</label>
        <textarea id=${`${id}-replace`} rows="3" value=${replace} onInput=${(/** @type {any} */ event) => write({ replace: event.currentTarget.value })}></textarea><${HiddenNote} text=${replace} /></div>
    </div>
    ${find && count === 0 && html`<p class="problem">${t("picker.not_there")}</p>`}
    ${find && count > 1 && html`<p class="problem">${t("picker.several", { n: count })}</p>`}
    ${ready && html`<${Diff} before=${find} after=${replace} />`}
    <p class="buttons"><button type="button" class="button" disabled=${!ready} onClick=${add}>${t("edits.add")}</button></p>`;
}

/** The text with the words to replace marked. @param {string} body @param {string} find */
function marked(body, find) {
  if (!find || !body.includes(find)) return body;
  return body.split(find).flatMap((part, index) => (index === 0 ? [part] : [html`<mark>${find}</mark>`, part]));
}
