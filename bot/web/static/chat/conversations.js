/** The list of conversations and the one that is open: fetching, renaming, deleting, and the page's address. */
import { ApiError, call, segment, withQuery } from "../api.js";
import { explain } from "../errors.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { addressed, showInAddress } from "./address.js";
import { setTyped } from "./drafts.js";
import { announcement, conversationId, conversations, drafts, drawer, earlier, hidden, isRunning, loading, loadingProblem, panel, running, turns, update } from "./store.js";
import { follow, fromStored } from "./turns.js";

/** How long a deleted conversation can be brought back. */
const UNDO_S = 6;
/** How often the page looks whether one of its answers was corrected. */
const REFRESH_MS = 60_000;

/** @type {Map<string, () => void>} deletes that wait for their undo time to pass */
const pending = new Map();
/** Counts the changes of the shown conversation, so that what was fetched for an earlier one is dropped. */
let latest = 0;

/** Fetches the list; quiet on failure, because it runs in the background too. */
export async function refreshConversations() {
  try {
    const list = (await call("GET", "/api/conversations"))?.conversations ?? [];
    conversations.value = list;
    const current = list.find((/** @type {any} */ item) => item.id === conversationId.value);
    if (current?.corrected && !running.value) await fetchCorrections(current.id);
  } catch {
    // the list on screen stays
  }
}

/**
 * A page of a stored conversation.
 * @param {string} id
 * @param {string | null} [before] the first turn of the page after it; without it the newest page
 * @returns {Promise<{turns: any[], earlier: string | null}>}
 */
async function fetchPage(id, before = null) {
  const stored = await call("GET", withQuery(`/api/conversations/${segment(id)}`, { before }));
  return { turns: stored?.turns ?? [], earlier: stored?.earlier ?? null };
}

/** Looks for corrections of the turns that are shown. @param {string} id */
async function fetchCorrections(id) {
  const first = turns.value[0]?.value.answerId;
  for (let before = null; ;) {
    const page = await fetchPage(id, before);
    if (conversationId.value !== id) return;
    for (const turn of turns.value) {
      const match = page.turns.find((item) => item.answer_id === turn.value.answerId);
      if (match?.correction) update(turn, { correction: match.correction });
    }
    if (!page.earlier || page.turns.some((item) => item.answer_id === first)) return;
    before = page.earlier;
  }
}

/**
 * Shows the turns before those that are shown.
 * @param {() => void} prepare called when they have come, before they are shown
 */
export async function showEarlier(prepare) {
  const id = conversationId.value;
  const before = earlier.value;
  if (!id || !before) return;
  try {
    const page = await fetchPage(id, before);
    if (conversationId.value !== id || earlier.value !== before) return;
    prepare();
    turns.value = [...page.turns.map((turn) => fromStored(turn, id)), ...turns.value];
    earlier.value = page.earlier;
    announcement.value = t("chat.earlier.shown", { n: page.turns.length });
  } catch (error) {
    toast(explain(error));
  }
}

/**
 * Opens a stored conversation.
 * @param {string} id
 * @param {{address?: boolean}} [options] whether the page's address changes with it
 */
export async function openConversation(id, { address = true } = {}) {
  const mine = leave(id);
  loading.value = "loading";
  if (address) showInAddress(id);
  try {
    let page = await fetchPage(id);
    const stored = [...page.turns];
    const corrected = conversations.value.find((item) => item.id === id)?.corrected;
    while (corrected && page.earlier && !page.turns.some((turn) => turn.correction?.corrected)) { // the corrected answer is what the reader came for
      page = await fetchPage(id, page.earlier);
      stored.unshift(...page.turns);
    }
    if (mine !== latest) return;
    const before = stored.map((turn) => fromStored(turn, id));
    const asked = new Set(before.map((/** @type {any} */ turn) => turn.value.answerId));
    turns.value = [...before, ...turns.value.filter((turn) => !asked.has(turn.value.answerId))]; // those asked while this was loading
    earlier.value = page.earlier;
    loading.value = "idle";
    for (const turn of before) if (isRunning(turn.value.status) && !turn.value.asked) follow(turn);
  } catch (error) {
    if (mine !== latest) return;
    loadingProblem.value = explain(error);
    const gone = error instanceof ApiError && (error.status === 404 || error.status === 403 || error.status === 401);
    loading.value = gone ? "missing" : "failed";
  }
}

/** @param {{address?: boolean}} [options] */
export function newConversation({ address = true } = {}) {
  leave(null);
  loading.value = "idle";
  if (address) showInAddress(null);
}

/**
 * Goes from the shown conversation to another. What belongs to it is put away; a question that got no answer and
 * that nobody will ask again becomes what is typed there.
 * @param {string | null} id
 * @returns {number} the number of this change
 */
function leave(id) {
  const lost = turns.value.findLast(({ value }) => !value.answerId && (value.status === "error" || value.status === "lost" || (value.status === "busy" && !value.retryAt)));
  if (lost && !drafts.value[conversationId.value ?? ""]) setTyped(lost.value.question);
  drawer.value = false;
  panel.value = null;
  conversationId.value = id;
  turns.value = [];
  earlier.value = null;
  latest += 1;
  return latest;
}

/**
 * @param {string} id
 * @param {string} title
 */
export async function renameConversation(id, title) {
  conversations.value = conversations.value.map((item) => (item.id === id ? { ...item, title } : item));
  try {
    await call("PATCH", `/api/conversations/${segment(id)}`, { title });
  } catch (error) {
    toast(explain(error));
    refreshConversations();
  }
}

/**
 * Hides a conversation at once and deletes it when the time for undoing is over.
 * @param {import("./store.js").Conversation} conversation
 */
export function deleteConversation({ id, title }) {
  hidden.value = new Set([...hidden.value, id]);
  if (conversationId.value === id) newConversation();
  const really = async () => {
    pending.delete(id);
    try {
      await call("DELETE", `/api/conversations/${segment(id)}`, undefined, { keepalive: true });
      conversations.value = conversations.value.filter((item) => item.id !== id);
      if (conversationId.value === id) newConversation(); // opened once more while it could be brought back
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) toast(explain(error));
    }
    show(id);
  };
  pending.set(id, really);
  toast(t("conversations.deleted", { title: title || t("conversations.untitled") }), {
    action: t("ui.undo"),
    seconds: UNDO_S,
    onAction: () => {
      pending.delete(id);
      show(id);
    },
    onGone: really,
  });
}

/** @param {string} id */
function show(id) {
  hidden.value = new Set([...hidden.value].filter((item) => item !== id));
}

/** Follows the address: on start and when the reader goes back or forward. */
export function followAddress() {
  const id = addressed();
  if (id === conversationId.value) return;
  if (id) openConversation(id, { address: false });
  else newConversation({ address: false });
}

/** Starts what runs in the background: back and forward, looking for corrections, deletes that must not be lost. */
export function startConversations() {
  addEventListener("popstate", followAddress);
  addEventListener("pagehide", () => {
    for (const really of pending.values()) really();
  });
  const look = () => {
    if (document.visibilityState === "visible") refreshConversations();
  };
  document.addEventListener("visibilitychange", look);
  setInterval(look, REFRESH_MS);
}
