/**
 * The page of the HTTP interface: lists the operations that `/openapi.json` describes, each with the forms of what it
 * takes and gives. All its text comes from there. Knows nothing about single operations.
 */
import { html, render } from "./html.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

/** @typedef {any} Json */

/**
 * A schema with its references filled in, as an example of the form: `{question: "string", stream?: "boolean"}`.
 * @param {Json} schema
 * @param {Record<string, Json>} named
 * @returns {Json}
 */
function form(schema, named) {
  if (!schema) return "any";
  if (schema.$ref) return form(named[schema.$ref.split("/").pop()], named);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return schema.const;
  if (schema.contentSchema) return form(schema.contentSchema, named);
  if (schema.oneOf) return schema.oneOf.map((/** @type {Json} */ choice) => form(choice, named));
  if (schema.anyOf) {
    const forms = schema.anyOf.map((/** @type {Json} */ choice) => form(choice, named));
    return forms.every((/** @type {Json} */ one) => typeof one === "string") ? forms.join(" | ") : forms[0];
  }
  if (schema.type === "array") return [form(schema.items, named)];
  if (!schema.properties) return schema.type ?? "any";
  const required = new Set(schema.required ?? []);
  return Object.fromEntries(
    Object.entries(schema.properties).map(([name, one]) => [required.has(name) ? name : `${name}?`, form(one, named)]),
  );
}

/** Text whose code is in backticks. @param {string} [words] */
const marked = (words = "") => words.split(/`+/).map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

/** @param {Json} content by media type */
const bodies = (content, named) =>
  Object.entries(content ?? {}).map(([type, one]) => html`<p><code>${type}</code></p><pre>${JSON.stringify(form(one.schema, named), null, 2)}</pre>`);

/** Who may call: the ways to identify, each with the role that is needed. @param {Json[]} [security] */
const callers = (security = []) =>
  security
    .map((way) => Object.entries(way).map(([name, roles]) => [name, ...roles.map((/** @type {string} */ role) => `(${role})`)].join(" "))[0] ?? "anybody")
    .join(" · ");

/** The answers that are no refusals, by status. @param {Json} responses @param {Record<string, Json>} named */
const answers = (responses, named) =>
  Object.entries(responses ?? {})
    .filter(([, one]) => one.content)
    .map(([status, one]) => html`<p><code>${status}</code> <span class="muted">${one.description}</span></p>${bodies(one.content, named)}`);

/** @param {{method: string, path: string, operation: Json, named: Record<string, Json>}} props */
function Operation({ method, path, operation, named }) {
  const parameters = operation.parameters ?? [];
  return html`<details>
    <summary><span class="docs-method">${method.toUpperCase()}</span> <code>${path}</code> <span class="muted">${marked(operation.description ?? operation.summary)}</span></summary>
    ${parameters.map((/** @type {Json} */ one) => html`<p><code>${one.name}${one.required ? "" : "?"}</code> <span class="muted">${one.in}: ${form(one.schema, named)}</span></p>`)}
    ${operation.security && html`<p class="muted">${callers(operation.security)}</p>`}
    ${bodies(operation.requestBody?.content, named)}
    ${answers(operation.responses, named)}
    <p class="muted">${Object.keys(operation.responses ?? {}).join(" · ")}</p>
  </details>`;
}

/** @param {{api: Json}} props */
function Page({ api }) {
  const named = api.components?.schemas ?? {};
  const about = new Map((api.tags ?? []).map((/** @type {Json} */ one) => [one.name, one.description]));
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => methods[one])) {
      const operation = methods[method];
      const group = operation.tags?.[0] ?? "";
      groups.set(group, [...(groups.get(group) ?? []), { method, path, operation }]);
    }
  }
  return html`<p class="wordmark"><a href="/">Errata<span lang="zh-CN">勘误</span></a></p>
    <h1>${api.info.title} ${api.info.version}</h1>
    <p class="docs-intro">${api.info.description}</p>
    ${[...groups].map(([name, operations]) => html`<section><h2>${name}</h2><p class="muted">${about.get(name)}</p>
      ${operations.map((/** @type {Json} */ one) => html`<${Operation} ...${one} named=${named} />`)}
    </section>`)}`;
}

try {
  const response = await fetch("/openapi.json");
  const api = await response.json();
  render(html`<${Page} api=${api} />`, /** @type {HTMLElement} */ (document.querySelector("#app")));
} catch {
  document.querySelector("#broken")?.removeAttribute("hidden");
}
