/**
 * The text that decoders write: the same as what is printed of the object, for real objects, in any order of their
 * fields, and for a choice of fields.
 */
import { describe, expect, test } from "vitest";
import { SNAPSHOTS, storedVersions } from "../../test/fixture-values.ts";
import type { JsonObject, StoredValue } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import type { FieldChoice } from "./compile-decoder.ts";
import { decodeMessage, writeMessage } from "./decode-message.ts";
import { isProtobuf, readEnvelope } from "./envelope.ts";
import { printJson } from "./json-text.ts";
import { planOf } from "./message-plan.ts";
import { findResource } from "./resources.ts";

function rootOf({ value, modRevision }: StoredValue) {
  const root = { ...readEnvelope(value), resourceVersion: String(modRevision) };
  return { root, plan: planOf(findResource(root.apiVersion, root.kind)!.message) };
}

const textOf = ({ json }: { readonly json: Uint8Array }): string => Buffer.from(json).toString("utf8");

describe("real objects", () => {
  test.each(SNAPSHOTS)("every version of every object of %s has the text of its object", (name) => {
    const wrong: string[] = [];
    let count = 0;
    for (const stored of storedVersions(name).filter(({ value }) => isProtobuf(value))) {
      const { root, plan } = rootOf(stored);
      const text = textOf(writeMessage(plan, stored.value, root));
      if (printJson(decodeMessage(plan, stored.value, root).object) !== text) wrong.push(stored.key);
      count += 1;
    }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(200);
  });

  test.each<[string, FieldChoice]>([
    [
      "of all parts",
      {
        metadata: { name: true, labels: true, creationTimestamp: true },
        spec: { containers: { name: true, image: true }, nodeName: true, volumes: { secret: { secretName: true } } },
        status: { conditions: { type: true } },
      },
    ],
    ["metadata alone", { metadata: { name: true, labels: true } }],
    ["what many have in common", { metadata: { name: true }, status: { phase: true } }],
    ["no metadata", { status: { phase: true } }],
  ])("a choice of fields (%s) is what the whole object has of them", (_, choice) => {
    const pods = storedVersions("k120-broad").filter(({ key }) => key.startsWith("/registry/pods/"));
    expect(pods.length).toBeGreaterThan(20);
    for (const stored of [...pods, ...pods]) {
      const { root, plan } = rootOf(stored);
      const { kind, apiVersion, ...fields } = decodeMessage(plan, stored.value, root).object as JsonObject;
      const chosen = decodeMessage(plan, stored.value, root, choice).object;
      expect(printJson(chosen)).toBe(printJson({ kind, apiVersion, ...(chosenOf(fields, choice) as JsonObject) }));
    }
  });
});

/** The fields of a choice, out of a whole object. */
function chosenOf(value: unknown, choice: FieldChoice): unknown {
  if (choice === true || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => chosenOf(item, choice));
  const fields = Object.entries(value).filter(([name]) => Object.hasOwn(choice, name));
  return Object.fromEntries(fields.map(([name, field]) => [name, chosenOf(field, choice[name]!)]));
}

/** A message of delimited fields, the first one first. */
function message(...fields: readonly (readonly [number: number, content: string | Uint8Array])[]): Uint8Array {
  const writer = new WireWriter();
  for (const [number, content] of fields.toReversed()) {
    const before = writer.size;
    writer.raw(typeof content === "string" ? Buffer.from(content) : content);
    writer.delimit(number, before);
  }
  return writer.finish();
}

const decodeAs = (apiVersion: string, kind: string, bytes: Uint8Array): string => {
  const root = { apiVersion, kind, resourceVersion: "", start: 0, end: bytes.length };
  return textOf(writeMessage(planOf(findResource(apiVersion, kind)!.message), bytes, root));
};

describe("what no API server writes", () => {
  test("maps are sorted by the bytes of their keys, the last of the same key counts", () => {
    const entry = (key: string, value: string) => [2, message([1, key], [2, value])] as const;
    const data = [
      entry("b", "1"),
      entry("é", "2"),
      entry("a", "3"),
      entry("10", "4"),
      entry("9", "5"),
      entry("b", "6"),
    ];
    expect(decodeAs("v1", "ConfigMap", message(...data))).toBe(
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"10":"4","9":"5","a":"3","b":"6","é":"2"}}',
    );
  });

  test("entries may lack a key or a value, or have them in the other order", () => {
    const data = [
      [2, message([2, "v"], [1, "k"])] as const,
      [2, message([1, "only"])] as const,
      [2, message()] as const,
    ];
    expect(decodeAs("v1", "ConfigMap", message(...data))).toBe(
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{"":"","k":"v","only":""}}',
    );
  });

  test("items of a list may lie apart, and a long one among them", () => {
    const finalizer = (text: string) => [14, text] as const;
    const long = "x".repeat(70_000);
    const metadata = message(finalizer("a"), [1, "name"], finalizer(long), [99, "unknown"], finalizer("c"));
    expect(decodeAs("v1", "ConfigMap", message([1, metadata]))).toBe(
      `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"name","finalizers":["a","${long}","c"]}}`,
    );
  });

  test("strings are escaped as Go escapes them", () => {
    const text = 'plain "quoted" \\ \b\f\n\r\t\u0001 <&> é \u2028 \u{1f600}';
    const metadata = message([1, text]);
    expect(decodeAs("v1", "ConfigMap", message([1, metadata]))).toBe(
      `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":${printJson(text)}}}`,
    );
    const invalid = message([1, message([1, Uint8Array.of(0x61, 0xff, 0x62)])]);
    expect(decodeAs("v1", "ConfigMap", invalid)).toContain('"name":"a\ufffdb"');
  });

  test("of a field that is there twice the last counts", () => {
    const bytes = message([1, message([1, "first"])], [1, message([1, "last"])]);
    expect(decodeAs("v1", "ConfigMap", bytes)).toBe(
      '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"last"}}',
    );
  });

  test("an object that becomes much longer as JSON than it is stored", () => {
    const data = message([2, message([1, "k"], [2, new Uint8Array(2_000_000).fill(1)])]);
    expect(decodeAs("v1", "ConfigMap", data).length).toBeGreaterThan(12_000_000);
  });

  test("raw JSON is printed compact, its escapes as Go prints them, large integers as they are", () => {
    const raw = (json: string) => message([2, message([1, json])]);
    const dataOf = (json: string) => decodeAs("apps/v1", "ControllerRevision", raw(json));
    expect(dataOf('{"a": [1, 12345678901234567890], "b": "<\\u0041/\\/é>"}')).toContain(
      '"data":{"a":[1,12345678901234567890],"b":"\\u003cA//é\\u003e"}',
    );
    expect(dataOf('{"spec":{"template":{"x":1}}}')).toContain('"data":{"spec":{"template":{"x":1}}}');
    expect(() => dataOf('{"a":')).toThrow("data: raw JSON is not well-formed");
  });
});
