/** The queue: fetching it, moving in it, choosing several items, merging what belongs together. */
import { withQuery } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { go } from "./route.js";
import { report, request } from "./session.js";
import { chosen, dialog, filter, itemId, queue } from "./store.js";

const PAGE = 50;
let latest = 0;

/** @param {any} entry @returns {import("./store.js").QueueEntry} */
const named = (entry) => ({ ...entry, id: String(entry.id) });

/** Fetches the first page for the current filter, or as many entries as are on screen. */
export async function loadQueue() {
  latest += 1;
  const mine = latest;
  const limit = Math.max(PAGE, Math.ceil(queue.value.items.length / PAGE) * PAGE);
  try {
    const answer = await request("GET", withQuery("/api/corrections", { ...filter.value, limit, offset: 0 }));
    if (mine !== latest) return;
    queue.value = { items: (answer.items ?? []).map(named), total: answer.total ?? 0, counts: answer.counts ?? {}, status: "ready" };
    const there = new Set(queue.value.items.map((entry) => entry.id));
    chosen.value = new Set([...chosen.value].filter((id) => there.has(id)));
  } catch (error) {
    if (mine !== latest) return;
    queue.value = { ...queue.value, status: "failed" };
    report(error);
  }
}

export async function loadMore() {
  const { items } = queue.value;
  const mine = latest;
  try {
    const answer = await request("GET", withQuery("/api/corrections", { ...filter.value, limit: PAGE, offset: items.length }));
    if (mine !== latest) return; // another list by now
    const shown = new Set(items.map((entry) => entry.id));
    const more = (answer.items ?? []).map(named).filter((/** @type {any} */ entry) => !shown.has(entry.id));
    queue.value = { ...queue.value, items: [...items, ...more], total: answer.total ?? queue.value.total };
  } catch (error) {
    report(error);
  }
}

/** @param {Partial<typeof filter.value>} changes */
export function narrow(changes) {
  filter.value = { ...filter.value, ...changes };
  queue.value = { ...queue.value, items: [], status: "loading" };
  chosen.value = new Set();
  loadQueue();
}

/** Opens the next (1) or previous (-1) entry. @param {1 | -1} step */
export function move(step) {
  const { items } = queue.value;
  if (items.length === 0) return;
  const at = items.findIndex((entry) => entry.id === itemId.value);
  const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + step));
  go("queue", items[next].id);
}

/** @param {string} id */
export function toggleChosen(id) {
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  chosen.value = next;
}

/** Chooses all items that are shown; none when all are chosen. */
export function chooseAll() {
  const shown = queue.value.items.map((entry) => entry.id);
  chosen.value = new Set(shown.every((id) => chosen.value.has(id)) ? [] : shown);
}

export async function mergeChosen() {
  const ids = queue.value.items.map((entry) => entry.id).filter((id) => chosen.value.has(id));
  const before = itemId.value;
  dialog.value = null;
  try {
    const merged = await request("POST", "/api/corrections/merge", { ids: ids.map(Number) });
    chosen.value = new Set();
    toast(t("merge.done", { n: ids.length }));
    await loadQueue();
    if (merged?.id && itemId.value === before) go("queue", String(merged.id));
  } catch (error) {
    report(error);
  }
}
