/**
 * Every pair of objects in the fixtures at two revisions, checked by another comparison than the one that is tested:
 * what the API server answered, or the decoded values, with noise, nulls and empty values taken out, and compared as
 * text.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { noisyPath } from "../src/compare/noise.ts";
import type { JsonObject, JsonValue } from "../src/kube/object.ts";
import { diffObjects, type ObjectDifference } from "../src/operations/objects/diff.ts";
import { openSnapshotSide } from "../src/operations/objects/snapshot-side.ts";
import { answers, type SnapshotName } from "./fixture-values.ts";

const SELECT_ALL = { requests: [], namespace: undefined, selector: [] };
const CASES: readonly (readonly [SnapshotName, readonly number[]])[] = [
  ["k120-broad", [200, 700, 1100, 1338]],
  ["k136-compacted", [12247, 12300, 12436]],
  ["selfhosted-k120", [600, 1706, 2100, 2382]],
  ["k136-encrypted", [100, 250, 411]],
];

const fixture = (name: SnapshotName) => join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
const encryption = (name: SnapshotName) =>
  name === "k136-encrypted" ? { encryptionConfig: join(import.meta.dirname, "fixtures", name, "encryption.yaml") } : {};

/** Maps whose values may be empty and still say something. */
const MAPS = ["labels", "annotations", "data", "matchLabels", "nodeSelector", "parameters", "attachmentMetadata"];

/** Sorted keys; no nulls, and nothing that is empty, but what stands for a choice by its name alone, such as `emptyDir: {}`. */
function plain(value: JsonValue | undefined, name = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => plain(each as JsonValue));
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as JsonObject)
    .map(([key, each]) => [key, plain(each, key)] as const)
    .filter(([, each]) => each !== null && each !== undefined)
    .filter(([, each]) => MAPS.includes(name) || (each !== "" && each !== 0 && each !== false))
    .filter(([key, each]) => key === "emptyDir" || typeof each !== "object" || Object.keys(each as object).length > 0);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const METADATA = ["managedFields", "resourceVersion", "generation", "selfLink", "uid", "creationTimestamp"];

function meaning({ apiVersion: _version, status: _status, ...object }: JsonObject): string {
  const metadata = { ...(object.metadata as JsonObject) } as Record<string, JsonValue | undefined>;
  for (const name of METADATA) delete metadata[name];
  const annotations = { ...(metadata.annotations as object) } as Record<string, JsonValue>;
  delete annotations["endpoints.kubernetes.io/last-change-trigger-time"];
  // The API server fills the type and the status of claim templates on reading.
  const text = JSON.stringify(plain({ ...object, metadata: { ...metadata, annotations } }));
  return text
    .replaceAll(/,"status":\{"phase":"Pending"\}/g, "")
    .replaceAll(/"(apiVersion|kind)":"(v1|PersistentVolumeClaim)",/g, "");
}

/** What every object means at a revision, by path and name; election records and noise are left out. */
async function meanings(name: SnapshotName, revision: number, isNewest: boolean): Promise<Map<string, string>> {
  using side = await openSnapshotSide({ file: fixture(name), atRevision: revision }, encryption(name));
  const answered = isNewest && name !== "selfhosted-k120" ? answers(name) : undefined;
  const found = new Map<string, string>();
  for (const path of side.paths.filter((each) => noisyPath(each) === undefined)) {
    for (const [rest, entry] of await side.open(path)) {
      const read = entry.read();
      if (read?.state !== "object") throw new Error(`${path}/${rest} cannot be read`);
      const object = answered?.get(`${side.prefix}/${path}/${rest}`)?.object ?? read.object;
      const { annotations } = object.metadata as { annotations?: Record<string, string> };
      if (annotations?.["control-plane.alpha.kubernetes.io/leader"] === undefined) {
        found.set(`${path}/${rest}`, meaning(object));
      }
    }
  }
  return found;
}

describe.each(CASES)("%s", (name, revisions) => {
  const pairs = revisions.slice(1).map((after, i) => [revisions[i]!, after] as const);
  pairs.push([revisions[0]!, revisions.at(-1)!]);

  test.each(pairs)("from revision %i to %i", async (before, after) => {
    const differences: ObjectDifference[] = [];
    const file = fixture(name);
    const summary = await diffObjects(
      {
        ...encryption(name),
        sides: [
          { file, atRevision: before },
          { file, atRevision: after },
        ],
        selection: SELECT_ALL,
        all: false,
      },
      (difference) => void differences.push(difference),
    );
    const [one, two] = [await meanings(name, before, false), await meanings(name, after, after === revisions.at(-1))];
    const expected = [...new Set([...one.keys(), ...two.keys()])].flatMap((key) => {
      if (!one.has(key)) return [`added ${key}`];
      if (!two.has(key)) return [`removed ${key}`];
      return one.get(key) === two.get(key) ? [] : [`changed ${key}`];
    });
    const found = differences.map(({ change, path, namespace, name: own }) =>
      namespace === undefined ? `${change} ${path}/${own}` : `${change} ${path}/${namespace}/${own}`,
    );
    expect(found.toSorted()).toEqual(expected.toSorted());
    expect(found.length).toBeGreaterThan(0);
    expect(summary.unjudged).toEqual([]);
    expect(summary.equal + found.length).toBe(new Set([...one.keys(), ...two.keys()]).size);
    for (const { change, fields } of differences) expect(fields.length > 0).toBe(change === "changed");
  });
});

test("the same way back", async () => {
  const file = fixture("selfhosted-k120");
  const run = async (before: number, after: number) => {
    const found: string[] = [];
    const sides = [
      { file, atRevision: before },
      { file, atRevision: after },
    ] as const;
    await diffObjects({ sides, selection: SELECT_ALL, all: false }, ({ change, path, name, fields }) => {
      found.push(`${change} ${path} ${name} ${fields.length}`);
    });
    return found;
  };
  const [there, back] = [await run(600, 2382), await run(2382, 600)];
  const turned = back.map((line) =>
    line.replace(/^(added|removed)/, (word) => (word === "added" ? "removed" : "added")),
  );
  expect(turned).toEqual(there);
});
