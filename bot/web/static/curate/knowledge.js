/** The knowledge tab's calls: listing, reading, uploading, deleting documents, and trying a search. */
import { ApiError, segment, withQuery } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { documentId, documents, documentSearch, job, openDocument, trial } from "./knowledge_store.js";
import { go } from "./route.js";
import { report, request } from "./session.js";

const PAGE = 50;
const POLL_MS = 1000;
const TRIAL_HITS = 10;
let latest = 0;
/** Count the requests, so that a late response is dropped. */
let opened = 0;
let searched = 0;
/** @type {File[]} the files of the last upload */
let sent = [];

/** @param {{more?: boolean}} [options] `more` appends the next page */
export async function loadDocuments({ more = false } = {}) {
  latest += 1;
  const mine = latest;
  const before = more ? documents.value.documents : [];
  try {
    const answer = await request("GET", withQuery("/api/documents", { q: documentSearch.value, limit: PAGE, offset: before.length }));
    if (mine !== latest) return;
    documents.value = { documents: [...before, ...(answer.documents ?? [])], total: answer.total ?? 0, status: "ready" };
  } catch (error) {
    if (mine !== latest) return;
    documents.value = { ...documents.value, status: "failed" };
    report(error);
  }
}

/**
 * @param {string | null} id
 * @param {number} [version] the newest when absent
 */
export async function loadDocument(id, version) {
  opened += 1;
  const mine = opened;
  if (openDocument.value?.id !== id) openDocument.value = null;
  if (!id) return;
  try {
    const answer = await request("GET", withQuery(`/api/documents/${segment(id)}`, { version }));
    if (mine === opened) openDocument.value = { ...answer, id };
  } catch (error) {
    if (mine !== opened) return;
    openDocument.value = { id, missing: error instanceof ApiError && error.status === 404 };
    if (!(error instanceof ApiError && error.status === 404)) report(error);
  }
}

/** @param {string} id @returns {Promise<boolean>} */
export async function deleteDocument(id) {
  try {
    await request("DELETE", `/api/documents/${segment(id)}`);
    toast(t("knowledge.deleted"));
    if (documentId.value === id) go("knowledge");
    await loadDocuments();
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

/** @param {string} id @returns {Promise<void>} */
export async function restoreDocument(id) {
  try {
    await request("POST", `/api/documents/${segment(id)}/restore`);
    toast(t("knowledge.restored"));
    await Promise.all([documentId.value === id && loadDocument(id), loadDocuments()]);
  } catch (error) {
    report(error);
  }
}

/** Whether files are being sent or read; the page shows one upload at a time. */
export const isUploading = () => Boolean(job.value) && !["done", "failed"].includes(job.value.state);

/**
 * @param {FileList | File[]} files
 * @param {{replace?: boolean}} [options] `replace`: they take the place of documents of the same name
 */
export async function upload(files, { replace = false } = {}) {
  if (isUploading()) {
    toast(t("upload.busy"));
    return;
  }
  sent = [...files];
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  if (replace) form.append("replace", "true");
  if ([...form.keys()].length === 0) return;
  job.value = { state: "sending", total: files.length, done: 0, files: [] };
  try {
    const answer = await request("POST", "/api/documents", form);
    await follow(answer.job.id);
  } catch (error) {
    job.value = null;
    report(error);
  }
}

/** Sends those files of the last upload again which were rejected because they would replace documents. */
export function replaceDocuments() {
  const names = new Set((job.value?.files ?? []).filter((/** @type {any} */ file) => file.replaces).map((/** @type {any} */ file) => file.name));
  return upload(sent.filter((file, at) => names.has(file.name) && sent.findIndex((other) => other.name === file.name) === at), { replace: true });
}

/** @param {string} id */
async function follow(id) {
  for (;;) {
    try {
      job.value = await request("GET", `/api/jobs/${segment(id)}`);
      if (!isUploading()) break;
    } catch (error) {
      const passing = error instanceof ApiError && (error.status === 0 || error.status === 401 || error.status >= 500);
      if (!passing) throw error; // else the server continues with it: look again
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  await loadDocuments();
}

/** @param {string} query */
export async function trySearch(query) {
  searched += 1;
  const mine = searched;
  if (!query.trim()) {
    trial.value = null;
    return;
  }
  try {
    const answer = await request("POST", "/api/search", { query, k: TRIAL_HITS });
    if (mine === searched) trial.value = { query, answer };
  } catch (error) {
    report(error);
  }
}
