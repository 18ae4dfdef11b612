/** Every change of an item, newest last: who did what, when and why. */
import { html } from "../html.js";
import { formatTime, has, label, languageOf, t } from "../i18n.js";

/** Who did something: a user by name, an API key by its own ("key shop"), the rest by what they are. @param {string | null | undefined} who */
export function person(who) {
  if (!who) return t("history.system");
  if (who.startsWith("key ")) return t("who.key", { name: who.slice("key ".length) });
  return has(`who.${who}`) ? t(`who.${who}`) : who;
}

/** @param {{entries: any[]}} props */
export function History({ entries }) {
  if (entries.length === 0) return html`<p class="muted">${t("history.none")}</p>`;
  return html`<ol class="history">${entries.map((entry, index) => html`<li key=${index}>
    <time datetime=${entry.at}>${formatTime(entry.at)}</time>
    <span><strong>${person(entry.actor)}</strong> ${label("action", entry.action)}
      ${entry.to && entry.to !== entry.from && html` <span class="muted">${entry.from ? t("history.from_to", { from: label("state", entry.from), to: label("state", entry.to) }) : label("state", entry.to)}</span>`}
      ${entry.reason && html`<span class="history-reason" lang=${languageOf(entry.reason)}>${entry.reason}</span>`}
    </span>
  </li>`)}</ol>`;
}
