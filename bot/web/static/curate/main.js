/** The curator's page: puts its parts together, starts them, and listens to the keyboard. */
import { boot } from "../boot.js";
import { html, useEffect, watch } from "../html.js";
import { t } from "../i18n.js";
import { LoginForm } from "../login_form.js";
import { PassagePanel } from "../passage.js";
import { Dialog, isDialogOpen, LanguageSwitch, ShortcutTable, Toasts } from "../ui.js";
import { ActionDialog, steps } from "./actions.js";
import { forgetOld } from "./drafts.js";
import { autosave } from "./form.js";
import { act, openItem, save } from "./item.js";
import { ItemView } from "./item_view.js";
import { loadDocument, loadDocuments } from "./knowledge.js";
import { documentId } from "./knowledge_store.js";
import { DocumentList, DocumentView } from "./knowledge_view.js";
import { chooseAll, loadQueue, move, toggleChosen } from "./queue.js";
import { QueueView } from "./queue_view.js";
import { follow, go } from "./route.js";
import { requireUser, ROLES, signOut } from "./session.js";
import { announcement, chosen, conflict, dialog, dirty, form, helpOpen, item, itemId, panel, signedOut, tab, takingOut, user } from "./store.js";

const REFRESH_MS = 60_000;

function Page() {
  useEffect(() => {
    document.title = t("page.title_of", { title: tab.value === "knowledge" ? t("knowledge.title") : t("queue.title") });
  });
  if (!user.value) return html`<p class="fallback" role="status">${t("item.loading")}</p><${Toasts} />`;
  if (!ROLES.includes(user.value.role)) return html`<${NoAccess} />`;
  const knowledge = tab.value === "knowledge";
  const open = knowledge ? documentId.value : itemId.value;
  return html`
    <div class=${`desk ${open ? "has-item" : ""} ${knowledge ? "is-knowledge" : ""}`}>
      <${TopBar} />
      <main class="panes">${knowledge ? html`<${DocumentList} /><${DocumentView} />` : html`<${QueueView} /><${ItemView} />`}</main>
    </div>
    ${panel.value && html`<${PassagePanel} source=${panel.value.source} sources=${panel.value.sources} onClose=${closePanel}
      onSelect=${(/** @type {any} */ source) => { if (panel.value) panel.value = { ...panel.value, source }; }} />`}
    <p class="visually-hidden" role="status" aria-live="polite">${announcement.value}</p>
    <${Toasts} /><${ActionDialog} />
    ${helpOpen.value && html`<${Help} />`}
    ${signedOut.value && html`<${Dialog} title=${t("login.title")} onClose=${() => { signedOut.value = false; }}>
      <p>${t("login.expired")}</p>
      <${LoginForm} onDone=${(/** @type {any} */ who) => { user.value = who ?? user.value; signedOut.value = false; loadQueue(); }} />
    </${Dialog}>`}`;
}

function TopBar() {
  const link = (/** @type {"queue" | "knowledge"} */ name) => html`<a href=${`#/${name}`} aria-current=${tab.value === name ? "page" : undefined}>${t(`tab.${name}`)}</a>`;
  return html`<header class="topbar">
    <p class="wordmark"><a href="/curate#/queue">Errata<span lang="zh-CN">勘误</span></a></p>
    <nav class="tabs" aria-label=${t("tab.label")}>${link("queue")}${link("knowledge")}</nav>
    <span class="topbar-end">
      <a class="to-chat" href="/">${t("nav.chat")}</a>
      <${LanguageSwitch} />
      <button type="button" class="icon-button help-button" aria-label=${t("help.open")} title=${t("help.open")} onClick=${() => { helpOpen.value = true; }}>?</button>
      <span class="who muted">${user.value?.username}</span>
      <button type="button" class="link-button" onClick=${signOut}>${t("login.sign_out")}</button>
    </span>
  </header>`;
}

function NoAccess() {
  return html`<main class="login"><h1>${t("access.title")}</h1><p>${t("access.text", { name: user.value?.username ?? "" })}</p>
    <p class="buttons"><button type="button" class="button" onClick=${signOut}>${t("access.switch")}</button><a class="button button-quiet" href="/">${t("login.back")}</a></p></main>`;
}

function Help() {
  /** @type {[string, string][]} */
  const rows = [
    ["j k", t("help.move")], ["x", t("help.choose")], ["X", t("help.choose_all")], ["R", t("help.reject_chosen")], ["/", t("help.search")], ["e", t("help.edit")], ["Ctrl S", t("help.save")],
    ["p", t("help.prove")], ["a", t("help.approve")], ["r", t("help.reject")], ["u", t("help.back")], ["?", t("help.open")],
  ];
  return html`<${Dialog} title=${t("help.title")} onClose=${() => { helpOpen.value = false; }}><${ShortcutTable} rows=${rows} /></${Dialog}>`;
}

function closePanel() {
  const button = panel.value?.button;
  panel.value = null;
  if (button?.isConnected) button.focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.defaultPrevented || event.isComposing || isDialogOpen()) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    if (tab.value === "queue" && dirty.value) save();
    return;
  }
  const target = event.target instanceof Element ? event.target : null;
  const typing = Boolean(target?.closest("textarea, select, input:not([type=checkbox])"));
  if (event.key === "Escape") {
    if (panel.value) closePanel();
    else if (typing) /** @type {HTMLElement} */ (target).blur();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const run = shortcuts()[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}

/** @returns {Record<string, () => void>} the keys that mean something right now */
function shortcuts() {
  const focus = (/** @type {string} */ selector) => () => /** @type {HTMLElement | null} */ (document.querySelector(selector))?.focus();
  /** @type {Record<string, () => void>} */
  const keys = { "?": () => { helpOpen.value = true; }, "/": focus(tab.value === "queue" ? "#queue-search" : "#document-search") };
  if (tab.value !== "queue") return { ...keys, u: () => go("knowledge") };
  Object.assign(keys, { j: () => move(1), k: () => move(-1), u: () => go("queue"), X: chooseAll });
  if (chosen.value.size > 0) keys.R = () => { dialog.value = "reject_chosen"; };
  const current = item.value;
  if (!current) return keys;
  const can = steps(current);
  keys.x = () => toggleChosen(current.id);
  if (can.reject) keys.r = () => { dialog.value = "reject"; };
  if (can.write) {
    keys.e = () => { focus("#answer")(); document.querySelector("#correction")?.scrollIntoView({ block: "start" }); };
    if (form.value.answer.trim() && !conflict.value) Object.assign(keys, { p: () => act("prove"), a: () => { dialog.value = "approve"; } });
  }
  return keys;
}

boot(() => html`<${Page} />`, async () => {
  forgetOld();
  follow();
  addEventListener("hashchange", follow);
  addEventListener("keydown", onKey);
  try {
    await requireUser();
  } catch {
    document.querySelector("#broken")?.removeAttribute("hidden");
    return;
  }
  if (!user.value || !ROLES.includes(user.value.role)) return;
  autosave();
  watch(() => tab.value, (name) => {
    panel.value = dialog.value = takingOut.value = null; // they belong to the item, which is not shown there
    return name === "queue" ? loadQueue() : loadDocuments();
  });
  watch(() => itemId.value, (id) => openItem(id));
  watch(() => documentId.value, (id) => loadDocument(id));
  setInterval(() => {
    if (document.visibilityState === "visible" && tab.value === "queue" && !signedOut.value) loadQueue();
  }, REFRESH_MS);
});
