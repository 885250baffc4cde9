import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  answers,
  differences,
  exceptions,
  liveValues,
  type SnapshotName,
  storedVersions,
} from "../../test/fixture-values.ts";
import type { DecodedValue, JsonObject, KubeObject } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { encodeCbor } from "./cbor.ts";
import { decodeValue } from "./decode.ts";
import { createTransformer } from "./encryption.ts";
import { parseEncryptionConfig } from "./encryption-config.ts";
import { printJson } from "./json-text.ts";
import { peekType } from "./peek-type.ts";
import { findResource } from "./resources.ts";
import { printYaml } from "./yaml-text.ts";

const fixture = (name: string) => readFileSync(join(import.meta.dirname, "../../test/fixtures", name));
const encryption = parseEncryptionConfig(fixture("k136-encrypted/encryption.yaml").toString("utf8"), "encryption.yaml");
const transformer = createTransformer(encryption);

function objectOf(decoded: DecodedValue): KubeObject {
  if (decoded.state !== "object") throw new Error(`${decoded.state}: ${decoded.text}`);
  return decoded.object;
}

const stored = (value: string | Uint8Array, modRevision = 7) => ({
  key: "/registry/x",
  value: typeof value === "string" ? Buffer.from(value) : value,
  modRevision,
});

describe("what API servers answered", () => {
  test.each(["k120-broad", "k136-encrypted", "k136-compacted"] as const)(
    "every object of %s decodes exactly",
    (name) => {
      const wanted = answers(name);
      const isExcepted = exceptions(name);
      const values = new Map(liveValues(name).map((value) => [value.key, value]));
      const wrong: string[] = [];
      for (const { key, object } of wanted.values()) {
        const decoded = decodeValue(values.get(key)!, transformer);
        const found = decoded.state === "object" ? differences(object, decoded.object) : [decoded.text];
        wrong.push(
          ...found.filter((place) => !isExcepted(key, place.slice(0, place.indexOf(": ")))).map((place) => key + place),
        );
      }
      expect(wrong).toEqual([]);
      expect(wanted.size).toBe({ "k120-broad": 580, "k136-encrypted": 327, "k136-compacted": 1799 }[name]);
    },
  );

  test.each(["k136-encrypted", "k136-compacted"] as const)("objects of %s print as the server's very text", (name) => {
    const wanted = answers(name);
    const wrong = liveValues(name).filter((value) => {
      const answer = wanted.get(value.key);
      return answer !== undefined && printJson(objectOf(decodeValue(value, transformer))) !== answer.text;
    });
    expect(wrong.map(({ key }) => key)).toEqual([]);
  });

  test("of 1.20, texts differ only where a later release left out or added an empty field", () => {
    const wanted = answers("k120-broad");
    const wrong = liveValues("k120-broad").filter((value) => {
      const answer = wanted.get(value.key);
      const text = answer && printJson(objectOf(decodeValue(value)));
      return answer && text !== answer.text && text !== answer.text.replace(/"creationTimestamp":null,?/g, "");
    });
    const kinds = wrong.map((value) => objectOf(decodeValue(value)).kind);
    expect(new Set(kinds)).toEqual(
      new Set(["StatefulSet", "ControllerRevision", "IngressClass", "Pod", "CronJob", "Widget"]),
    );
    expect(kinds.length).toBeLessThanOrEqual(14);
  });

  test.each([
    ["selfhosted-k120", "kube-system.json.gz"],
    ["kubeadm-k120", "pods.json.gz"],
  ] as const)("the control plane of %s decodes exactly", (name, file) => {
    const items = JSON.parse(gunzipSync(fixture(`${name}/${file}`)).toString("utf8")).items as KubeObject[];
    const byUid = new Map(
      liveValues(name)
        .map((value) => objectOf(decodeValue(value)))
        .map((object) => [object.metadata.uid, object]),
    );
    expect(items.length).toBeGreaterThan(3);
    for (const item of items) {
      const { apiVersion: _version, kind: _kind, ...fields } = byUid.get(item.metadata.uid) as JsonObject;
      const { apiVersion: _itemVersion, kind: _itemKind, ...wanted } = item;
      expect(differences(wanted, fields).filter((place) => !place.startsWith(".metadata.selfLink"))).toEqual([]);
    }
  });

  test.each(["k120-broad", "selfhosted-etcd-k120"] as SnapshotName[])("no field of %s is unknown", (name) => {
    for (const value of storedVersions(name)) {
      const decoded = decodeValue(value);
      expect(decoded.state).toBe("object");
      expect(decoded).toHaveProperty("unknownFields", []);
      const { encoding, object } = decoded as Extract<DecodedValue, { state: "object" }>;
      expect(peekType(value.value)).toEqual({ encoding, apiVersion: object.apiVersion, kind: object.kind });
    }
  });
});

