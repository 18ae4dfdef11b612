/** The queue as a list: filters with counts, search, entries, choosing several to merge or reject. */
import { html, useLayoutEffect, useRef } from "../html.js";
import { formatAgo, label, languageOf, t } from "../i18n.js";
import { Icon } from "../ui.js";
import { NewCorrection } from "./new_correction.js";
import { chooseAll, loadMore, loadQueue, narrow, toggleChosen } from "./queue.js";
import { go } from "./route.js";
import { UnansweredButton } from "./unanswered.js";
import { chosen, dialog, filter, itemId, PRIORITIES, queue, STATES, TO_DO } from "./store.js";

/** @typedef {import("./store.js").QueueEntry} QueueEntry */

const TYPING_PAUSE_MS = 250;

export function QueueView() {
  const { items, total, status } = queue.value;
  return html`<section class="list-pane" aria-label=${t("queue.title")}>
    <${Filters} />
    ${chosen.value.size > 0 && html`<div class="chosen-bar">
      <span>${t("queue.chosen", { n: chosen.value.size })}</span>
      <button type="button" class="button button-small" disabled=${chosen.value.size < 2} onClick=${() => { dialog.value = "merge"; }}>${t("queue.merge")}</button>
      <button type="button" class="button button-small" onClick=${() => { dialog.value = "reject_chosen"; }}>${t("several.reject")}</button>
      ${chosen.value.size < items.length && html`<button type="button" class="link-button" onClick=${chooseAll}>${t("several.all", { n: items.length })}</button>`}
      <button type="button" class="link-button" onClick=${() => { chosen.value = new Set(); }}>${t("ui.cancel")}</button>
    </div>`}
    <div class="list-scroll">
      ${status === "loading" && html`<p class="list-note" role="status">${t("queue.loading")}</p>`}
      ${status === "failed" && html`<p class="list-note">${t("queue.failed")} <button type="button" class="link-button" onClick=${loadQueue}>${t("ui.try_again")}</button></p>`}
      ${status === "ready" && items.length === 0 && html`<p class="list-note">${filter.value.state === TO_DO && !filter.value.q && !filter.value.priority ? t("queue.done") : t("queue.none")}</p>`}
      <ul class="entries">${items.map((entry) => html`<${Entry} key=${entry.id} entry=${entry} />`)}</ul>
      ${items.length < total && status === "ready" && html`<button type="button" class="button more" onClick=${loadMore}>${t("queue.more", { n: total - items.length })}</button>`}
    </div>
  </section>`;
}

function Filters() {
  const { state, priority, q } = filter.value;
  const { counts } = queue.value;
  const timer = useRef(0);
  const toDo = TO_DO.split(",").reduce((sum, name) => sum + (counts[name] ?? 0), 0);
  const search = (/** @type {any} */ event) => {
    const text = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => narrow({ q: text.trim() }), TYPING_PAUSE_MS);
  };
  return html`<div class="filters">
    <label class="search-box"><${Icon} name="search" /><span class="visually-hidden">${t("queue.search")}</span>
      <input id="queue-search" type="search" placeholder=${t("queue.search")} defaultValue=${q} onInput=${search} />
    </label>
    <div class="filter-row">
      <${NewCorrection} />
      <${UnansweredButton} />
      <label><span class="visually-hidden">${t("queue.state")}</span>
        <select value=${state} onChange=${(/** @type {any} */ event) => narrow({ state: event.currentTarget.value })}>
          <option value=${TO_DO}>${t("queue.to_do", { n: toDo })}</option>
          <option value="">${t("queue.all")}</option>
          ${STATES.map((name) => html`<option key=${name} value=${name}>${t("queue.state_count", { state: t(`state.${name}`), n: counts[name] ?? 0 })}</option>`)}
        </select>
      </label>
      <label><span class="visually-hidden">${t("queue.priority")}</span>
        <select value=${priority} onChange=${(/** @type {any} */ event) => narrow({ priority: event.currentTarget.value })}>
          <option value="">${t("queue.any_priority")}</option>
          ${PRIORITIES.map((name) => html`<option key=${name} value=${name}>${t(`priority.${name}`)}</option>`)}
        </select>
      </label>
    </div>
  </div>`;
}

/** @param {{entry: QueueEntry}} props */
function Entry({ entry }) {
  const current = entry.id === itemId.value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (current) box.current?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const complaints = entry.complaints ?? 0;
  return html`<li ref=${box} class=${`entry ${current ? "is-current" : ""}`}>
    <input type="checkbox" class="entry-check" aria-label=${t("queue.choose", { question: entry.question })} checked=${chosen.value.has(entry.id)} onChange=${() => toggleChosen(entry.id)} />
    <a class="entry-link" href=${`#/queue/${encodeURIComponent(entry.id)}`} aria-current=${current ? "true" : undefined}
      onClick=${(/** @type {Event} */ event) => { event.preventDefault(); go("queue", entry.id); }}>
      <span class="entry-question" lang=${languageOf(entry.question)}>${entry.question}</span>
      ${entry.answer_excerpt && html`<span class="entry-answer" lang=${languageOf(entry.answer_excerpt)}>${bare(entry.answer_excerpt)}</span>`}
      <span class="entry-facts">
        <${StateMark} state=${entry.state} live=${entry.live} />
        ${entry.state === "approved" && ["partly", "failed"].includes(entry.recheck_state ?? "") && html`<span class="mark mark-warn">${t(`recheck_mark.${entry.recheck_state}`)}</span>`}
        <${PriorityMark} priority=${entry.priority} />
        <span>${label("origin", entry.origin)}</span>
        ${complaints > 1 && html`<span>${t("queue.complaints", { n: complaints })}</span>`}
        ${entry.claimed_by && html`<span>${t("item.claimed_by", { name: entry.claimed_by })}</span>`}
        <span>${formatAgo(entry.updated_at ?? entry.created_at)}</span>
      </span>
    </a>
  </li>`;
}

/** An excerpt of Markdown in one line, without its marks. @param {string} text */
const bare = (text) => text.replace(/[*_`#>|]+|\s*\[\d+\]|^[-+]\s/gm, "").replace(/\s+/g, " ").trim();

/** @param {{state: string, live?: boolean}} props */
export function StateMark({ state, live }) {
  const looks = { verified: "mark-good", approved: "mark-good", reopened: "mark-erratum", drafted: "mark-warn", queued: "mark-warn" };
  const look = looks[/** @type {keyof typeof looks} */ (state)] ?? "mark-soft";
  return html`<span class=${`mark ${look}`}>${label("state", state)}</span>${live && state === "reopened" ? html` <span class="mark mark-good">${t("item.live")}</span>` : null}`;
}

/** Only what is more than normal is marked. @param {{priority?: string}} props */
export function PriorityMark({ priority }) {
  if (!priority || priority === "normal") return null;
  return html`<span class=${`mark ${priority === "urgent" ? "mark-erratum mark-strong" : "mark-warn"}`}>${label("priority", priority)}</span>`;
}
