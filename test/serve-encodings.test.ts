/** Answers of `serve` in the forms that only some clients ask for: OpenAPI in protobuf, scales, watches of tables, reviews in protobuf. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createWireCursor, encodeMessage } from "../src/protobuf/message.ts";
import { BYTES } from "../src/protobuf/reader.ts";
import { FIXTURES } from "./kubectl-tables.ts";
import { serveFile, type TestServer } from "./serving.ts";

let server: TestServer;
beforeAll(async () => {
  server = await serveFile(join(FIXTURES, "k120-broad/snapshot.db.gz"));
});
afterAll(() => server.stop());

type Json = Readonly<Record<string, unknown>>;
const get = async (path: string, accept = "application/json") => (await server.fetch(path, { accept })).json();
const bytesOf = async (path: string, accept: string) =>
  new Uint8Array(await (await server.fetch(path, { accept })).arrayBuffer());

/** The bytes of each field with that number. */
function fieldsOf(message: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const cursor = createWireCursor(message, "the answer", "object-invalid");
  while (cursor.next()) if (cursor.field === number && cursor.wireType === BYTES) found.push(cursor.bytes());
  return found;
}
const textOf = (message: Uint8Array, number: number) => Buffer.from(fieldsOf(message, number)[0] ?? []).toString();
const namedIn = (message: Uint8Array, number: number) =>
  new Map(fieldsOf(message, number).map((each) => [textOf(each, 1), fieldsOf(each, 2)[0] ?? new Uint8Array()]));

test("OpenAPI in protobuf has the paths, definitions and properties of the JSON", async () => {
  const json = (await get("/openapi/v2")) as {
    readonly swagger: string;
    readonly paths: Readonly<Record<string, { readonly get?: { readonly operationId: string } }>>;
    readonly definitions: Readonly<Record<string, { readonly type?: string; readonly properties?: Json } & Json>>;
  };
  const document = await bytesOf("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
  expect(textOf(document, 1)).toBe(json.swagger);
  const paths = namedIn(fieldsOf(document, 8)[0]!, 2);
  expect([...paths.keys()]).toEqual(Object.keys(json.paths));
  const operations = Object.entries(json.paths).filter(([, { get: own }]) => own !== undefined);
  expect(operations.length).toBeGreaterThan(0);
  for (const [path, { get: own }] of operations)
    expect(textOf(fieldsOf(paths.get(path)!, 2)[0]!, 5)).toBe(own!.operationId);
  const definitions = namedIn(fieldsOf(document, 9)[0]!, 1);
  expect([...definitions.keys()]).toEqual(Object.keys(json.definitions));
  for (const [name, { type, properties = {}, ...rest }] of Object.entries(json.definitions)) {
    const schema = definitions.get(name)!;
    const own = fieldsOf(schema, 25)[0];
    expect([...(own === undefined ? [] : namedIn(own, 1).keys())], name).toEqual(Object.keys(properties));
    expect(textOf(fieldsOf(schema, 22)[0] ?? new Uint8Array(), 1), name).toBe(type ?? "");
    const extensions = Object.entries(rest).filter(([key]) => key.startsWith("x-"));
    const written = [...namedIn(schema, 31)].map(([key, any]) => [key, JSON.parse(textOf(any, 2))]);
    expect(written, name).toEqual(extensions);
  }
});

test.each([
  ["/apis/apps/v1/namespaces/shop/deployments/web", "app=web"],
  ["/apis/apps/v1/namespaces/shop/statefulsets/db", "app=db"],
])("the scale of %s", async (path, selector) => {
  const object = (await get(path)) as { spec: { replicas: number }; status: { replicas: number }; metadata: Json };
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  expect(await get(`${path}/scale`)).toEqual({
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec.replicas },
    status: { replicas: object.status.replicas, selector },
  });
});

test("the scale of a ReplicationController has its plain selector", async () => {
  const { items } = (await get("/api/v1/namespaces/shop/replicationcontrollers")) as {
    readonly items: readonly {
      readonly metadata: { readonly name: string };
      readonly spec: { readonly selector: Json };
    }[];
  };
  const [controller] = items;
  const scale = (await get(`/api/v1/namespaces/shop/replicationcontrollers/${controller!.metadata.name}/scale`)) as {
    readonly status: { readonly selector: string };
  };
  const wanted = Object.entries(controller!.spec.selector).map(([label, value]) => `${label}=${value}`);
  expect(scale.status.selector).toBe(wanted.sort().join(","));
});

const HISTORY = "/api/v1/namespaces/shop/pods?watch=1&resourceVersion=600&allowWatchBookmarks=true&timeoutSeconds=1";

test("a watch of tables has the rows of the objects, and columns once", async () => {
  const lines = async (accept: string) =>
    (await (await server.fetch(HISTORY, { accept })).text())
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const plain = await lines("application/json");
  const tables = await lines("application/json;as=Table;v=v1;g=meta.k8s.io");
  const seen = tables.map(({ type, object }) => [type, object.kind, object.rows[0].object.metadata.resourceVersion]);
  expect(seen).toEqual(plain.map(({ type, object }) => [type, "Table", object.metadata.resourceVersion]));
  expect(tables.filter(({ object }) => object.columnDefinitions !== null)).toHaveLength(1);
  expect(tables.at(-1)).toMatchObject({ type: "BOOKMARK", object: { rows: [{ cells: [] }] } });
});

test("a watch in protobuf has frames with a length each", async () => {
  const plain = (await (await server.fetch(HISTORY)).text())
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const stream = Buffer.from(await bytesOf(HISTORY, "application/vnd.kubernetes.protobuf;type=watch"));
  const types: string[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = stream.readUInt32BE(at);
    const event = stream.subarray(at + 4, at + 4 + length);
    expect(event.length).toBe(length);
    types.push(textOf(event, 1));
    expect(fieldsOf(event, 2)).toHaveLength(1);
    at += 4 + length;
  }
  expect(types).toEqual(plain.map(({ type }) => type));
});

test("a review in protobuf is answered as one in JSON", async () => {
  const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
  const review = encodeMessage((writer) => {
    writer.message(1, (type) => {
      type.string(1, "authorization.k8s.io/v1");
      type.string(2, "SelfSubjectAccessReview");
    });
    writer.message(2, (object) =>
      object.message(2, (spec) =>
        spec.message(1, (attributes) => {
          attributes.string(1, "shop");
          attributes.string(2, "delete");
          attributes.string(5, "pods");
        }),
      ),
    );
  });
  const body = Buffer.concat([Buffer.from("k8s\0"), review]);
  const headers = { "content-type": "application/vnd.kubernetes.protobuf", accept: "application/json" };
  const answer = (await (await server.fetch(path, headers, { method: "POST", body })).json()) as Json;
  const resourceAttributes = { namespace: "shop", verb: "delete", resource: "pods" };
  const asked = {
    kind: "SelfSubjectAccessReview",
    apiVersion: "authorization.k8s.io/v1",
    spec: { resourceAttributes },
  };
  const json = { method: "POST", body: JSON.stringify(asked) };
  const same = (await (await server.fetch(path, { "content-type": "application/json" }, json)).json()) as Json;
  expect(answer.status).toEqual(same.status);
  expect(answer.status).toMatchObject({ allowed: false });
  expect(answer.spec).toMatchObject({ resourceAttributes });
});
