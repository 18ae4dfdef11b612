/** Where a question is typed. Enter asks, Shift+Enter breaks the line, and an input method's Enter does neither. */
import { html, useLayoutEffect, useRef } from "../html.js";
import { t } from "../i18n.js";
import { HiddenNote, Icon } from "../ui.js";
import { ask, stop } from "./ask.js";
import { setTyped } from "./drafts.js";
import { conversationId, running, typed } from "./store.js";

const LONGEST_QUESTION = 4000;

export function focusComposer() {
  /** @type {HTMLTextAreaElement | null} */ (document.querySelector("#question"))?.focus();
}

export function Composer() {
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const busy = Boolean(running.value);
  const text = typed.value;
  useLayoutEffect(() => {
    const area = box.current;
    if (!area || CSS.supports("field-sizing", "content")) return;
    area.rows = Math.min(8, Math.max(1, text.split("\n").length));
  }, [text]);
  useLayoutEffect(() => {
    if (matchMedia("(pointer: fine)").matches) box.current?.focus();
  }, [conversationId.value]);

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy || !text.trim()) return;
    const question = text;
    setTyped("");
    ask(question);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) submit(event);
  };
  const left = LONGEST_QUESTION - text.length;
  return html`<form class="composer" onSubmit=${submit}>
    <label class="visually-hidden" for="question">${t("composer.label")}</label>
    <textarea id="question" ref=${box} rows="1" maxlength=${LONGEST_QUESTION} placeholder=${t("composer.placeholder")} value=${text}
      enterkeyhint="send" autocomplete="off" onInput=${(/** @type {any} */ event) => setTyped(event.currentTarget.value)} onKeyDown=${onKeyDown}></textarea>
    ${busy
      ? html`<button type="button" class="send" key="stop" title=${t("composer.stop")} aria-label=${t("composer.stop")} onClick=${stop}><${Icon} name="stop" /></button>`
      : html`<button type="submit" class="send" key="send" title=${t("composer.send")} aria-label=${t("composer.send")} disabled=${!text.trim()}><${Icon} name="send" /></button>`}
    <${HiddenNote} text=${text} />
    ${left < 300 && html`<p class="composer-left" role="status">${t("composer.left", { n: left })}</p>`}
  </form>`;
}
