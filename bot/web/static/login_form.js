/** User name and password; on its own page, and again in a dialog when a session ends in the middle of work. */
import { call } from "./api.js";
import { explain } from "./errors.js";
import { html, useLayoutEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";

/** @typedef {{username: string, role: string}} User */

/** @param {{onDone: (user: User) => void}} props */
export function LoginForm({ onDone }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  useLayoutEffect(() => form.current?.querySelector("input")?.focus(), []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (form.current));
    setBusy(true);
    setProblem("");
    try {
      const answer = await call("POST", "/api/session", { username: fields.get("username"), password: fields.get("password") });
      onDone(answer.user);
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
      form.current?.querySelector("input")?.focus();
    }
  };
  return html`<form class="login-form" ref=${form} method="post" action="/login" onSubmit=${submit}>
    <label for="username">${t("login.username")}</label>
    <input id="username" name="username" autofocus autocomplete="username" autocapitalize="none" spellcheck=${false} required maxlength="200" />
    <label for="password">${t("login.password")}</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1000" />
    <button type="submit" class="button button-primary" disabled=${busy}>${t("login.submit")}</button>
    <p class="problem" role="alert">${problem}</p>
  </form>`;
}
