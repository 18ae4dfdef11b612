/** Whether a complaint's question gets the approved text, and splitting the complaint off if it asks something else. */
import { segment } from "../api.js";
import { html } from "../html.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { loadQueue } from "./queue.js";
import { go } from "./route.js";
import { report, request } from "./session.js";
import { busy, dirty, item, itemId, revision, setWorking } from "./store.js";

/** @param {{complaint: any}} props */
export function Belongs({ complaint }) {
  const closed = ["rejected", "merged", "rolled_back"].includes(item.value?.state);
  const own = complaint.question === item.value?.question;
  return html`<p class="hint">${complaint.confirmed ? t("complaint.confirmed") : t("complaint.not_confirmed")}
    ${!closed && !own && html` <button type="button" class="button button-small" disabled=${Boolean(busy.value) || dirty.value} onClick=${() => split(complaint.id)}>${t("split.button")}</button>`}
  </p>`;
}

/** @param {number} id of the complaint */
async function split(id) {
  const current = item.value;
  if (!current || busy.value) return;
  setWorking(current.id, "split");
  try {
    const parts = await request("POST", `/api/corrections/${segment(current.id)}/split`, { complaints: [id], revision: revision.value });
    toast(t("split.done"));
    await loadQueue();
    if (itemId.value === current.id) go("queue", String(parts.split.id));
  } catch (error) {
    report(error);
  } finally {
    setWorking(current.id, "");
  }
}
