/** Other items in the queue that ask the same as this one, and merging them into it. */
import { segment } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { languageOf, t } from "../i18n.js";
import { toast } from "../ui.js";
import { openItem } from "./item.js";
import { loadQueue } from "./queue.js";
import { report, request } from "./session.js";
import { busy, dirty, editable, itemId } from "./store.js";

/** @typedef {{id: number, question: string, state: string}} Other */

/** @param {{id: string, revision: number}} props */
export function Same({ id, revision }) {
  const [others, setOthers] = useState(/** @type {Other[]} */ ([]));
  useEffect(() => {
    let current = true;
    setOthers([]);
    if (!editable.value) return undefined;
    request("GET", `/api/corrections/${segment(id)}/same`)
      .then((same) => { if (current) setOthers(same.items); })
      .catch(() => {}); // this is only a hint: nothing is shown when it fails
    return () => { current = false; };
  }, [id, revision]);
  if (others.length === 0) return null;
  const merge = async () => {
    try {
      await request("POST", "/api/corrections/merge", { ids: [Number(id), ...others.map((other) => other.id)] });
      toast(t("merge.done", { n: others.length + 1 }));
      await loadQueue();
      if (itemId.value === id) openItem(id);
    } catch (error) {
      report(error);
    }
  };
  return html`<div class="notice">
    <p>${t("same.title")}</p>
    <ul>${others.map((other) => html`<li key=${other.id}><a href=${`#/queue/${other.id}`} lang=${languageOf(other.question)}>${other.question}</a></li>`)}</ul>
    <p class="buttons"><button type="button" class="button button-small" disabled=${Boolean(busy.value) || dirty.value} onClick=${merge}>${t("same.merge")}</button></p>
  </div>`;
}
