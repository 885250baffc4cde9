/** Bytes that no API server wrote: whatever they are, the answer is a value, never an exception, and never takes long. */

import { describe, expect, test } from "vitest";
import { liveValues } from "../../test/fixture-values.ts";
import { fc } from "../../test/properties.ts";
import type { DecodedValue, JsonValue } from "../kube/object.ts";
import { WireWriter } from "../protobuf/writer.ts";
import { encodeCbor } from "./cbor.ts";
import { surelyDecodes } from "./check-value.ts";
import { decodeValue, MAX_VALUE_BYTES } from "./decode.ts";
import { encodeObject } from "./encode.ts";
import { PROTOBUF_MAGIC } from "./envelope.ts";
import { MAX_DEPTH } from "./json-parse.ts";
import { printJson } from "./json-text.ts";
import { peekType } from "./peek-type.ts";
import { RESOURCES } from "./resources.ts";

const live = liveValues("k120-broad");
/** One object of every kind, the smallest. */
const samples = [...Map.groupBy(live, ({ key }) => key.split("/").slice(0, 3).join("/")).values()].map((values) =>
  values.reduce((a, b) => (a.value.length < b.value.length ? a : b)),
);

const STATES = ["object", "encrypted", "opaque", "unreadable"];

function survives(value: Uint8Array): DecodedValue {
  const decoded = decodeValue({ key: "/registry/x", value, modRevision: 3 });
  expect(STATES).toContain(decoded.state);
  peekType(value);
  if (decoded.state === "object") printJson(decoded.object);
  if (surelyDecodes(value, 0, value.length)) expect(decoded).toMatchObject({ state: "object", unknownFields: [] });
  return decoded;
}

