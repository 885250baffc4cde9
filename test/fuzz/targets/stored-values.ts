/**
 * Readers of what Kubernetes stores: protobuf, CBOR, JSON, YAML, encrypted values; and what `snapshot verify` and
 * `snapshot edit` make of them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { decodeReview } from "../../../src/kubeapi/review-protobuf.ts";
import { createWireCursor } from "../../../src/protobuf/message.ts";
import { WireError } from "../../../src/protobuf/reader.ts";
import { decodeCbor, encodeCbor } from "../../../src/storage/cbor.ts";
import { surelyDecodes } from "../../../src/storage/check-value.ts";
import { decodeValue } from "../../../src/storage/decode.ts";
import { createTransformer, readEncryptionHeader } from "../../../src/storage/encryption.ts";
import { parseEncryptionConfig } from "../../../src/storage/encryption-config.ts";
import { parseFields, parseJson } from "../../../src/storage/json-parse.ts";
import { printJson } from "../../../src/storage/json-text.ts";
import { readObjectKey } from "../../../src/storage/object-key.ts";
import { decodeYaml } from "../../../src/storage/yaml-parse.ts";
import { printYaml } from "../../../src/storage/yaml-text.ts";
import { FIXTURES, sampleValues } from "../sample-values.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

/** Objects as an API server with another media type has stored them. */
function storedTexts(file: string): Uint8Array[] {
  const text = gunzipSync(readFileSync(join(FIXTURES, "media-types", file))).toString();
  return text
    .split("\n")
    .filter((line) => line !== "" && line.length < 4000)
    .slice(0, 30)
    .map((line) => bytesOf((JSON.parse(line) as { readonly value: string }).value));
}

/** What the quick check of a verify takes as good must decode: else a damaged object passes unseen. */
function readValue(key: string, value: Uint8Array): void {
  const decoded = decodeValue({ key, value, modRevision: 7 });
  const isWhole = decoded.state === "object" && decoded.unknownFields.length === 0;
  if (surelyDecodes(value, 0, value.length) && !isWhole)
    throw new Error("the quick check accepts a value that does not decode, or not in whole");
  if (decoded.state !== "object") return;
  parseJson(printJson(decoded.object));
  printYaml(decoded.object);
}

export const STORED_VALUE_TARGETS: readonly FuzzTarget[] = [
  {
    name: "stored objects",
    kind: "bytes",
    corpus: () => [
      ...sampleValues().map(({ value }) => value),
      ...storedTexts("json.jsonl.gz"),
      ...storedTexts("yaml.jsonl.gz"),
    ],
    run: (bytes) => readValue("/registry/pods/default/web", bytes),
  },
  {
    name: "CBOR",
    kind: "bytes",
    corpus: () => [
      encodeCbor({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "a", labels: { a: "b" } },
        n: [1, -1, 1.5, true, null],
      }),
      encodeCbor({ apiVersion: "example.com/v1", kind: "Thing", big: 2 ** 40, text: "x".repeat(300) }),
    ],
    faults: [SyntaxError, RangeError, WireError],
    run: decodeCbor,
  },
  {
    name: "JSON values",
    kind: "text",
    corpus: () => [
      bytesOf(
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"n":[1,-1.5e3,9007199254740993,true,null,"\\u00e9"]}',
      ),
    ],
    faults: [SyntaxError, RangeError],
    run: (bytes) => [parseJson(textOf(bytes)), parseJson(textOf(bytes), "int64"), parseFields(textOf(bytes))],
  },
  {
    name: "YAML values",
    kind: "text",
    share: 300,
    corpus: () => [
      bytesOf('apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a: "b"\n  name: a\nn:\n- 1\n- |\n  text\n- {}\n'),
    ],
    faults: [SyntaxError, RangeError],
    run: (bytes) => decodeYaml(textOf(bytes)),
  },
  {
    name: "keys of objects",
    kind: "text",
    corpus: () => sampleValues().map(({ key }) => bytesOf(key)),
    run: (bytes) => readObjectKey(textOf(bytes)),
  },
  {
    name: "encrypted values",
    kind: "bytes",
    share: 300,
    corpus: () => {
      const values = JSON.parse(readFileSync(join(FIXTURES, "encryption/k120-values.json"), "utf8")) as unknown;
      return [...JSON.stringify(values).matchAll(/"([A-Za-z0-9+/]{40,}={0,2})"/g)].map(([, text]) =>
        Buffer.from(text!, "base64"),
      );
    },
    run: (bytes) => {
      readEncryptionHeader(bytes);
      const config = parseEncryptionConfig(
        readFileSync(join(FIXTURES, "encryption/k120-encryption.yaml"), "utf8"),
        "config",
      );
      const key = "/registry/secrets/default/a";
      createTransformer(config).open({ key, value: bytes, modRevision: 1 });
    },
  },
  {
    name: "protobuf",
    kind: "bytes",
    corpus: () => sampleValues().map(({ value }) => value.subarray(4)),
    run: (bytes) => {
      const cursor = createWireCursor(bytes, "a message", "repository-damaged");
      while (cursor.next()) if (cursor.wireType === 2) cursor.bytes();
    },
  },
  {
    name: "reviews that are posted",
    kind: "bytes",
    corpus: () =>
      sampleValues()
        .slice(0, 20)
        .map(({ value }) => value),
    faults: [Error], // its caller takes every failure for "no review"; crashes and hangs are what is left
    run: decodeReview,
  },
];
