/** Adding documents: choosing or dropping files, looking at what they become, and the job that takes them in. */
import { html, useRef, useState } from "../html.js";
import { label, t } from "../i18n.js";
import { Icon } from "../ui.js";
import { choose, ChosenFiles } from "./chosen.js";
import { isUploading, replaceDocuments } from "./knowledge.js";
import { job } from "./knowledge_store.js";

const KINDS = ".md,.markdown,.txt,.rst,.adoc,.html,.htm,.pdf,.epub,.eml,.docx,.odt,.rtf,.pptx,.csv,.tsv,.xlsx,.jsonl,.json";

export function Upload() {
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [over, setOver] = useState(false);
  const busy = isUploading();
  const drop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer?.files.length && !busy) choose(event.dataTransfer.files);
  };
  return html`<div class=${`upload ${over ? "is-over" : ""}`} onDragOver=${(/** @type {DragEvent} */ event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <input ref=${box} id="files" class="visually-hidden" type="file" multiple accept=${KINDS} disabled=${busy} onChange=${() => {
      if (box.current?.files?.length) choose(box.current.files);
      if (box.current) box.current.value = "";
    }} />
    <label for="files" class="button"><${Icon} name="upload" /> ${t("upload.choose")}</label>
    <span class="hint">${t("upload.drop")}</span>
    <${ChosenFiles} />
    <${Job} />
  </div>`;
}

function Job() {
  const now = job.value;
  if (!now) return null;
  const rejected = (now.files ?? []).filter((/** @type {any} */ file) => file.state === "rejected");
  const remarked = (now.files ?? []).filter((/** @type {any} */ file) => file.remarks?.length);
  const replacing = rejected.filter((/** @type {any} */ file) => file.replaces).length;
  const finished = now.state === "done" || now.state === "failed";
  return html`<div class="job" role="status">
    <p>${label("job", now.state)} ${t("upload.progress", { done: now.done ?? 0, total: now.total ?? 0 })}
      ${finished && html` <button type="button" class="link-button" onClick=${() => { job.value = null; }}>${t("ui.close")}</button>`}</p>
    ${!finished && html`<progress max=${now.total || 1} value=${now.done ?? 0} aria-label=${t("upload.choose")}></progress>`}
    ${rejected.length > 0 && html`<ul class="rejected">${rejected.map((/** @type {any} */ file) => html`<li key=${file.name}><strong>${file.name}</strong> ${file.reason ?? ""}</li>`)}</ul>`}
    ${remarked.length > 0 && html`<ul class="remarked">${remarked.map((/** @type {any} */ file) => html`<li key=${file.name}><strong>${file.name}</strong> ${file.remarks.join(" ")}</li>`)}</ul>`}
    ${finished && replacing > 0 && html`<p class="buttons"><button type="button" class="button button-small" onClick=${() => replaceDocuments()}>${t("upload.replace", { n: replacing })}</button></p>`}
  </div>`;
}
