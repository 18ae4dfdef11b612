/** One question and its answer on the page. */
import { Answer } from "../answer.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { SourceLine } from "../passage.js";
import { again, ask, edit } from "./ask.js";
import { AnswerActions } from "./actions.js";
import { isComplaintOpen, keepComplaintOpen } from "./drafts.js";
import { FeedbackForm } from "./feedback.js";
import { Refusal } from "./refusal.js";
import { sendSignal } from "./signals.js";
import { isRunning, panel, running } from "./store.js";
import { CorrectedSlip, CuratedSlip } from "./slips.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */
/** @typedef {import("./store.js").Turn} Turn */
/** @typedef {import("../answer.js").Source} Source */

/** @param {{turn: TurnSignal}} props */
export function TurnView({ turn }) {
  const value = turn.value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [rating, setRating] = useState(() => isComplaintOpen(value.answerId));
  const openForm = (/** @type {boolean} */ open) => {
    keepComplaintOpen(value.answerId, open);
    setRating(open);
  };
  const corrected = Boolean(value.correction?.corrected);
  const open = (/** @type {Source} */ source, /** @type {HTMLElement | null} */ button) => {
    panel.value = { source, sources: value.sources, button, answerId: value.answerId };
    sendSignal(value.answerId, "source_opened", source.n);
  };
  return html`<article class=${`turn turn-${value.status} ${value.asked ? "turn-asked" : ""}`} aria-label=${t("turn.label", { question: value.question })} data-answer=${value.answerId}>
    <h2 class="question" lang=${languageOf(value.question)}>${value.question}</h2>
    <${Understood} value=${value} />
    ${corrected && html`<${CorrectedSlip} turn=${turn} />`}
    <div class=${corrected ? "superseded" : ""}>
      ${corrected && html`<p class="superseded-label">${t("corrected.before")}</p>`}
      ${value.status === "curated" && html`<${CuratedSlip} turn=${turn} onOpen=${open} />`}
      ${value.status === "refused"
        ? html`<${Refusal} turn=${turn} onOpen=${open} />`
        : html`<${Answer} text=${value.text} sources=${value.sources} streaming=${isRunning(value.status)} unfinished=${!["answered", "curated"].includes(value.status)} onCite=${open} box=${box} />`}
      <${Progress} turn=${turn} />
      <${QuotedFirst} value=${value} onOpen=${open} />
      <${Footnotes} value=${value} onOpen=${open} />
    </div>
    ${["answered", "curated", "stopped"].includes(value.status) && value.text && html`<${AnswerActions} turn=${turn} onDetails=${() => openForm(true)} />`}
    ${rating && html`<${FeedbackForm} turn=${turn} box=${box} onClose=${() => openForm(false)} />`}
  </article>`;
}

/** How a follow-up was understood. @param {{value: Turn}} props */
function Understood({ value }) {
  const { condensed, question } = value;
  if (!condensed || condensed.trim() === question.trim()) return null;
  return html`<p class="understood"><span class="muted">${t("turn.understood")}</span> <span lang=${languageOf(condensed)}>${condensed}</span></p>`;
}

/** Everything between the question and the last word: waiting, queueing, failing. @param {{turn: TurnSignal}} props */
function Progress({ turn }) {
  const { status, position, problem, text, silent } = turn.value;
  if (silent && isRunning(status) && status !== "queued") return html`<p class="progress">${t("turn.silent", silent)}</p>`;
  if (status === "waiting") return html`<p class="progress">${t("turn.waiting")}</p>`;
  if (status === "searching") {
    const n = turn.value.sources.length;
    return html`<p class="progress">${n > 0 ? t("turn.searching", { n }) : t("turn.waiting")}</p>`;
  }
  if (status === "queued") return html`<p class="progress">${position ? t("turn.queued", { position }) : t("turn.queued_somewhere")}</p>`;
  if (status === "stopped") return html`<${Stopped} turn=${turn} />`;
  if (status === "busy") return html`<${Busy} turn=${turn} />`;
  if (status === "lost") {
    return html`<${Failure} turn=${turn} title=${t("chat.lost.title")} detail=${lost(turn.value)} />`;
  }
  if (status === "error" || status === "failed") {
    return html`<${Failure} turn=${turn} title=${t("chat.error.title")} detail=${problem || t(text ? "chat.error.failed_text" : "chat.error.failed")}>
      ${turn.value.login && html`<a class="button" href="/login?next=/">${t("login.submit")}</a>`}
    </${Failure}>`;
  }
  return null;
}

