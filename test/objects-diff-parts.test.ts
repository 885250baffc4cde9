/** What differs between two snapshots is the same where their keys are too many for an index, and are compared in parts. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MendError } from "../src/errors/errors.ts";
import { readLabelSelector } from "../src/kube/label-selector.ts";
import { type DiffOptions, diffObjects, type ObjectDifference } from "../src/operations/objects/diff.ts";
import { readObjectRequests } from "../src/storage/resource-argument.ts";
import { type Change, type Compaction, historyOf, historySnapshot } from "./etcd-history.ts";
import { SNAPSHOTS } from "./fixture-values.ts";
import { fc, Premise } from "./properties.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-diff-parts-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Asked = Pick<DiffOptions, "sides" | "selection" | "all"> & Partial<DiffOptions>;

/** Everything that is reported, or the code of the error. */
async function found(options: Asked, mostIndexed?: number): Promise<unknown> {
  const differences: ObjectDifference[] = [];
  const limit = mostIndexed === undefined ? {} : { mostIndexed };
  try {
    const summary = await diffObjects({ ...options, ...limit }, (each) => void differences.push(each));
    // Within a resource they are in the order of the file.
    const unjudged = [...summary.unjudged].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return { differences, summary: { ...summary, unjudged } };
  } catch (error) {
    if (error instanceof MendError) return { code: error.code, ...(error.code === "object-not-found" && { error }) };
    throw error;
  }
}

function asked(types: string, namespace?: string, labels = ""): DiffOptions["selection"] {
  return {
    requests: readObjectRequests(types === "" ? [] : types.split(" ")),
    namespace,
    selector: readLabelSelector(labels) ?? [],
  };
}

const SELECTIONS = [
  asked(""),
  asked("", "a"),
  asked("", "kube-system"),
  asked("configmaps,widgets.example.com", "a"),
  asked("secrets"),
  asked("configmap/one secret/two"),
  asked("configmap/one", "a"),
  asked("configmap/nowhere"),
  asked("nodes"),
  asked("", undefined, "app=web"),
];

const object = (kind: string, name: string, namespace: string | undefined, data: string): string =>
  JSON.stringify({
    apiVersion: kind === "Widget" ? "example.com/v1" : "v1",
    kind,
    metadata: { name, ...(namespace !== undefined && { namespace }), labels: { app: data === "1" ? "web" : "db" } },
    data: { data },
  });

/** Paths and namespaces whose order in the file is not that in which they are listed, noise, and what is no object. */
const PLACES: readonly (readonly [place: string, kind: string])[] = [
  ...["a", "a-b", "a.b"].flatMap((namespace) => [
    [`configmaps/${namespace}/`, "ConfigMap"] as const,
    [`secrets/${namespace}/`, "Secret"] as const,
  ]),
  ["services/specs/a/", "Service"],
  ["minions/", "Node"],
  ["events/a/", "Event"],
  ["leases/kube-system/", "Lease"],
  ["example.com/widgets/a/", "Widget"],
  ["example.com.au/widgets/a/", "Widget"],
];
const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", kind: "Widget", singular: "widget" },
    versions: [{ name: "v1", served: true, storage: true }],
  },
};
const START: readonly Change[] = [
  ...["default", "kube-system", "a"].map((name) => ({
    key: `/registry/namespaces/${name}`,
    value: object("Namespace", name, undefined, "0"),
  })),
  {
    key: "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com",
    value: JSON.stringify(definition),
  },
];

const anyChange: fc.Arbitrary<Change> = fc
  .record({
    at: fc.nat({ max: PLACES.length }),
    name: fc.constantFrom("one", "two", "three-4", "three.5"),
    /** 0 and 1: a deletion; 2: no object. */
    what: fc.nat({ max: 7 }),
  })
  .map(({ at, name, what }) => {
    const [place, kind] = PLACES[at] ?? ["", ""];
    if (place === "") return { key: `/other/${name}`, ...(what > 1 && { value: `${what}` }) };
    const key = `/registry/${place}${name}`;
    if (what < 2) return { key };
    const [, namespace] = /([^/]*)\/$/.exec(place) ?? [];
    if (what === 2) return { key, value: "no object" };
    return { key, value: object(kind, name, kind === "Node" ? undefined : namespace, `${what % 3}`) };
  });
const anyHistory = fc.array(fc.array(anyChange, { minLength: 1, maxLength: 4 }), { maxLength: 40 });
const anyCompaction = fc.record({ scheduled: fc.nat(), finished: fc.nat(), removed: fc.nat({ max: 30 }) });

/** A compaction of what the numbers say, within the revisions that there are. */
function compactionOf({ scheduled, finished, removed }: Compaction, last: number): Compaction {
  const upTo = scheduled % (last + 1);
  return { scheduled: upTo, finished: finished % 3 > 0 ? upTo : finished % (upTo + 1), removed };
}

describe("random histories", () => {
  const premise = new Premise();

  test("of one cluster, or of two that went different ways, compacted differently", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyHistory,
        anyHistory,
        anyHistory,
        anyCompaction,
        anyCompaction,
        fc.nat({ max: SELECTIONS.length * 4 }),
        fc.constantFrom(4, 30, 1000),
        fc.option(fc.nat({ max: 60 })),
        async (common, more, others, one, two, chosen, most, back) => {
          const histories = [
            [START, ...common, ...more],
            [START, ...common, ...others],
          ].map(historyOf);
          const sides = histories.map((history, i) => {
            const file = join(directory, `${i}.db`);
            const last = history.at(-1)?.main ?? 2;
            const compaction = compactionOf([one, two][i]!, last);
            writeFileSync(file, historySnapshot(history, compaction));
            const at = back === null || i === 1 ? undefined : Math.max(compaction.scheduled, last - back);
            return { file, atRevision: at };
          });
          const selection = SELECTIONS[chosen] ?? asked("");
          const options = { sides: sides as never, selection, all: chosen % 5 === 4 };
          const whole = (await found(options)) as { differences?: readonly unknown[] };
          premise.isMet((whole.differences?.length ?? 0) > 3);
          expect(await found(options, most)).toEqual(whole);
        },
      ),
      { numRuns: 400 },
    );
    premise.expectMet(150);
  });
});

test.each(SNAPSHOTS)("%s at two revisions", async (name) => {
  const file = join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
  const newest = { file, atRevision: undefined };
  const revisions = { "k120-broad": 1100, "k136-compacted": 12_300, "selfhosted-k120": 1706, "k136-encrypted": 250 };
  const atRevision = revisions[name as keyof typeof revisions];
  if (atRevision === undefined) return;
  for (const selection of [asked(""), asked("", "kube-system")]) {
    for (const all of [false, true]) {
      const options = { sides: [{ file, atRevision }, newest] as const, selection, all };
      expect(await found(options, 400)).toEqual(await found(options));
    }
  }
});
