/** What the page shows, as its address says: `#/queue/ID`, `#/knowledge/ID`. */
import { itemId, tab } from "./store.js";
import { documentId } from "./knowledge_store.js";

/** Reads the address. One that names nothing leads to the list, and the browser's history forgets it. */
export function follow() {
  const [whole, name, id = ""] = /^#\/(queue|knowledge)(?:\/(.+))?$/.exec(location.hash) ?? [];
  const section = name === "knowledge" ? "knowledge" : "queue";
  const decoded = read(id);
  const names = decoded !== null && (section === "knowledge" || /^[1-9]\d{0,15}$/.test(decoded));
  tab.value = section;
  if (section === "queue") itemId.value = names ? decoded : null;
  else documentId.value = names ? decoded : null;
  if ((id && !names) || (location.hash && !whole)) history.replaceState(null, "", `#/${section}`);
}

/**
 * @param {string} id as it stands in the address
 * @returns {string | null} null for none, and where `%` begins no character
 */
function read(id) {
  try {
    return id ? decodeURIComponent(id) : null;
  } catch {
    return null;
  }
}

/**
 * @param {"queue" | "knowledge"} name
 * @param {string | null} [id]
 */
export function go(name, id = null) {
  const address = `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}`;
  if (location.hash !== address) location.hash = address;
}