describe("encodings other than protobuf", () => {
  const wanted = liveValues("k136-compacted")
    .map((value) => objectOf(decodeValue(value)))
    .filter((object) => findResource(object.apiVersion, object.kind));
  const withoutRevision = (object: KubeObject) => {
    const { resourceVersion: _revision, ...metadata } = object.metadata;
    return { ...object, metadata } as KubeObject;
  };

  test.each([
    ["json", (object: KubeObject) => Buffer.from(printJson(object))],
    ["yaml", (object: KubeObject) => Buffer.from(printYaml(object))],
    ["cbor", (object: KubeObject) => encodeCbor(object)],
  ] as const)("a built-in kind stored as %s reads as if it were protobuf, in the same order", (encoding, encode) => {
    for (const object of wanted.slice(0, 400)) {
      const value = encode(withoutRevision(object));
      const decoded = decodeValue(stored(value, Number(object.metadata.resourceVersion)));
      expect(decoded).toMatchObject({ state: "object", encoding });
      if (object.metadata.managedFields === undefined || encoding === "json") {
        expect(printJson(objectOf(decoded))).toBe(printJson(object));
      } else expect(differences(object, objectOf(decoded))).toEqual([]);
      expect(peekType(value)).toEqual({ encoding, apiVersion: object.apiVersion, kind: object.kind });
    }
  });

  test("numbers of a custom resource are what the API server makes of them", () => {
    const text =
      `{"apiVersion":"x.io/v1","kind":"X","metadata":{"name":"a","uid":"u"},"spec":` +
      `{"a":1.0,"b":-0,"c":9007199254740993,"d":-9223372036854775808,"e":1e3,"f":18446744073709551616,"g":-0.0,"h":0.5}}`;
    const { spec } = objectOf(decodeValue(stored(text))) as JsonObject;
    expect(printJson(spec!)).toBe(
      '{"a":1,"b":0,"c":9007199254740993,"d":-9223372036854775808,"e":1000,"f":18446744073709552000,"g":0,"h":0.5}',
    );
    expect((spec as JsonObject).c).toBe(9007199254740993n);
    expect((spec as JsonObject).b).toBe(0);
  });

  test("a custom resource gets its resourceVersion in the sorted place", () => {
    const object = objectOf(
      decodeValue(stored('{"apiVersion":"x.io/v1","kind":"X","metadata":{"name":"a","uid":"u"}}', 12)),
    );
    expect(printJson(object)).toBe(
      '{"apiVersion":"x.io/v1","kind":"X","metadata":{"name":"a","resourceVersion":"12","uid":"u"}}',
    );
  });

  test("maps keep Go's order although JavaScript moves numbers to the front", () => {
    const text =
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"-":"","1":"","10":"","2":"","__proto__":"p"}}';
    expect(printJson((objectOf(decodeValue(stored(text))) as JsonObject).data!)).toBe(
      '{"-":"","1":"","10":"","2":"","__proto__":"p"}',
    );
  });
});

