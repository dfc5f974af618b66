
"use strict";
// Everything from the document goes into the page as text, never as markup.

const VERBS = ["get", "post", "put", "patch", "delete"];
const byId = (id) => document.getElementById(id);
let api;

function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/* Text with `code` in it. */
function prose(text) {
  return (text || "").split("`").map((part, odd) => (odd % 2 ? el("code", null, part) : part));
}

function resolve(schema) {
  let found = schema || {};
  while (found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((node, key) => node[key], api);
  }
  return found;
}

function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `map to ${kind(schema.additionalProperties)}`;
  }
  return [schema.type || "any", schema.format && `(${schema.format})`].filter(Boolean).join(" ");
}

/* What can be opened below a field: the fields of an object, or the values of an enum. */
function below(schema) {
  const inner = schema.items || (typeof schema.additionalProperties === "object" && schema.additionalProperties) || schema;
  const found = resolve(inner);
  if (!found.properties && !found.enum) return null;
  const box = el("details", { class: "nested" }, el("summary", null, inner.$ref ? kind(inner) : "fields"));
  // Filled when it is opened: a message may hold itself.
  box.addEventListener("toggle", () => box.children.length > 1 || box.append(shape(found)), { once: true });
  return box;
}

function shape(schema) {
  const found = resolve(schema);
  if (found.enum) return el("p", null, prose(found.enum.map((value) => `\`${value}\``).join(", ")));
  const rows = Object.entries(found.properties || {}).map(([name, field]) =>
    el("tr", null, el("td", { class: "name" }, name), el("td", { class: "kind" }, kind(field)),
      el("td", null, prose(field.description), below(field))));
  if (!rows.length) return el("p", { class: "soft" }, found.description ? prose(found.description) : kind(found));
  return table(["Field", "Type", ""], rows);
}

function table(heads, rows) {
  const head = el("tr", null, heads.map((text) => el("th", { scope: "col" }, text)));
  return el("div", { class: "scroll" }, el("table", null, el("thead", null, head), el("tbody", null, rows)));
}

function parameters(operation) {
  const rows = (operation.parameters || []).map((one) =>
    el("tr", null, el("td", { class: "name" }, one.name), el("td", { class: "kind" }, `${one.in}, ${kind(one.schema)}`),
      el("td", null, prose(one.description))));
  return rows.length ? [el("h3", null, "Parameters"), table(["Name", "Where and type", ""], rows)] : [];
}

function answers(operation) {
  const wins = [], failures = [];
  for (const [status, answer] of Object.entries(operation.responses)) {
    const [media, content] = Object.entries(answer.content || {})[0] || [];
    if (status < "400" && !content) {
      wins.push(el("h3", null, `${status} ${answer.description} `));
    } else if (status < "400") {
      wins.push(el("h3", null, `${status} ${answer.description} `, el("small", null, media)), shape(content.schema));
    } else {
      for (const line of answer.description.split("\n\n")) {
        failures.push(el("tr", null, el("td", { class: "name" }, status), el("td", null, prose(line))));
      }
    }
  }
  return [...wins, el("h3", null, "Errors"), table(["Status", "Reason"], failures)];
}

/* A value of a schema to begin with: what the first fields might hold. */
function sample(schema, depth = 0) {
  const found = resolve(schema);
  if (found.properties && depth < 3) {
    return Object.fromEntries(Object.entries(found.properties).map(([name, field]) => [name, sample(field, depth + 1)]));
  }
  if (found.enum) return found.enum[0];
  return { object: {}, array: [], string: "", integer: 0, number: 0, boolean: false }[found.type] ?? null;
}

function address(path, operation, inputs) {
  const query = new URLSearchParams();
  let filled = path;
  for (const one of operation.parameters || []) {
    const value = inputs.get(one.name).value;
    if (one.in === "path") filled = filled.replace(`{${one.name}}`, encodeURIComponent(value));
    else if (one.in === "query" && value !== "") {
      for (const item of one.schema.type === "array" ? value.split(",") : [value]) query.append(one.name, item.trim());
    }
  }
  const text = query.toString();
  return new URL(filled.slice(1) + (text ? `?${text}` : ""), new URL(".", location.href));
}

