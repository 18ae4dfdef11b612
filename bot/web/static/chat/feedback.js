/** The form behind "this is wrong": reasons, the wrong words, a comment, a better answer. All of it optional. */
import { call, segment } from "../api.js";
import { explain } from "../errors.js";
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { plainText } from "../render.js";
import { HiddenNote, toast } from "../ui.js";
import { highlight, selectedIn, sentences } from "./quote.js";
import { useComplaint } from "./drafts.js";
import { update } from "./store.js";

/** @typedef {import("./store.js").TurnSignal} TurnSignal */

const REASONS = ["wrong", "outdated", "incomplete", "off_topic", "unclear", "source_wrong", "other"];

/** @param {{turn: TurnSignal, box: {current: HTMLElement | null}, onClose: () => void}} props */
export function FeedbackForm({ turn, box, onClose }) {
  const { answerId, feedback, text } = turn.value;
  const [complaint, change] = useComplaint(answerId, { ...feedback, open: true });
  const reasons = complaint.reasons ?? [];
  const comment = complaint.comment ?? "";
  const suggestion = complaint.suggested_answer ?? "";
  const quote = complaint.quote ?? "";
  const [busy, setBusy] = useState(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const id = useId();

  useLayoutEffect(() => {
    form.current?.querySelector("input")?.focus({ preventScroll: true });
    form.current?.scrollIntoView({ block: "nearest" });
  }, []);
  useEffect(() => highlight(box.current, quote), [quote]);
  useEffect(() => {
    const listen = () => {
      const words = selectedIn(box.current);
      if (words) change({ quote: words });
    };
    document.addEventListener("selectionchange", listen);
    return () => document.removeEventListener("selectionchange", listen);
  }, []);

  const toggle = (/** @type {string} */ reason) => {
    change({ reasons: reasons.includes(reason) ? reasons.filter((item) => item !== reason) : [...reasons, reason] });
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    const body = {
      rating: /** @type {const} */ ("down"), reasons, comment: comment.trim() || undefined,
      suggested_answer: suggestion.trim() || undefined, quote: quote.trim() || undefined,
    };
    try {
      const answer = await call("POST", `/api/answers/${segment(answerId ?? "")}/feedback`, body);
      update(turn, { feedback: body });
      change(null);
      toast(answer?.correction_id ? t("feedback.thanks_down") : t("feedback.thanks"));
      onClose();
    } catch (error) {
      toast(explain(error));
      setBusy(false);
    }
  };
  const value = (/** @type {any} */ event) => event.currentTarget.value;
  return html`<form class="feedback" ref=${form} onSubmit=${submit} aria-label=${t("feedback.title")}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") { event.stopPropagation(); onClose(); } }}>
    <fieldset class="reasons">
      <legend>${t("feedback.title")}</legend>
      ${REASONS.map((reason) => html`<label key=${reason} class="chip">
        <input type="checkbox" checked=${reasons.includes(reason)} onChange=${() => toggle(reason)} />
        <span>${t(`reason.${reason}`)}</span>
      </label>`)}
    </fieldset>
    <label for=${`${id}-quote`}>${t("feedback.quote")}</label>
    <select id=${`${id}-quote`} value=${quote} onChange=${(/** @type {any} */ event) => change({ quote: value(event) })}>
      <option value="">${t("feedback.quote_none")}</option>
      ${choices(text, quote).map((words) => html`<option key=${words} value=${words}>${shorten(words)}</option>`)}
    </select>
    <p class="hint">${t("feedback.quote_hint")}</p>
    ${quote && html`<blockquote class="quoted" lang=${languageOf(quote)}>${quote}</blockquote>`}
    <label for=${`${id}-comment`}>${t("feedback.comment")}</label>
    <textarea id=${`${id}-comment`} rows="2" maxlength="10000" value=${comment} onInput=${(/** @type {any} */ event) => change({ comment: value(event) })}></textarea>
      <${HiddenNote} text=${comment} />
    <label for=${`${id}-better`}>${t("feedback.better")}</label>
    <textarea id=${`${id}-better`} rows="3" maxlength="10000" value=${suggestion} onInput=${(/** @type {any} */ event) => change({ suggested_answer: value(event) })}></textarea>
      <${HiddenNote} text=${suggestion} />
    <p class="buttons">
      <button type="submit" class="button button-primary" disabled=${busy}>${t("ui.send")}</button>
      <button type="button" class="button button-quiet" onClick=${onClose}>${t("feedback.later")}</button>
    </p>
  </form>`;
}

/**
 * @param {string} text
 * @param {string} quote kept as a choice even when it is no whole sentence
 */
function choices(text, quote) {
  const all = sentences(plainText(text));
  return quote && !all.includes(quote) ? [quote, ...all] : all;
}

/** @param {string} words */
const shorten = (words) => (words.length > 80 ? `${words.slice(0, 79)}…` : words);