/** The sentence that surely answers, under its source, until the first word is written. @param {{value: Turn, onOpen: (source: Source, button: HTMLElement) => void}} props */
function QuotedFirst({ value, onOpen }) {
  const source = value.sources.find((item) => item.quote);
  if (!source || value.text || !isRunning(value.status)) return null;
  return html`<figure class="quoted-first">
    <blockquote lang=${languageOf(source.quote)}>${source.quote}</blockquote>
    <figcaption>${t("turn.quoted")} <button type="button" class="cite" aria-label=${t("answer.citation", { n: source.n, title: source.title })} onClick=${(/** @type {any} */ event) => onOpen(source, event.currentTarget)}>${source.n}</button></figcaption>
  </figure>`;
}

/** What is known of an answer whose connection broke. @param {Turn} value */
function lost({ answerId, kept }) {
  if (!answerId) return t("chat.lost.unknown");
  return kept === false ? t("chat.lost.gone") : t("chat.lost.looking");
}

/** The answer was stopped. Without any text there is nothing to rate; the reader can only ask again. @param {{turn: TurnSignal}} props */
function Stopped({ turn }) {
  const { text, answerId, question } = turn.value;
  if (text) return html`<p class="notice">${t("turn.stopped")}</p>`;
  const retry = () => (answerId ? ask(question, { regenerate: answerId }) : again(turn));
  return html`<div class="notice"><p>${t("turn.stopped_early")}</p>
    <p class="buttons"><button type="button" class="button" disabled=${Boolean(running.value)} onClick=${retry}>${t("ui.try_again")}</button></p></div>`;
}

/** @param {{turn: TurnSignal, title: string, detail?: string, children?: any}} props */
function Failure({ turn, title, detail, children }) {
  const stored = turn.value.status === "failed";
  const retry = () => (stored ? ask(turn.value.question, { regenerate: turn.value.answerId }) : again(turn));
  return html`<div class="notice notice-problem">
    <p><strong>${title}</strong> ${detail}</p>
    <p class="buttons">
      <button type="button" class="button" disabled=${Boolean(running.value)} onClick=${retry}>${t("ui.try_again")}</button>
      ${!stored && html`<button type="button" class="button button-quiet" onClick=${() => edit(turn)}>${t("chat.error.edit")}</button>`}
      ${children}
    </p>
  </div>`;
}

/** The server is full: counts down to the next try. @param {{turn: TurnSignal}} props */
function Busy({ turn }) {
  const { retryAt } = turn.value;
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - now) / 1000)) : null;
  const title = seconds === null ? t("chat.busy.title") : t("chat.busy.countdown", { n: seconds });
  return html`<${Failure} turn=${turn} title=${title} />`;
}

/** The sources under an answer, like footnotes: all of them while it is written, then the cited ones first. @param {{value: Turn, onOpen: (source: Source, button: HTMLElement) => void}} props */
function Footnotes({ value, onOpen }) {
  const { sources, citations, status } = value;
  if (sources.length === 0 || status === "refused") return null;
  const cited = sources.filter((source) => citations.includes(source.n));
  const shown = isRunning(status) || cited.length === 0 ? sources : cited;
  const rest = sources.filter((source) => !shown.includes(source));
  const item = (/** @type {Source} */ source) => html`<li key=${source.n}>
    <button type="button" class="footnote" onClick=${(/** @type {any} */ event) => onOpen(source, event.currentTarget)}>
      <span class="footnote-number">${source.n}</span> <${SourceLine} source=${source} />
    </button>
  </li>`;
  return html`<div class="footnotes">
    <h3 class="visually-hidden">${t("turn.sources")}</h3>
    <ul>${shown.map(item)}</ul>
    ${rest.length > 0 && html`<details><summary>${t("turn.also_read", { n: rest.length })}</summary><ul>${rest.map(item)}</ul></details>`}
  </div>`;
}
