/** The list of conversations and the one that is open: fetching, renaming, deleting, and the page's address. */
import { ApiError, call, segment } from "../api.js";
import { explain } from "../errors.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { addressed, showInAddress } from "./address.js";
import { conversationId, conversations, drawer, hidden, loading, panel, running, turns, update } from "./store.js";
import { fromStored, recover } from "./turns.js";

/** How long a deleted conversation can be brought back. */
const UNDO_S = 6;
/** How often the page looks whether one of its answers was corrected. */
const REFRESH_MS = 60_000;

/** @type {Map<string, () => void>} deletes that wait for their undo time to pass */
const pending = new Map();

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

/** @param {string} id */
async function fetchCorrections(id) {
  const stored = await call("GET", `/api/conversations/${segment(id)}`);
  if (conversationId.value !== id) return;
  for (const turn of turns.value) {
    const match = (stored?.turns ?? []).find((/** @type {any} */ item) => item.answer_id === turn.value.answerId);
    if (match?.correction) update(turn, { correction: match.correction });
  }
}

/**
 * Opens a stored conversation.
 * @param {string} id
 * @param {{address?: boolean}} [options] whether the page's address changes with it
 */
export async function openConversation(id, { address = true } = {}) {
  drawer.value = false;
  panel.value = null;
  conversationId.value = id;
  turns.value = [];
  loading.value = "loading";
  if (address) showInAddress(id);
  try {
    const stored = await call("GET", `/api/conversations/${segment(id)}`);
    if (conversationId.value !== id) return;
    turns.value = (stored?.turns ?? []).map(fromStored);
    loading.value = "idle";
    for (const turn of turns.value) if (turn.value.status === "lost") recover(turn);
  } catch (error) {
    if (conversationId.value !== id) return;
    const gone = error instanceof ApiError && (error.status === 404 || error.status === 403 || error.status === 401);
    loading.value = gone ? "missing" : "failed";
  }
}

/** @param {{address?: boolean}} [options] */
export function newConversation({ address = true } = {}) {
  conversationId.value = null;
  turns.value = [];
  loading.value = "idle";
  panel.value = null;
  drawer.value = false;
  if (address) showInAddress(null);
}

/**
 * @param {string} id
 * @param {string} title
 */
export async function renameConversation(id, title) {
  const before = conversations.value;
  conversations.value = before.map((item) => (item.id === id ? { ...item, title } : item));
  try {
    await call("PATCH", `/api/conversations/${segment(id)}`, { title });
  } catch (error) {
    conversations.value = before;
    toast(explain(error));
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

/** Starts what runs by itself: back and forward, looking for corrections, deletes that must not be lost. */
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
