/**
 * Server-sent events over fetch (EventSource cannot POST). Follows the event stream format of the HTML standard:
 * lines end in CR, LF or CRLF, an event ends at an empty line, lines that start with a colon are comments.
 * Knows nothing about which events there are.
 */

/** @typedef {{event: string, data: any}} ServerEvent */

/** Turns text chunks into events, whatever the cut between chunks. */
export class EventParser {
  #rest = "";
  #event = "";
  /** @type {string[]} */
  #data = [];

  /**
   * @param {string} chunk
   * @returns {ServerEvent[]} the events that this chunk completed
   */
  push(chunk) {
    this.#rest += chunk;
    const events = [];
    for (;;) {
      const end = this.#rest.search(/[\r\n]/);
      // A CR at the very end may be half of a CRLF: wait for the next chunk.
      if (end < 0 || (this.#rest[end] === "\r" && end === this.#rest.length - 1)) return events;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      const event = this.#line(line);
      if (event) events.push(event);
    }
  }

  /** @param {string} line */
  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }

  #dispatch() {
    const event = this.#event || "message";
    const lines = this.#data;
    this.#event = "";
    this.#data = [];
    if (lines.length === 0) return null;
    const text = lines.join("\n");
    try {
      return { event, data: JSON.parse(text) };
    } catch {
      return { event, data: text };
    }
  }
}

/**
 * @param {Response} response with an event stream as its body
 * @yields {ServerEvent}
 * @throws {TypeError} when the connection breaks
 */
export async function* readEvents(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
