/**
 * Built-in kinds that an API server (1.20.2) stored as JSON and as YAML, told to by `--storage-media-type`, and the
 * very text that it answered: `test/fixtures/media-types` has one object of every kind, taken from `k120-broad` and
 * written again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { differences } from "../../test/fixture-values.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { decodeValue } from "./decode.ts";
import { encodeObject } from "./encode.ts";
import { parseJson } from "./json-parse.ts";
import { printJson } from "./json-text.ts";
import { peekType } from "./peek-type.ts";

interface Line {
  readonly key: string;
  readonly modRevision: number;
  readonly value: string;
  readonly answer: string;
}

function read(encoding: string): Line[] {
  const file = join(import.meta.dirname, `../../test/fixtures/media-types/${encoding}.jsonl.gz`);
  const lines = gunzipSync(readFileSync(file)).toString("utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

describe.each(["json", "yaml"] as const)("stored as %s", (mediaType) => {
  const lines = read(mediaType);
  // Custom resource definitions and API services are JSON all the same.
  const encodingOf = ({ value }: Line) => (value.startsWith("{") ? "json" : mediaType);
  const decode = ({ key, modRevision, value, answer }: Line): KubeObject => {
    const decoded = decodeValue({ key, modRevision, value: Buffer.from(value) });
    if (decoded.state !== "object") throw new Error(`${key}: ${decoded.text}`);
    expect(decoded.encoding).toBe(encodingOf({ key, modRevision, value, answer }));
    return decoded.object;
  };

  test("every kind prints as the server's very text", () => {
    expect(lines.length).toBeGreaterThan(45);
    for (const line of lines) expect(printJson(decode(line))).toBe(line.answer);
  });

  test("every kind comes back byte for byte", () => {
    for (const line of lines) {
      const object = decode(line);
      const like = Buffer.from(line.value);
      const encoding = encodingOf(line);
      expect(Buffer.from(encodeObject(object, { encoding, like })).toString("utf8")).toBe(line.value);
      if (encoding === "json")
        expect(Buffer.from(encodeObject(object, { encoding })).toString("utf8")).toBe(line.value);
      expect(peekType(like)).toEqual({ encoding, apiVersion: object.apiVersion, kind: object.kind });
    }
  });

  test("every kind survives being written as protobuf, and as CBOR", () => {
    for (const line of lines) {
      const object = decode(line);
      for (const other of ["protobuf", "cbor"] as const) {
        const value = encodeObject(object, { encoding: other });
        const decoded = decodeValue({ key: line.key, value, modRevision: line.modRevision });
        if (decoded.state !== "object") throw new Error(`${line.key}: ${decoded.text}`);
        // The type of an object within an object is not part of its protobuf message.
        const found = differences(parseJson(line.answer), decoded.object as JsonObject);
        expect(found.filter((place) => !/volumeClaimTemplates\[\d\]\.(kind|apiVersion): absent/.test(place))).toEqual(
          [],
        );
      }
    }
  });
});
