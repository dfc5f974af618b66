// Calls a gateway by gRPC-Web, as it is told line by line in JSON: node client.js BASE_URL DESCRIPTOR_SET
//   reads   {"call": 1, "rpc": "package.Service.Method", "request": {…}} and {"cancel": 1}
//   prints  {"call": 1, "message": {…}} for each message, and then {"call": 1, "end": {"code", "message", "details", "metadata"}}
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createFileRegistry, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";

const [baseUrl, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const transport = createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true });
const printing = { registry, alwaysEmitImplicit: true, useProtoFieldName: true };
const open = new Map();

const say = (call, what) => console.log(JSON.stringify({ call, ...what }));
const base64 = ({ type, value }) => ({ type, value: Buffer.from(value).toString("base64") });

async function answer(call, rpc, request, stop) {
  const [, name, last] = rpc.match(/^(.+)\.(\w+)$/);
  const service = registry.getService(name);
  const method = service.methods.find((one) => one.name === last);
  const metadata = {};
  const note = (headers) => headers.forEach((value, key) => (metadata[key] = value));
  const options = { signal: stop.signal, onHeader: note, onTrailer: note };
  try {
    const input = fromJson(method.input, request, { registry });
    const said = createClient(service, transport)[method.localName](input, options);
    for await (const message of method.methodKind === "unary" ? [said] : said) {
      say(call, { message: toJson(method.output, message, printing) });
    }
    say(call, { end: { code: 0, message: "", details: [], metadata } });
  } catch (error) {
    const failed = ConnectError.from(error);
    note(failed.metadata);
    say(call, { end: { code: failed.code, message: failed.rawMessage, details: failed.details.map(base64), metadata } });
  }
  open.delete(call);
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { call, rpc, request, cancel } = JSON.parse(line);
    if (cancel) {
      open.get(cancel)?.abort();
      return;
    }
    open.set(call, new AbortController());
    answer(call, rpc, request, open.get(call));
  })
  .on("close", () => open.forEach((stop) => stop.abort()));
