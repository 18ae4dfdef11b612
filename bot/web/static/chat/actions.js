/** What a reader can do with a finished answer: copy it, ask again, rate it. */
import { call, segment } from "../api.js";
import { explain } from "../errors.js";
import { html, useState } from "../html.js";
import { t } from "../i18n.js";
import { plainText } from "../render.js";
import { Icon, IconButton, toast } from "../ui.js";
import { ask } from "./ask.js";
import { sendSignal } from "./signals.js";
import { running, update } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

/** @param {{turn: TurnSignal, onDetails: () => void}} props `onDetails` opens the form for a bad rating */
export function AnswerActions({ turn, onDetails }) {
  const { feedback, answerId, question } = turn.value;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(copyText(turn));
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
      sendSignal(answerId, "copied");
    } catch {
      toast(t("actions.copy_failed"));
    }
  };
  const regenerate = () => {
    sendSignal(answerId, "regenerated");
    ask(question, { regenerate: answerId });
  };
  const rated = feedback?.rating;
  return html`<div class="actions">
    <${IconButton} name=${copied ? "check" : "copy"} label=${copied ? t("actions.copied") : t("actions.copy")} onClick=${copy} />
    <${IconButton} name="again" label=${t("actions.regenerate")} disabled=${Boolean(running.value)} onClick=${regenerate} />
    <span class="actions-gap"></span>
    <${IconButton} name="up" class="thumb-up" label=${t("actions.up")} pressed=${rated === "up"} onClick=${() => rate(turn, "up")} />
    <button type="button" class=${`rate-down ${rated === "down" ? "is-down" : ""}`} aria-pressed=${String(rated === "down")}
      onClick=${async () => { if (rated === "down" || await rate(turn, "down")) onDetails(); }}>
      <${Icon} name="down" /> <span>${rated === "down" ? t("actions.marked") : t("actions.down")}</span>
    </button>
    ${rated === "down" && html`<button type="button" class="link-button" onClick=${onDetails}>${t("actions.details")}</button>`}
  </div>`;
}

/**
 * Rates at once; reasons and words may follow and then replace this rating.
 * @param {TurnSignal} turn
 * @param {"up" | "down"} rating
 * @returns {Promise<boolean>} whether the server has it
 */
async function rate(turn, rating) {
  const { answerId, feedback } = turn.value;
  if (!answerId || feedback?.rating === rating) return true;
  update(turn, { feedback: { rating } });
  try {
    await call("POST", `/api/answers/${segment(answerId)}/feedback`, { rating });
    if (rating === "up") toast(t("feedback.thanks_up"));
    return true;
  } catch (error) {
    update(turn, { feedback });
    toast(explain(error));
    return false;
  }
}

/** The answer as plain words, its sources beneath. @param {TurnSignal} turn */
function copyText(turn) {
  const { text, sources, citations } = turn.value;
  const cited = sources.filter((source) => citations.includes(source.n));
  const notes = cited.map((source) => `[${source.n}] ${source.title ?? source.document_id}${source.url ? ` ${source.url}` : ""}`);
  return [plainText(text, { marks: true }), notes.join("\n")].filter(Boolean).join("\n\n");
}
