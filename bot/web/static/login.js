/** The sign-in page. */
import { boot } from "./boot.js";
import { html, useEffect } from "./html.js";
import { t } from "./i18n.js";
import { LoginForm } from "./login_form.js";
import { LanguageSwitch } from "./ui.js";

/** Where to go afterwards: only a path on this server. */
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  try {
    const url = new URL(wanted, location.origin);
    if (wanted.startsWith("/") && url.origin === location.origin) return url.pathname + url.search + url.hash;
  } catch {
    // not an address
  }
  return "/curate";
}

function Page() {
  useEffect(() => {
    document.title = t("page.title_of", { title: t("login.title") });
  });
  return html`<main class="login">
    <div class="login-head"><p class="wordmark"><a href="/">Errata<span lang="zh-CN">勘误</span></a></p><${LanguageSwitch} /></div>
    <div><h1>${t("login.title")}</h1><p class="muted">${t("login.intro")}</p></div>
    <${LoginForm} onDone=${() => location.replace(next())} />
    <p><a href="/">${t("login.back")}</a></p>
  </main>`;
}

boot(() => html`<${Page} />`);
