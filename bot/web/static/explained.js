/** How a stored answer was made: folded, and fetched when somebody opens it, in the language of the page. */
import { explain } from "./errors.js";
import { html, useEffect, useState } from "./html.js";
import { language, t } from "./i18n.js";

/**
 * @param {object} props
 * @param {() => Promise<any>} props.load fetches the explanation; its `sentences` are shown
 * @param {(explanation: any) => any} [props.detail] what is shown below them
 */
export function Explained({ load, detail }) {
  const [open, setOpen] = useState(false);
  const [explanation, setExplanation] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  const spoken = language.value;
  useEffect(() => {
    if (!open) return undefined;
    let here = true;
    load().then(
      (answer) => {
        if (!here) return;
        setExplanation(answer);
        setProblem("");
      },
      (error) => {
        if (here) setProblem(explain(error));
      },
    );
    return () => {
      here = false;
    };
  }, [open, spoken]);
  return html`<details class="explained" onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
    <summary>${t("explain.title")}</summary>
    ${problem && html`<p role="alert">${problem}</p>`}
    ${explanation && html`<ol>${explanation.sentences.map((/** @type {string} */ sentence) => html`<li key=${sentence}>${sentence}</li>`)}</ol>`}
    ${explanation && detail?.(explanation)}
  </details>`;
}
