/**
 * The Go types' packages bring an object of every kind in every encoding, as Kubernetes' own serializers wrote them. They are there after
 * `node tools/kubernetes-sources.ts`; without them these tests are skipped.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../src/kube/object.ts";
import { decodeValue } from "../src/storage/decode.ts";
import { encodeObject } from "../src/storage/encode.ts";
import { parseJson } from "../src/storage/json-parse.ts";
import { printJson } from "../src/storage/json-text.ts";
import { findResource } from "../src/storage/resources.ts";
import { printYaml } from "../src/storage/yaml-text.ts";
import { SOURCES, sourceDirectory } from "./kubernetes-sources.ts";

const newest = sourceDirectory(SOURCES[0]!);
const directory = newest && join(newest, "k8s.io/api/testdata/HEAD");

function samples(folder: string) {
  return globSync("*.pb", { cwd: folder }).flatMap((name) => {
    const stem = join(folder, name.slice(0, -3));
    if (!existsSync(`${stem}.json`)) return [];
    const json = readFileSync(`${stem}.json`, "utf8").trimEnd();
    const object = parseJson(json) as KubeObject;
    const isStored = findResource(object.apiVersion, object.kind) !== undefined;
    return isStored
      ? [{ name, json, object, protobuf: readFileSync(`${stem}.pb`), yaml: readFileSync(`${stem}.yaml`, "utf8") }]
      : [];
  });
}

describe.skipIf(directory === undefined)("Kubernetes' own samples of the newest release", () => {
  test("every kind prints as its JSON and YAML, and comes back byte for byte", () => {
    const all = samples(directory!);
    expect(all.length).toBeGreaterThan(100);
    for (const { name, json, object, protobuf, yaml } of all) {
      const decoded = decodeValue({ key: name, value: protobuf, modRevision: 0 });
      if (decoded.state !== "object") throw new Error(`${name}: ${decoded.text}`);
      expect(decoded.unknownFields).toEqual([]);
      expect(printJson(decoded.object, { indent: 2 })).toBe(json);
      expect(printYaml(object)).toBe(yaml);
      expect(Buffer.compare(encodeObject(object, { encoding: "protobuf", like: protobuf }), protobuf)).toBe(0);
    }
  });
});

describe.skipIf(directory === undefined)("Kubernetes' own samples of older releases", () => {
  const folders = directory === undefined ? [] : globSync("v*", { cwd: dirname(directory) });
  test.each(folders)("%s", (folder) => {
    for (const { name, protobuf } of samples(join(dirname(directory!), folder))) {
      const decoded = decodeValue({ key: name, value: protobuf, modRevision: 0 });
      if (decoded.state !== "object") throw new Error(`${name}: ${decoded.text}`);
      expect(decoded.unknownFields).toEqual([]);
      expect(Buffer.compare(encodeObject(decoded.object, { encoding: "protobuf", like: protobuf }), protobuf)).toBe(0);
    }
  });
});
