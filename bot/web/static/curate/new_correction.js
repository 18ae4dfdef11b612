/** Starting a correction that nobody complained about. */
import { html, useId, useState } from "../html.js";
import { t } from "../i18n.js";
import { Dialog, HiddenNote, toast } from "../ui.js";
import { loadQueue } from "./queue.js";
import { go } from "./route.js";
import { report, request } from "./session.js";

export function NewCorrection() {
  const [open, setOpen] = useState(false);
  const [question, setQuestion] = useState("");
  const [busy, setBusy] = useState(false);
  const id = useId();
  const close = () => setOpen(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const item = await request("POST", "/api/corrections", { question });
      if (item.history.length !== 1 || item.history[0].action !== "start") toast(t("new.exists"));
      setQuestion("");
      close();
      await loadQueue();
      go("queue", String(item.id));
    } catch (error) {
      report(error);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class="button button-small" onClick=${() => setOpen(true)}>${t("new.button")}</button>
    ${open && html`<${Dialog} title=${t("new.title")} onClose=${close}>
      <form class="dialog-form" onSubmit=${submit}>
        <label for=${id}>${t("new.question")}</label>
        <textarea id=${id} rows="2" maxlength="4000" required autofocus value=${question} onInput=${(/** @type {any} */ event) => setQuestion(event.currentTarget.value)}></textarea>
        <${HiddenNote} text=${question} />
        <p class="buttons"><button type="submit" class="button button-primary" disabled=${busy || !question.trim()}>${t("new.create")}</button>
          <button type="button" class="button button-quiet" onClick=${close}>${t("ui.cancel")}</button></p>
      </form>
    </${Dialog}>`}`;
}
