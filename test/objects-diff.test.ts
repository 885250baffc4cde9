/**
 * Every pair of objects in the fixtures at two revisions, checked by another comparison than the one that is tested:
 * what the API server answered, or the decoded values, with noise, nulls and empty values taken out, and compared as
 * text. The fields that were reported are then put into the older object: that has to give the newer one.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { builtInType } from "../src/compare/built-in-types.ts";
import { compareObjects } from "../src/compare/compare-objects.ts";
import type { FieldChange } from "../src/compare/compare-values.ts";
import type { JsonObject, JsonValue } from "../src/kube/object.ts";
import { listChanges } from "../src/operations/objects/changes.ts";
import { diffObjects, type ObjectDifference } from "../src/operations/objects/diff.ts";
import { openSnapshotSide } from "../src/operations/objects/snapshot-side.ts";
import { printJson } from "../src/storage/json-text.ts";
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

/** Where etcd keeps what changes without anybody changing anything. */
const NOISE = /^(?:events|events\.k8s\.io\/events|leases|masterleases|ranges\/.*|ipaddresses)$/;

/** Maps whose values may be empty and still say something. */
const MAPS = ["labels", "annotations", "data", "matchLabels", "nodeSelector", "parameters", "attachmentMetadata"];

/** None is another than one of 0 seconds. */
const GRACE = "deletionGracePeriodSeconds";

/** Sorted keys; no nulls, and nothing that is empty, but what stands for a choice by its name alone, such as `emptyDir: {}`. */
function plain(value: JsonValue | undefined, name = ""): unknown {
  if (Array.isArray(value)) return value.map((each) => plain(each as JsonValue));
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as JsonObject)
    .map(([key, each]) => [key, plain(each, key)] as const)
    .filter(([, each]) => each !== null && each !== undefined)
    .filter(([key, each]) => MAPS.includes(name) || key === GRACE || (each !== "" && each !== 0 && each !== false))
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
  for (const path of side.paths.filter((each) => !NOISE.test(each))) {
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

/** The older object with the fields that were reported as changed: an interpreter of nothing but their paths. */
function applied(before: JsonObject, fields: readonly FieldChange[]): JsonObject {
  const copy = structuredClone(before) as Plain;
  // Places in lists move when items before them go: the last ones go first.
  for (const { change, path, after } of fields.toReversed()) {
    let parent: Plain = copy;
    for (const [i, step] of path.slice(0, -1).entries()) {
      const place = placeOf(parent, step);
      parent[place] ??= typeof path[i + 1] === "string" ? {} : [];
      parent = parent[place];
    }
    const place = placeOf(parent, path.at(-1)!);
    if (change === "removed") {
      if (Array.isArray(parent)) parent.splice(place as number, 1);
      else delete parent[place];
    } else parent[place] = after;
  }
  return copy;
}

/** A name, an index, or the index of the item with these keys; behind the last one where there is none. */
function placeOf(parent: Plain, step: FieldChange["path"][number]): string | number {
  if (typeof step !== "object") return step;
  const has = (item: Plain) =>
    Object.entries(step).every(([key, value]) => {
      const found = key === "" ? item : key.split(".").reduce((each, name) => each?.[name], item);
      return JSON.stringify(plain(found)) === JSON.stringify(plain(value));
    });
  const at = parent.findIndex(has);
  return at < 0 ? parent.length : at;
}

/** As text, whatever the order of lists: which order counts is checked elsewhere. */
function unordered(object: JsonObject): string {
  const sort = (value: Plain): Plain => {
    if (Array.isArray(value)) return value.map(sort).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sort(each)]));
  };
  return JSON.stringify(sort(JSON.parse(meaning(object))));
}

// biome-ignore lint/suspicious/noExplicitAny: objects are plain here
type Plain = any;

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
    for (const { change, fields, path: where, name: own, before: old, after: now } of differences) {
      expect(fields.length > 0).toBe(change === "changed");
      if (change !== "changed") continue;
      expect(unordered(applied(old as JsonObject, fields)), `${where} ${own}`).toBe(unordered(now as JsonObject));
      for (const each of fields) {
        const fewer = fields.filter((other) => other !== each);
        expect(unordered(applied(old as JsonObject, fewer)), `${where} ${own}`).not.toBe(unordered(now as JsonObject));
      }
    }
  });
});

