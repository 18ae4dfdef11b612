/**
 * Calls to the HTTP contract. Every failure becomes an ApiError, whose `status` is 0 when no answer came.
 * Knows nothing about pages; the text for the reader is made in `errors.js`.
 */

/** A call that did not succeed. `body` is the problem+json object when there was one. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 when the server was not reached
   * @param {Record<string, any>} [body]
   * @param {number | null} [retryAfter] seconds
   */
  constructor(status, body = {}, retryAfter = null) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal} [signal]
 * @property {boolean} [keepalive] let the call outlive the page
 * @property {string} [accept]
 */

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] an object goes as JSON, FormData as multipart
 * @param {CallOptions} [options]
 * @returns {Promise<Response>} a successful response
 * @throws {ApiError}
 */
export async function send(method, path, body, options = {}) {
  /** @type {Record<string, string>} */
  const headers = {
    Accept: options.accept ?? "application/json",
    "Accept-Language": document.documentElement.lang || "en",
  };
  const multipart = body instanceof FormData;
  if (body !== undefined && !multipart) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: multipart ? body : body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
      keepalive: options.keepalive,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0);
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/** @param {Response} response */
async function problem(response) {
  const wait = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  let body = {};
  try {
    const parsed = await response.json();
    if (parsed && typeof parsed === "object") body = parsed;
  } catch {
    // a proxy's HTML error page: only the status is useful
  }
  return new ApiError(response.status, body, Number.isFinite(wait) ? Math.max(0, wait) : null);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {CallOptions} [options]
 * @returns {Promise<any>} the parsed JSON, or null when the answer has no body
 */
export async function call(method, path, body, options) {
  const response = await send(method, path, body, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new ApiError(0);
  }
}

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} params empty ones are left out
 */
export function withQuery(path, params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} id a path segment from the server */
export const segment = (id) => encodeURIComponent(id);
