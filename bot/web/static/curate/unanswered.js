/** Questions that stayed unanswered and wait outside the queue: the list, and starting a correction of one. */
import { segment } from "../api.js";
import { html, useState } from "../html.js";
import { formatAgo, languageOf, t } from "../i18n.js";
import { Dialog } from "../ui.js";
import { loadQueue } from "./queue.js";
import { go } from "./route.js";
import { report, request } from "./session.js";

/** @typedef {{id: number, question: string, questions: string[], people: number, last_at: string}} Group */

export function UnansweredButton() {
  const [groups, setGroups] = useState(/** @type {{items: Group[], total: number} | null} */ (null));
  const close = () => setGroups(null);
  const open = async () => {
    try {
      setGroups(await request("GET", "/api/unanswered?limit=100"));
    } catch (error) {
      report(error);
    }
  };
  const start = async (/** @type {number} */ id) => {
    try {
      const item = await request("POST", `/api/unanswered/${segment(String(id))}/correct`, {});
      close();
      await loadQueue();
      go("queue", String(item.id));
    } catch (error) {
      report(error);
    }
  };
  return html`<button type="button" class="button button-small" onClick=${open}>${t("unanswered.button")}</button>
    ${groups && html`<${Dialog} title=${t("unanswered.button")} onClose=${close}>
      <p class="hint">${t("unanswered.hint")}</p>
      ${groups.items.length === 0 && html`<p>${t("unanswered.none")}</p>`}
      <ul class="will-do">${groups.items.map((group) => html`<li key=${group.id}>
        ${group.questions.map((question) => html`<p key=${question} lang=${languageOf(question)}>${question}</p>`)}
        <p class="hint">${t("unanswered.people", { n: group.people })} · ${formatAgo(group.last_at)}
          ${" "}<button type="button" class="button button-small" onClick=${() => start(group.id)}>${t("unanswered.start")}</button></p>
      </li>`)}</ul>
      ${groups.total > groups.items.length && html`<p class="hint">${t("unanswered.more", { n: groups.total - groups.items.length })}</p>`}
      <p class="buttons"><button type="button" class="button button-quiet" onClick=${close}>${t("ui.close")}</button></p>
    </${Dialog}>`}`;
}
