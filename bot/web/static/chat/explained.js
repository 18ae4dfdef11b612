/** How an answer of the reader's own was made, in plain words. */
import { call, segment } from "../api.js";
import { Explained } from "../explained.js";
import { html } from "../html.js";

/** @param {{answerId: string}} props */
export function OwnAnswer({ answerId }) {
  return html`<${Explained} key=${answerId} load=${() => call("GET", `/api/answers/${segment(answerId)}/explanation`)} />`;
}