describe("damage", () => {
  test("objects of every kind, cut off at every byte", () => {
    expect(samples.length).toBeGreaterThan(40);
    for (const { value } of samples) for (let size = 0; size < value.length; size++) survives(value.subarray(0, size));
  });

  test("objects of every kind, with a flipped bit in every byte", () => {
    for (const { value } of samples) {
      const damaged = value.slice();
      for (let at = 0; at < value.length; at++) {
        damaged[at] = value[at]! ^ (1 << (at & 7));
        survives(damaged);
        damaged[at] = value[at]!;
      }
    }
  });

  test("the same in CBOR and YAML", () => {
    for (const stored of samples.slice(0, 25)) {
      const decoded = decodeValue(stored);
      if (decoded.state !== "object") continue;
      for (const encoding of ["cbor", "yaml"] as const) {
        const value = encodeObject(decoded.object, { encoding });
        const damaged = value.slice();
        for (let at = 0; at < value.length; at += encoding === "yaml" ? 23 : 1) {
          survives(value.subarray(0, at));
          damaged[at] = value[at]! ^ (1 << (at & 7));
          survives(damaged);
          damaged[at] = value[at]!;
        }
      }
    }
  });

  test("bytes replaced at random", () => {
    const positions = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...samples), positions, ({ value }, changes) => {
        const damaged = value.slice();
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
        survives(damaged);
      }),
      { numRuns: 3000 },
    );
  });

  test("random bytes as the message of every kind", () => {
    const envelope = ({ apiVersion, kind }: { apiVersion: string; kind: string }, message: Uint8Array) => {
      const writer = new WireWriter();
      const text = (number: number, content: Uint8Array) => {
        const before = writer.size;
        writer.raw(content);
        writer.delimit(number, before);
      };
      text(2, message);
      const before = writer.size;
      text(2, Buffer.from(kind));
      text(1, Buffer.from(apiVersion));
      writer.delimit(1, before);
      writer.raw(PROTOBUF_MAGIC);
      return writer.finish();
    };
    const types = RESOURCES.map(({ group, version, kind }) => ({
      apiVersion: group ? `${group}/${version}` : version,
      kind,
    }));
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 200 }), (type, message) => {
        const decoded = survives(envelope(type, message));
        expect(decoded.state).toMatch(/object|unreadable/);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("nesting", () => {
  const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);

  test.each([
    ["json lists", (depth: number) => Buffer.from(`{"kind":"A","apiVersion":"b/v1","x":${nested(depth, "[", "]")}}`)],
    [
      "json objects",
      (depth: number) =>
        Buffer.from(`{"kind":"A","apiVersion":"b/v1","x":${nested(depth, '{"a":', "}").replace("}", "1}")}}`),
    ],
    ["yaml lists", (depth: number) => Buffer.from(`kind: A\napiVersion: b/v1\nx: ${nested(depth, "[", "]")}\n`)],
    [
      "cbor lists",
      (depth: number) =>
        Buffer.concat([
          Buffer.from("d9d9f7a2446b696e644141", "hex").subarray(0, 3),
          Buffer.alloc(depth, 0x81),
          Buffer.of(0x01),
        ]),
    ],
    [
      "cbor tags",
      (depth: number) => Buffer.concat([Buffer.from("d9d9f7", "hex"), Buffer.alloc(depth, 0xc6), Buffer.of(0x01)]),
    ],
    ["schemas", (depth: number) => schemas(depth)],
  ])("%s a hundred thousand levels deep are unreadable", (_name, build) => {
    expect(survives(build(100_000)).state).toBe("unreadable");
  });

  test("as deep as the limit is fine", () => {
    let value: JsonValue = 1;
    for (let depth = 0; depth < MAX_DEPTH - 2; depth++) value = [value];
    const object = { apiVersion: "b/v1", kind: "A", x: value };
    for (const bytes of [Buffer.from(printJson(object)), encodeCbor(object)])
      expect(survives(bytes).state).toBe("object");
  });

  test("lengths and counts of 2^62 allocate nothing", () => {
    const huge = "1b4000000000000000";
    for (const hex of [
      `d9d9f7${huge.replace("1b", "9b")}`,
      `d9d9f7${huge.replace("1b", "bb")}`,
      `d9d9f7${huge.replace("1b", "5b")}`,
    ]) {
      expect(survives(Buffer.from(hex, "hex")).state).toBe("unreadable");
    }
    expect(survives(Buffer.from("6b3873000affffffffffffffff7f", "hex")).state).toBe("unreadable");
  });

  test("many tiny messages, or a huge value, are not made into objects", () => {
    const containers = Buffer.alloc(4_000_000, Buffer.from([0x12, 0x00]));
    const writer = new WireWriter();
    writer.raw(containers);
    writer.delimit(2, 0);
    const message = writer.finish();
    const envelope = new WireWriter();
    envelope.raw(message);
    envelope.delimit(2, 0);
    const typed = Buffer.concat([PROTOBUF_MAGIC, Buffer.from("0a090a0276311203506f64", "hex"), envelope.finish()]);
    expect(survives(typed)).toHaveProperty("text", expect.stringContaining("more messages than any object has"));
    const huge = Buffer.alloc(MAX_VALUE_BYTES + 1, 0x20);
    huge.write('{"kind":"A","apiVersion":"v1"}');
    expect(survives(huge)).toHaveProperty("text", expect.stringContaining("more than any object has"));
  });

  test("YAML aliases, which could grow without bound, are refused", () => {
    const text = "kind: A\napiVersion: b/v1\na: &a [1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n";
    expect(survives(Buffer.from(text)).state).toBe("unreadable");
  });
});

/** A CustomResourceDefinition (v1beta1) whose schema is nested: `not` is field 28 of a schema, `spec.validation` 5 . 1. */
function schemas(depth: number): Uint8Array {
  const writer = new WireWriter();
  for (let level = 0; level < depth; level++) writer.delimit(28, 0);
  writer.delimit(1, 0);
  writer.delimit(5, 0);
  writer.delimit(2, 0);
  const message = writer.finish();
  const head = new WireWriter();
  head.raw(message);
  head.delimit(2, 0);
  const before = head.size;
  for (const [number, text] of [
    [2, "CustomResourceDefinition"],
    [1, "apiextensions.k8s.io/v1beta1"],
  ] as const) {
    const start = head.size;
    head.raw(Buffer.from(text));
    head.delimit(number, start);
  }
  head.delimit(1, before);
  head.raw(PROTOBUF_MAGIC);
  return head.finish();
}
