// Calls a gateway by gRPC-Web, and prints what came back as JSON: node client.js BASE_URL DESCRIPTOR_SET
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";

const [baseUrl, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const client = createClient(
  registry.getService("tekton.v1.RegistryService"),
  createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
);

async function unary() {
  let revision;
  const reply = await client.registerComponent(
    { componentId: "vector" },
    { onHeader: (headers) => (revision = headers.get("tekton-revision")) },
  );
  return { component_id: reply.componentId, revision };
}

async function failure(componentId) {
  try {
    await client.getComponent({ componentId });
  } catch (error) {
    const { code, rawMessage, details } = ConnectError.from(error);
    const shown = details.map(({ type, value }) => ({ type, value: Buffer.from(value).toString("base64") }));
    return { code: Code[code], message: rawMessage, details: shown };
  }
}

async function wholeStream() {
  const parts = [];
  for await (const body of client.streamRegistry({ componentIds: ["short"] })) {
    parts.push(Buffer.from(body.data).toString());
  }
  return parts;
}

// The server sends one message and then waits: it must be here before the stream ends.
async function endlessStream() {
  const stop = new AbortController();
  for await (const reply of client.watchRegistry({}, { signal: stop.signal })) {
    setTimeout(() => stop.abort());
    return toJson(registry.getMessage(reply.$typeName), reply);
  }
}

const answers = {
  unary: await unary(),
  failure: await failure("missing"),
  late_failure: await failure("late"),
  whole_stream: await wholeStream(),
  endless_stream: await endlessStream(),
};
console.log(JSON.stringify(answers));
