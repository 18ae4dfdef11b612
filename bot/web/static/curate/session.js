/** Who is signed in, and calls that notice when the session has ended. */
import { ApiError, call } from "../api.js";
import { explain } from "../errors.js";
import { toast } from "../ui.js";
import { signedOut, user } from "./store.js";

/** Roles that may curate. */
export const ROLES = ["curator", "admin"];

/** @returns {Promise<void>} sets `user`, or leaves for the sign-in page */
export async function requireUser() {
  const session = await call("GET", "/api/session");
  if (session?.user) {
    user.value = session.user;
    return;
  }
  location.replace(`/login?next=${encodeURIComponent(location.pathname + location.hash)}`);
  await new Promise(() => {}); // the page is about to go
}

/**
 * Like `call`, and opens the sign-in dialog when the session has ended.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 */
export async function request(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) signedOut.value = true;
    throw error;
  }
}

/** Shows a failure, unless the sign-in dialog already does. @param {unknown} error */
export function report(error) {
  if (!signedOut.value) toast(explain(error), { seconds: 8 });
}

export async function signOut() {
  try {
    await call("DELETE", "/api/session");
  } catch (error) {
    report(error);
    return;
  }
  location.assign("/login");
}