/**
 * Lists that say the same in any order, by the last names of their path; written from the API's documentation, and not
 * from what is tested.
 */
const SETS = [
  /^rules$/, // of roles
  /\brules\.\d+\.(?:verbs|apiGroups|resources|resourceNames|nonResourceURLs)$/,
  /\btolerations$/,
  /\bsubjects$/,
  /\bmatchExpressions(?:\.\d+\.values)?$/,
  /\bnodeSelectorTerms$/,
  /\bcapabilities\.(?:add|drop)$/,
  /\bfinalizers$/,
  /\bpolicyTypes$/,
  /\b(?:ingress|egress)(?:\.\d+\.(?:from|to|ports))?$/,
];
/** Whose order decides. */
const COMMANDS = [/\b(?:command|args)$/];
const ROLES = ["ClusterRole", "Role"];

/** The object with its sets turned around, and how many were. */
function turned(value: Plain, kind: string, path: string, count: { sets: number }, lists = SETS): Plain {
  if (Array.isArray(value)) {
    const items = value.map((each, i) => turned(each, kind, `${path}.${i}`, count, lists));
    const distinct = new Set(items.map((each) => JSON.stringify(plain(each)))).size;
    const isSet = lists.some((each) => each.test(path)) && (!path.startsWith("rules") || ROLES.includes(kind));
    if (distinct < 2 || !isSet) return items;
    count.sets++;
    return items.toReversed();
  }
  if (typeof value !== "object" || value === null) return value;
  const inner = (name: string) => (path === "" ? name : `${path}.${name}`);
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, turned(each, kind, inner(name), count, lists)]),
  );
}

test("sets that are turned around are no difference, and commands that are turned around are one", async () => {
  const count = { sets: 0 };
  let commands = 0;
  for (const name of ["k120-broad", "k136-compacted", "selfhosted-k120"] as const) {
    using side = await openSnapshotSide({ file: fixture(name), atRevision: undefined });
    for (const path of side.paths.filter((each) => !NOISE.test(each))) {
      for (const [rest, entry] of await side.open(path)) {
        const read = entry.read();
        if (read?.state !== "object") throw new Error(`${path}/${rest} cannot be read`);
        const { object } = read;
        const type = builtInType(object.apiVersion, object.kind);
        if (type === undefined) continue;
        const other = turned(object, object.kind, "", count);
        expect(compareObjects(object, other, type).fields, `${path}/${rest}`).toEqual([]);
        const backwards = turned(object, object.kind, "", { sets: 0 }, COMMANDS);
        if (printJson(backwards) === printJson(object as JsonValue)) continue;
        commands++;
        expect(compareObjects(object, backwards, type).fields.length, `${path}/${rest}`).toBeGreaterThan(0);
      }
    }
  }
  expect(count.sets).toBeGreaterThan(300);
  expect(commands).toBeGreaterThan(20);
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

test("no changes of a namespace that never was is an error; of one that is at rest, it is an answer", async () => {
  const changes = (namespace: string) =>
    listChanges(
      fixture("selfhosted-k120"),
      { since: { time: Date.parse("2030-01-01T00:00:00Z") }, selection: { ...SELECT_ALL, namespace }, all: false },
      () => expect.unreachable(),
    );
  await expect(changes("misspelled")).rejects.toMatchObject({ code: "object-not-found" });
  expect((await changes("kube-system")).leftOut).toBe(0);
});

test("what changed since a time: by the object's own record, and behind the last renewal of a lease", async () => {
  const since = async (text: string) => {
    const names: string[] = [];
    const result = await listChanges(
      fixture("selfhosted-k120"),
      { since: { time: Date.parse(text) }, selection: SELECT_ALL, all: false },
      ({ name }) => void names.push(name),
    );
    return { names, after: result.afterRevision };
  };
  expect((await since("2026-11-21T03:10:33Z")).names).toEqual(["nightly"]);
  expect((await since("2026-11-21T03:10:34Z")).names).toEqual([]);
  expect(await since("2030-01-01T00:00:00Z")).toEqual({ names: [], after: 2382 });
});
