/** The results of asking a published correction's questions again: with the approved text, and without it. */
import { html } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { act } from "./item.js";
import { busy } from "./store.js";

/** @typedef {{question: string, answer: string, code: string, reason: string}} Problem */
/** @typedef {{right: boolean, questions: number, problems: Problem[]}} Result */

/** @param {{recheck: any, state: string}} props */
export function Recheck({ recheck, state }) {
  // Results of an earlier version, which asked only with the approved text, have no `retrieved`.
  const before = recheck.state === "verified" && !recheck.retrieved;
  const again = ["approved", "verified"].includes(state) && recheck.state !== "pending";
  return html`<div class="recheck">
    <p role="status">${before ? t("recheck.verified_before") : t(`recheck.${recheck.state}`)}</p>
    ${recheck.verbatim ? html`<ul class="recheck-ways">
      <${Way} name=${t("recheck_way.verbatim")} result=${recheck.verbatim} />
      ${recheck.retrieved && html`<${Way} name=${t("recheck_way.retrieved")} result=${recheck.retrieved} />`}
    </ul>` : recheck.reason && html`<p lang=${languageOf(recheck.reason)}>${recheck.reason}</p>`}
    ${again && html`<p class="buttons"><button type="button" class="button button-small" disabled=${Boolean(busy.value)} onClick=${() => act("recheck")}>${t("action_button.recheck")}</button></p>`}
  </div>`;
}

/** @param {{name: string, result: Result}} props */
function Way({ name, result }) {
  return html`<li>${t("recheck_result", { way: name })} <strong>${result.right ? t("recheck.right") : t("recheck.wrong")}</strong> <span class="muted">${t("recheck.asked", { n: result.questions })}</span>
    ${result.problems.length > 0 && html`<ul>${result.problems.map((problem) => html`<li key=${problem.question}>
      <span lang=${languageOf(problem.question)}>${problem.question}</span>
      <p lang=${languageOf(problem.reason)}>${problem.reason}</p>
      ${problem.answer && html`<details class="prompt"><summary>${t("recheck.got")}</summary><p lang=${languageOf(problem.answer)}>${problem.answer}</p></details>`}
    </li>`)}</ul>`}
  </li>`;
}
