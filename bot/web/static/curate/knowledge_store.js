/** The state of the knowledge tab. */
import { signal } from "../html.js";

/** @typedef {{id: string, title?: string, source?: string, language?: string, version?: number, kind?: "source" | "erratum", retired?: boolean, updated_at?: string, passages?: number}} DocumentEntry */
/** @template T @typedef {import("../vendor/signals.js").Signal<T>} Signal */

export const documentSearch = signal("");
/** @type {Signal<{documents: DocumentEntry[], total: number, status: "loading" | "ready" | "failed"}>} */
export const documents = signal({ documents: [], total: 0, status: "loading" });
/** @type {Signal<string | null>} */
export const documentId = signal(null);
/** @type {Signal<any | null>} */
export const openDocument = signal(null);
/** @type {Signal<any | null>} the ingest job that is shown */
export const job = signal(null);
/** @type {Signal<{query: string, answer: any} | null>} */
export const trial = signal(null);
