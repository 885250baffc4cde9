import { describe, expect, test } from "vitest";
import { liveValues, SNAPSHOTS, storedVersions } from "../../test/fixture-values.ts";
import type { DecodedValue, JsonObject, KubeObject, StorageEncoding, StoredValue } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { decodeValue } from "./decode.ts";
import { encodeObject } from "./encode.ts";
import { readEncryptionHeader } from "./encryption.ts";
import { readEnvelope } from "./envelope.ts";
import { printJson } from "./json-text.ts";
import { StoredMessage } from "./stored-fields.ts";

type Decoded = Extract<DecodedValue, { state: "object" }>;

function decode(stored: StoredValue): Decoded {
  const decoded = decodeValue(stored);
  if (decoded.state !== "object") throw new Error(decoded.text);
  return decoded;
}

const plainVersions = (name: (typeof SNAPSHOTS)[number]) =>
  storedVersions(name).filter(({ value }) => !readEncryptionHeader(value));
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe("unchanged objects come back byte for byte", () => {
  test.each(SNAPSHOTS)("every version of every object of %s", (name) => {
    const versions = plainVersions(name);
    const wrong = versions.filter((stored) => {
      const { object, encoding } = decode(stored);
      return !same(encodeObject(object, { encoding, like: stored.value }), stored.value);
    });
    expect(wrong.map(({ key }) => key)).toEqual([]);
    expect(versions.length).toBeGreaterThan(300);
  });

  test.each(["k136-encrypted", "k136-compacted"] as const)(
    "those of %s, from the release that the tables know best, without a look at the stored bytes",
    (name) => {
      const wrong = plainVersions(name).filter((stored) => {
        const { object, encoding } = decode(stored);
        return !same(encodeObject(object, { encoding }), stored.value);
      });
      expect(wrong.map(({ key }) => key)).toEqual([]);
    },
  );

  test("those of an older release differ only in zero values that it did not know of: they decode the same", () => {
    for (const stored of plainVersions("k120-broad")) {
      const { object, encoding } = decode(stored);
      const again = decode({ ...stored, value: encodeObject(object, { encoding }) });
      expect(printJson(again.object)).toBe(printJson(object));
    }
  });

  test.each(["json", "yaml", "cbor"] as const)("as %s, an object decodes to itself", (encoding) => {
    for (const stored of liveValues("k120-broad")) {
      const { object } = decode(stored);
      const value = encodeObject(object, { encoding });
      const again = decode({ ...stored, value });
      expect(again.encoding).toBe(encoding);
      const wanted = decode({ ...stored, value: encodeObject(object, { encoding: "json" }) });
      // YAML and CBOR sort the keys of raw JSON, such as managed fields.
      expect(sorted(again.object)).toBe(sorted(wanted.object));
      expect(same(encodeObject(again.object, { encoding, like: value }), value)).toBe(true);
      if (encoding !== "yaml") expect(same(encodeObject(again.object, { encoding }), value)).toBe(true);
    }
  });
});

function sorted(value: KubeObject): string {
  const order = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(order);
    if (typeof item !== "object" || item === null) return item;
    const fields = item as { [name: string]: unknown };
    return Object.fromEntries(
      Object.keys(fields)
        .sort()
        .map((key) => [key, order(fields[key])]),
    );
  };
  return printJson(order(value) as JsonObject);
}

/** A protobuf object, with fields appended to messages at a path of field numbers. */
function withUnknown(value: Uint8Array, path: readonly number[], extra: Uint8Array): Uint8Array {
  const envelope = readEnvelope(value);
  const message = insert(new StoredMessage(value, envelope.start, envelope.end), path, extra);
  const writer = new WireWriter();
  writer.raw(Uint8Array.of(0x1a, 0x00, 0x22, 0x00));
  writer.raw(message);
  writer.delimit(2, writer.size - message.length);
  writer.raw(value.subarray(0, envelope.start - lengthOfHead(value, envelope.start)));
  return writer.finish();
}

/** How many bytes the tag and length before a message take. */
function lengthOfHead(value: Uint8Array, start: number): number {
  let at = start - 1;
  while (value[at - 1]! >= 0x80) at--;
  return start - at + 1;
}

