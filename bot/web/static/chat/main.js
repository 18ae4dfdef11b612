/** The chat page: puts its parts together, starts them, and listens to the keyboard. */
import { boot } from "../boot.js";
import { html, useEffect, useLayoutEffect, useRef, watch } from "../html.js";
import { t } from "../i18n.js";
import { inWords } from "../invisible.js";
import { PassagePanel } from "../passage.js";
import { Dialog, IconButton, isDialogOpen, LanguageSwitch, ShortcutTable, Toasts } from "../ui.js";
import { ask, stop } from "./ask.js";
import { addressed } from "./address.js";
import { Composer, focusComposer } from "./composer.js";
import { followAddress, newConversation, openConversation, refreshConversations, showEarlier, startConversations } from "./conversations.js";
import { restoreTyped } from "./drafts.js";
import { OwnAnswer } from "./explained.js";
import { Sidebar } from "./sidebar.js";
import { announcement, conversationId, conversations, drawer, earlier, helpOpen, loading, loadingProblem, panel, running, turns, unseen } from "./store.js";
import { TurnView } from "./turn.js";

const EXAMPLES = ["example.ask", "example.wrong", "example.after"];

function Page() {
  const title = conversations.value.find((item) => item.id === conversationId.value)?.title;
  useEffect(() => {
    document.title = title ? t("page.title_of", { title: inWords(title) }) : t("page.title");
  });
  const shown = panel.value;
  return html`
    <a class="skip" href="#question" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); focusComposer(); }}>${t("nav.skip")}</a>
    <div class=${`layout ${shown ? "has-panel" : ""}`}>
      <${TopBar} />
      ${drawer.value && html`<div class="backdrop" onClick=${() => { drawer.value = false; }}></div>`}
      <${Sidebar} />
      <main class="reading"><${Conversation} /><div class="composer-place"><${Toasts} /><${Composer} /><p class="small-print">${t("chat.small_print")}</p></div></main>
      ${shown && html`<${PassagePanel} source=${shown.source} sources=${shown.sources} onClose=${closePanel}
        onSelect=${(/** @type {any} */ source) => { panel.value = { ...shown, source }; }}>
        ${shown.answerId && html`<${OwnAnswer} answerId=${shown.answerId} />`}
      </${PassagePanel}>`}
    </div>
    <p class="visually-hidden" role="status" aria-live="polite">${announcement.value}</p>
    ${helpOpen.value && html`<${Help} />`}`;
}

function TopBar() {
  return html`<header class="topbar">
    <${IconButton} name="menu" class="menu-button" label=${t("conversations.title")} onClick=${() => { drawer.value = !drawer.value; }} />
    <p class="wordmark"><a href="/" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); newConversation(); }}>Errata<span lang="zh-CN">勘误</span></a></p>
    <${LanguageSwitch} />
    <button type="button" class="icon-button help-button" aria-label=${t("help.open")} title=${t("help.open")} onClick=${() => { helpOpen.value = true; }}>?</button>
  </header>`;
}

function Conversation() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  /** Pixels from the top of the screen to the end of the conversation, when earlier turns come: what is read stays where it is. */
  const below = useRef(/** @type {number | null} */ (null));
  const more = () => showEarlier(() => {
    if (box.current) below.current = box.current.scrollHeight - box.current.scrollTop;
  });
  useLayoutEffect(() => {
    const area = box.current;
    if (!area || turns.value.length === 0) return;
    if (below.current !== null) {
      area.scrollTop = area.scrollHeight - below.current;
      below.current = null;
      area.focus({ preventScroll: true }); // the button may be gone; if not, it is the next one
      return;
    }
    const last = area.querySelector(".turn:last-child");
    if (last?.matches(".turn-asked")) {
      last.scrollIntoView({ block: "start" });
      return;
    }
    // A stored conversation opens at its end, or at the first answer that was corrected since.
    area.scrollTop = area.scrollHeight;
    area.querySelector(".slip-corrected")?.closest(".turn")?.scrollIntoView({ block: "start" });
  }, [turns.value.length, conversationId.value]);
  return html`<section class="conversation-scroll" ref=${box} aria-label=${t("chat.conversation")} tabindex="-1">
    <div class="column">
      ${loading.value === "loading" && html`<p class="progress">${t("chat.loading")}</p>`}
      ${loading.value === "missing" && html`<div class="notice notice-problem"><p>${t("chat.missing")}</p><p class="buttons"><button type="button" class="button" onClick=${() => newConversation()}>${t("conversations.new")}</button></p></div>`}
      ${loading.value === "failed" && html`<div class="notice notice-problem"><p>${loadingProblem.value}</p><p class="buttons"><button type="button" class="button" onClick=${() => { const id = conversationId.value; if (id) openConversation(id, { address: false }); }}>${t("ui.try_again")}</button></p></div>`}
      ${loading.value === "idle" && turns.value.length === 0 && html`<${Welcome} />`}
      ${earlier.value && html`<p class="buttons earlier"><button type="button" class="button" onClick=${more}>${t("chat.earlier")}</button></p>`}
      ${turns.value.map((turn) => html`<${TurnView} key=${turn.peek().key} turn=${turn} />`)}
    </div>
  </section>`;
}

function Welcome() {
  return html`<div class="welcome">
    <h1>${t("welcome.title")}</h1>
    <p>${t("welcome.text")}</p>
    <ul class="examples">
      ${EXAMPLES.map((key) => html`<li key=${key}><button type="button" onClick=${() => ask(t(key))}>${t(key)}</button></li>`)}
    </ul>
  </div>`;
}

function Help() {
  /** @type {[string, string][]} */
  const rows = [
    ["Enter", t("help.send")], ["Shift Enter", t("help.line")], ["Esc", t("help.stop")], ["Alt N", t("help.new")],
    ["/", t("help.focus")], ["?", t("help.open")],
  ];
  return html`<${Dialog} title=${t("help.title")} onClose=${() => { helpOpen.value = false; }}><${ShortcutTable} rows=${rows} /></${Dialog}>`;
}

function closePanel() {
  const button = panel.value?.button;
  panel.value = null;
  if (button?.isConnected) button.focus();
  else focusComposer();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.defaultPrevented || event.isComposing || isDialogOpen()) return;
  if (event.altKey && event.code === "KeyN") {
    event.preventDefault();
    newConversation();
    focusComposer();
  } else if (event.key === "Escape") {
    if (running.value) stop();
    else if (panel.value) closePanel();
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
    if (event.key === "/") {
      event.preventDefault();
      focusComposer();
    } else if (event.key === "?") {
      helpOpen.value = true;
    }
  }
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && Boolean(target.closest("input, textarea, select, [contenteditable]"));
}

boot(() => html`<${Page} />`, () => {
  restoreTyped();
  addEventListener("keydown", onKey);
  startConversations();
  if (addressed()) followAddress();
  let before = 0;
  watch(() => ({ busy: Boolean(running.value), count: unseen.value }), ({ busy, count }) => {
    if (!busy || count !== before) refreshConversations(); // on start, when a conversation begins, and when an answer has ended
    before = count;
  });
});
