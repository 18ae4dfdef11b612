/** What the page shows, as its address says: `#/queue/ID`, `#/knowledge/ID`. */
import { itemId, tab } from "./store.js";
import { documentId } from "./knowledge_store.js";

/** Reads the address. */
export function follow() {
  const [, name, id = ""] = /^#\/(queue|knowledge)(?:\/(.+))?$/.exec(location.hash) ?? [];
  tab.value = name === "knowledge" ? "knowledge" : "queue";
  const decoded = id ? decodeURIComponent(id) : null;
  if (tab.value === "queue") itemId.value = decoded;
  else documentId.value = decoded;
}

/**
 * @param {"queue" | "knowledge"} name
 * @param {string | null} [id]
 */
export function go(name, id = null) {
  const address = `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}`;
  if (location.hash !== address) location.hash = address;
}