function insert(message: StoredMessage, path: readonly number[], extra: Uint8Array): Uint8Array {
  const [first, ...rest] = path;
  const writer = new WireWriter();
  if (first === undefined) writer.raw(extra);
  for (const number of [...message.fields.keys()].sort((a, b) => b - a)) {
    for (const field of [...message.fields.get(number)!].reverse()) {
      if (number !== first) {
        writer.raw(message.bytes.subarray(field.tagStart, field.end));
        continue;
      }
      const before = writer.size;
      writer.raw(insert(message.message(field), rest, extra));
      writer.delimit(number, before);
    }
  }
  return writer.finish();
}

describe("changed objects", () => {
  const deployment = liveValues("selfhosted-k120").find(({ key }) =>
    key.startsWith("/registry/deployments/kube-system/"),
  )!;
  // spec (2) . template (3) . spec (2) . containers (2): field 99, a string
  const extra = Uint8Array.of(0x9a, 0x06, 0x02, 0x68, 0x69);
  const value = withUnknown(deployment.value, [2, 3, 2, 2], extra);

  test("keep the fields that the tables do not know", () => {
    const decoded = decode({ ...deployment, value });
    expect(decoded.unknownFields).toEqual(["spec.template.spec.containers[0].#99"]);
    expect(same(encodeObject(decoded.object, { encoding: "protobuf", like: value }), value)).toBe(true);
    const spec = decoded.object.spec as JsonObject;
    const changed = { ...decoded.object, spec: { ...spec, replicas: 3 } } as KubeObject;
    const encoded = encodeObject(changed, { encoding: "protobuf", like: value });
    const again = decode({ ...deployment, value: encoded });
    expect(again.unknownFields).toEqual(decoded.unknownFields);
    expect((again.object.spec as JsonObject).replicas).toBe(3);
    expect({ ...(again.object.spec as JsonObject), replicas: spec.replicas }).toEqual(spec);
  });

  test("an item that moved keeps what is unknown in it, by its name", () => {
    const decoded = decode({ ...deployment, value });
    const spec = decoded.object.spec as { template: { spec: { containers: readonly JsonObject[] } } };
    const containers = [{ name: "first", image: "x" }, ...spec.template.spec.containers];
    const template = { ...spec.template, spec: { ...spec.template.spec, containers } };
    const changed = { ...decoded.object, spec: { ...spec, template } } as unknown as KubeObject;
    const again = decode({ ...deployment, value: encodeObject(changed, { encoding: "protobuf", like: value }) });
    expect(again.unknownFields).toEqual(["spec.template.spec.containers[1].#99"]);
  });

  test("resourceVersion is never stored", () => {
    for (const encoding of ["protobuf", "json", "yaml", "cbor"] satisfies StorageEncoding[]) {
      const { object } = decode(deployment);
      const encoded = encodeObject(object, { encoding });
      const again = decode({ ...deployment, value: encoded, modRevision: 0 });
      expect(again.object.metadata.resourceVersion).toBeUndefined();
    }
  });

  test.each([
    [
      { spec: { replicas: "3" } },
      'field "spec.replicas" must be a whole number from -2147483648 to 2147483647, found a string',
    ],
    [
      { spec: { replicas: 2 ** 31 } },
      'field "spec.replicas" must be a whole number from -2147483648 to 2147483647, found a number',
    ],
    [{ spec: { replica: 3 } }, 'field "spec.replica" is not one of apps/v1.DeploymentSpec'],
    [{ spec: { paused: 1 } }, 'field "spec.paused" must be true or false, found a number'],
    [{ spec: { template: [] } }, 'field "spec.template" must be an object, found a list'],
    [
      { spec: { template: { spec: { containers: {} } } } },
      'field "spec.template.spec.containers" must be a list, found an object',
    ],
    [{ metadata: { labels: [] } }, 'field "metadata.labels" must be a map, found a list'],
    [{ metadata: { creationTimestamp: "now" } }, 'field "metadata.creationTimestamp" must be an RFC 3339 time'],
  ])("%j is refused", (fields, message) => {
    const object = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "x" },
      ...fields,
    } as unknown as KubeObject;
    expect(() => encodeObject(object, { encoding: "protobuf" })).toThrow(
      expect.objectContaining({ code: "object-invalid", message }),
    );
  });

  test("a custom resource has no protobuf form", () => {
    const object = { apiVersion: "x.io/v1", kind: "X", metadata: { name: "x" } };
    expect(() => encodeObject(object, { encoding: "protobuf" })).toThrow('kind "X" of "x.io/v1" has no protobuf form');
  });
});