describe("values that are no plain objects", () => {
  test.each(["", "12345", "text", "[1]", '{"a":1}', '"x"'])("%j is opaque", (text) => {
    expect(decodeValue(stored(text)).state).toMatch(/opaque|unreadable/);
  });

  test("an encrypted value is named", () => {
    const decoded = decodeValue(stored("k8s:enc:aescbc:v1:key1:0123456789"));
    expect(decoded).toMatchObject({ state: "encrypted", provider: "aescbc", keyName: "key1" });
  });

  test("text that is not well-formed is not quoted: it may be a secret", () => {
    const decoded = decodeValue(stored('{"kind":"Secret","apiVersion":"v1","data":{"password":"aHVudGVyMg==}'));
    expect(decoded).toEqual({ state: "unreadable", text: "json: not well-formed" });
  });
});

/** An envelope of parts: what a test wants to say about protobuf. */
function protobuf(apiVersion: string, kind: string, message: Uint8Array): Uint8Array {
  const writer = new WireWriter();
  const text = (number: number, value: string | Uint8Array) => {
    const before = writer.size;
    writer.raw(typeof value === "string" ? Buffer.from(value) : value);
    writer.delimit(number, before);
  };
  text(2, message);
  const before = writer.size;
  text(2, kind);
  text(1, apiVersion);
  writer.delimit(1, before);
  writer.raw(Buffer.from("k8s\0"));
  return writer.finish();
}

describe("protobuf", () => {
  test("an object of which nothing is stored prints Go's zero values", () => {
    const object = objectOf(decodeValue(stored(protobuf("apps/v1", "Deployment", new Uint8Array()))));
    expect(printJson(object)).toBe(
      '{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"resourceVersion":"7"},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}',
    );
  });

  test("unknown fields are named by their path", () => {
    // spec (2) { template (3) { spec (2) { containers (2) { #99: 1 } } } }, #500: ""
    const bytes = Uint8Array.of(
      0x12,
      0x0b,
      0x1a,
      0x09,
      0x12,
      0x07,
      0x12,
      0x00,
      0x12,
      0x03,
      0x98,
      0x06,
      0x01,
      0xa2,
      0x1f,
      0x00,
    );
    const decoded = decodeValue(stored(protobuf("apps/v1", "Deployment", bytes)));
    expect(decoded).toHaveProperty("unknownFields", ["spec.template.spec.containers[1].#99", "#500"]);
  });

  test.each([
    [Uint8Array.of(0x12, 0x7f), 'protobuf: object: "spec" runs past the end'],
    [Uint8Array.of(0x12, 0x02, 0x1a, 0x7f), 'protobuf: spec: "template" runs past the end'],
    [Uint8Array.of(0x10, 0x01), 'protobuf: object: "spec" has wire type 0'],
    [Uint8Array.of(0x02, 0x00), "protobuf: object: field number 0"],
    [Uint8Array.of(0x12, 0x81), "protobuf: object: a number runs past the end"],
  ])("damage %# says where", (bytes, text) => {
    const decoded = decodeValue(stored(protobuf("apps/v1", "Deployment", bytes)));
    expect(decoded.state).toBe("unreadable");
    expect(decoded).toHaveProperty("text", expect.stringContaining(text));
  });

  test("an unknown kind or content encoding is named", () => {
    expect(decodeValue(stored(protobuf("v1", "Gadget", new Uint8Array())))).toHaveProperty(
      "text",
      expect.stringContaining('kind "Gadget" of "v1"'),
    );
  });

  test("an object within a RawExtension may be JSON, protobuf or CBOR", () => {
    const inner = { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "x" }, data: { a: "b" } };
    const name = Uint8Array.of(0x0a, 0x03, 0x0a, 0x01, 0x78, 0x12, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x62);
    for (const raw of [
      Buffer.from(JSON.stringify(inner)),
      protobuf("v1", "ConfigMap", name),
      Buffer.from(encodeCbor(inner)),
    ]) {
      const writer = new WireWriter();
      writer.raw(raw);
      writer.delimit(1, 0);
      writer.delimit(2, 0); // ControllerRevision.data
      const object = objectOf(decodeValue(stored(protobuf("apps/v1", "ControllerRevision", writer.finish()))));
      expect((object as JsonObject).data).toEqual(inner);
    }
  });
});