function request(verb, operation, inputs, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  for (const one of operation.parameters || []) {
    const value = inputs.get(one.name).value;
    if (one.in === "header" && value !== "") headers[one.name] = value;
  }
  return { method: verb.toUpperCase(), headers, body: body ? body.value : undefined };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curl(url, wanted) {
  const headers = Object.entries(wanted.headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const data = wanted.body === undefined ? [] : [`-d ${quoted(wanted.body)}`];
  return ["curl", "-X", wanted.method, quoted(url.href), ...headers, ...data].join(" ");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/* Reads a stream as it comes; anything else, once it is complete. Keeps the last part of what never ends. */
async function show(answer, out) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const streams = (answer.headers.get("content-type") || "").startsWith("text/event-stream");
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text = streams ? (text + part.value).slice(-100_000) : text + part.value;
    if (streams) out.textContent = text;
  }
  out.textContent = pretty(text);
}

function tryIt(verb, path, operation) {
  const inputs = new Map((operation.parameters || []).map((one) => [one.name, el("input", { name: one.name })]));
  const schema = operation.requestBody?.content["application/json"].schema;
  const body = schema ? el("textarea", { rows: 10, spellcheck: "false" }) : null;
  if (body) body.value = JSON.stringify(sample(schema), null, 2);
  const line = el("span", { class: "soft", role: "status" });
  const command = el("pre", { hidden: "" }), out = el("pre", { hidden: "" });
  const stop = el("button", { type: "button", hidden: "", onclick: () => control.abort() }, "Stop");
  let control = new AbortController();

  async function send(event) {
    event.preventDefault();
    control.abort();
    const mine = (control = new AbortController());
    const url = address(path, operation, inputs), wanted = request(verb, operation, inputs, body);
    command.textContent = curl(url, wanted);
    command.hidden = out.hidden = stop.hidden = false;
    out.textContent = "";
    line.textContent = "waiting …";
    const began = performance.now();
    try {
      const answer = await fetch(url, { ...wanted, signal: mine.signal });
      line.textContent = `${answer.status} ${answer.statusText} in ${Math.round(performance.now() - began)} ms`;
      await show(answer, out);
    } catch (error) {
      if (mine === control) line.textContent = error.name === "AbortError" ? "stopped" : `failed: ${error.message}`;
    }
    if (mine === control) stop.hidden = true;
  }

  const labels = [...inputs].map(([name, input]) => el("label", null, name, input));
  const row = el("div", { class: "row" }, el("button", { class: "main" }, "Send"), stop, line);
  return [el("h3", null, "Try it"),
    el("form", { class: "try", onsubmit: send }, labels, body && el("label", null, "body", body), row, command, out)];
}

function call(verb, path, operation) {
  const box = el("details", { class: "call", id: operation.operationId },
    el("summary", null, el("span", { class: `verb ${verb}` }, verb.toUpperCase()), el("span", { class: "path" }, path),
      el("span", { class: "soft" }, prose(operation.summary))));
  box.addEventListener("toggle", () => {
    if (box.children.length > 1) return;
    const body = operation.requestBody?.content["application/json"].schema;
    box.append(el("div", null,
      el("p", null, prose(operation.description)),
      el("p", { class: "soft" }, "gRPC: ", el("code", null, operation["x-grpc-method"])),
      parameters(operation),
      body ? [el("h3", null, "Body"), shape(body)] : null,
      answers(operation),
      tryIt(verb, path, operation)));
  });
  return box;
}

function errorTable() {
  const rows = Object.entries(api.components.examples).map(([reason, example]) =>
    el("tr", null, el("td", { class: "name" }, reason), el("td", null, String(example.value.error.code)),
      el("td", null, String(example["x-http-status"])), el("td", null, example["x-grpc-status"]),
      el("td", null, prose(example.summary))));
  return table(["Reason", "Code", "HTTP", "gRPC", ""], rows);
}

function section(id, title, about, ...children) {
  return el("section", { id }, el("h2", null, title), el("p", null, prose(about)), children);
}

const found = []; // one of each call: what is searched, its box and its line in the index

function group(tag) {
  const boxes = [], lines = [];
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const verb of VERBS.filter((one) => verbs[one]?.tags[0] === tag.name)) {
      const operation = verbs[verb], box = call(verb, path, operation);
      const line = el("li", null, el("a", { href: `#${operation.operationId}` },
        el("span", { class: `verb ${verb}` }, verb.toUpperCase()), el("span", { class: "path" }, path)));
      found.push({ text: `${path} ${JSON.stringify(operation)}`.toLowerCase(), box, line });
      boxes.push(box);
      lines.push(line);
    }
  }
  byId("index").append(el("div", null, el("h2", null, tag.name), el("ul", null, lines)));
  return section(tag.name, tag.name, tag.description, boxes);
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of found) {
    one.box.hidden = one.line.hidden = !words.every((word) => one.text.includes(word));
  }
  for (const holder of document.querySelectorAll("#index > div, main section:has(.call)")) {
    holder.hidden = !holder.querySelector("li:not([hidden]), .call:not([hidden])");
  }
}

function openLinked() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

async function start() {
  const answer = await fetch("api/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  api = await answer.json();
  byId("version").textContent = api.info.version;
  const only = api["x-grpc-only"].map((one) =>
    el("tr", null, el("td", { class: "name" }, one["x-grpc-method"].split("/").pop()), el("td", null, prose(one.description))));
  const schemas = Object.keys(api.components.schemas).map((name) => below({ $ref: `#/components/schemas/${name}` }));
  byId("content").append(
    section("about", api.info.title, api.info.description),
    ...api.tags.map(group),
    section("errors", "Errors", "Every failure has one body, ErrorBody; these are its reasons.", errorTable()),
    section("grpc", "Over gRPC only", "Calls without a REST path, and why.", table(["Call", ""], only)),
    section("schemas", "Schemas", "The messages and values that the calls above are made of.", schemas));
  const more = [["errors", "Errors"], ["grpc", "Over gRPC only"], ["schemas", "Schemas"]];
  byId("index").append(el("p", null, more.map(([id, text]) => [el("a", { href: `#${id}` }, text), " "])));
  byId("state").remove();
  byId("search").addEventListener("input", search);
  addEventListener("hashchange", openLinked);
  openLinked();
}

start().catch((error) => {
  byId("state").textContent = `The document could not be loaded (${error.message}).`;
});
