/** The list of conversations: open, rename, delete, begin a new one. */
import { html, useLayoutEffect, useRef, useState } from "../html.js";
import { formatAgo, languageOf, t } from "../i18n.js";
import { Icon, IconButton } from "../ui.js";
import { deleteConversation, newConversation, openConversation, renameConversation } from "./conversations.js";
import { conversationId, conversations, drawer, hidden } from "./store.js";

/** @typedef {import("./store.js").Conversation} Conversation */

export function Sidebar() {
  const shown = conversations.value.filter((item) => !hidden.value.has(item.id));
  return html`<nav id="conversations" class=${`sidebar ${drawer.value ? "is-open" : ""}`} aria-label=${t("conversations.title")}
    onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape" && drawer.value) { event.stopPropagation(); drawer.value = false; } }}>
    <button type="button" class="button new-chat" onClick=${() => newConversation()}>
      <${Icon} name="plus" /> <span>${t("conversations.new")}</span> <kbd>Alt+N</kbd>
    </button>
    ${shown.length === 0 && html`<p class="muted sidebar-empty">${t("conversations.none")}</p>`}
    <ul class="conversation-list">
      ${shown.map((item) => html`<${Entry} key=${item.id} item=${item} />`)}
    </ul>
    <p class="sidebar-foot"><a href="/curate">${t("nav.curate")}</a></p>
  </nav>`;
}

/** @param {{item: Conversation}} props */
function Entry({ item }) {
  const [renaming, setRenaming] = useState(false);
  const current = item.id === conversationId.value;
  const title = item.title || t("conversations.untitled");
  if (renaming) return html`<${Rename} item=${item} onClose=${() => setRenaming(false)} />`;
  return html`<li class=${`conversation ${current ? "is-current" : ""}`}>
    <button type="button" class="conversation-open" aria-current=${current ? "page" : undefined} onClick=${() => openConversation(item.id)}>
      <span class="conversation-title" lang=${languageOf(title)}>${title}</span>
      <span class="conversation-when">
        ${item.corrected && html`<span class="mark mark-erratum">${t("conversations.corrected")}</span> `}${formatAgo(item.updated_at ?? item.created_at)}
      </span>
    </button>
    <span class="conversation-tools">
      <${IconButton} name="pencil" label=${t("conversations.rename", { title })} onClick=${() => setRenaming(true)} />
      <${IconButton} name="trash" label=${t("conversations.delete", { title })} onClick=${() => deleteConversation(item)} />
    </span>
  </li>`;
}

/** @param {{item: Conversation, onClose: () => void}} props */
function Rename({ item, onClose }) {
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => box.current?.select(), []);
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    const title = box.current?.value.trim() ?? "";
    if (title && title !== item.title) renameConversation(item.id, title);
    onClose();
  };
  return html`<li class="conversation">
    <form class="rename" onSubmit=${save} onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") { event.stopPropagation(); onClose(); } }}>
      <input ref=${box} aria-label=${t("conversations.new_title")} maxlength="200" defaultValue=${item.title} />
      <button type="submit" class="button button-small">${t("ui.save")}</button>
    </form>
  </li>`;
}
