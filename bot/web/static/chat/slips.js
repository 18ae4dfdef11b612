/** Errata slips: the mark of a curated answer, and the notice that an earlier answer was corrected. */
import { Answer } from "../answer.js";
import { call, segment } from "../api.js";
import { explain } from "../errors.js";
import { html, useState } from "../html.js";
import { formatTime, t } from "../i18n.js";
import { Icon, toast } from "../ui.js";
import { ask } from "./ask.js";
import { running, turns } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */
/** @typedef {import("../answer.js").Source} Source */

/**
 * Says that a curator approved this answer, shows its source, and lets the reader say “Not my question”.
 * @param {{turn: TurnSignal, onOpen: (source: Source, button: HTMLElement) => void}} props
 */
export function CuratedSlip({ turn, onOpen }) {
  const { answerId, question, sources } = turn.value;
  const [asked, setAsked] = useState(false);
  const source = sources.find((item) => item.curated) ?? sources[0];
  const notMine = async () => {
    setAsked(true);
    try {
      await call("POST", `/api/answers/${segment(answerId ?? "")}/signals`, { kind: "not_my_question" });
    } catch (error) {
      setAsked(false);
      toast(explain(error));
      return;
    }
    if (turns.value.includes(turn)) await ask(question, { regenerate: answerId }); // else the reader has opened another conversation
  };
  return html`<div class="slip slip-curated">
    <p class="slip-title"><span class="slip-seal" aria-hidden="true"><${Icon} name="check" /></span>${t("curated.mark")}</p>
    <p class="slip-text">${t("curated.explain")}
      ${source && html` <button type="button" class="link-button" onClick=${(/** @type {any} */ event) => onOpen(source, event.currentTarget)}>${t("curated.source")}</button>`}
    </p>
    <p class="buttons">
      <button type="button" class="button button-small" disabled=${asked || Boolean(running.value)} onClick=${notMine}>${t("curated.not_mine")}</button>
    </p>
  </div>`;
}

/**
 * The reader's earlier complaint led to a correction.
 * @param {{turn: TurnSignal}} props
 */
export function CorrectedSlip({ turn }) {
  const { correction, question, answerId } = turn.value;
  return html`<div class="slip slip-corrected">
    <p class="slip-title"><span class="slip-seal" aria-hidden="true"><${Icon} name="pencil" /></span>${t("corrected.title")}</p>
    ${correction?.corrected_at && html`<p class="slip-text"><time datetime=${correction.corrected_at}>${t("corrected.when", { when: formatTime(correction.corrected_at) })}</time></p>`}
    ${correction?.answer && html`<${Answer} text=${correction.answer} />`}
    <p class="buttons">
      <button type="button" class="button button-small" disabled=${Boolean(running.value)} onClick=${() => ask(question, { regenerate: answerId })}>${t("corrected.again")}</button>
    </p>
  </div>`;
}
