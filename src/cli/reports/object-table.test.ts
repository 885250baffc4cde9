import { describe, expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { TableItem } from "../../kubeapi/columns/table-rows.ts";
import { RESOURCE_TYPES } from "../../storage/object-key.ts";
import type { NamedResource } from "../../storage/resource-argument.ts";
import { objectTable, type TableOptions } from "./object-table.ts";
import { jsonText, shownObject, yamlText } from "./object-text.ts";

const tableText = (...args: Parameters<typeof objectTable>): string => [...objectTable(...args)].join("");

const OPTIONS: TableOptions = {
  now: Date.parse("2026-11-21T12:00:00Z"),
  wide: true,
  withNamespace: true,
  withKind: false,
  headers: true,
  showLabels: true,
  labelColumns: ["app"],
};

const resource = (plural: string, more: Partial<NamedResource> = {}): NamedResource => ({
  plural,
  singular: plural.slice(0, -1),
  kind: "X",
  group: "",
  namespaced: true,
  path: plural,
  version: undefined,
  printerColumns: undefined,
  ...more,
});

/** Objects of no reasonable shape, with the fields that tables look at. */
const WORDS = `spec status metadata labels annotations ownerReferences controller conditions type reason
  containers initContainers containerStatuses state
  terminated waiting running lastState restartCount name namespace creationTimestamp deletionTimestamp replicas
  selector matchLabels matchExpressions values ports port
  endpoints subsets addresses rules host metrics target resource capacity storage data subjects roleRef taints series
  involvedObject startTime completionTime`;
const fieldName = fc.constantFrom(...WORDS.split(/\s+/));
const { value: junk } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, true, 0, -1, 2n ** 63n, 1.5, "", "text", "Ready", "True", "2026-11-21T03:00:00Z"),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fieldName, tie("value"), { maxKeys: 8 }),
  ),
}));
const junkObject = fc.dictionary(fieldName, junk, { minKeys: 1, maxKeys: 10 }) as fc.Arbitrary<object>;

describe("whatever an object holds, there is a row", () => {
  test.each(RESOURCE_TYPES.map((type) => type.plural))("%s", (plural) => {
    fc.assert(
      fc.property(junkObject, (object) => {
        const item: TableItem = { namespace: "n", name: "from-the-key", object: object as KubeObject };
        const lines = tableText(resource(plural), [item], OPTIONS).split("\n");
        expect(lines).toHaveLength(3);
      }),
      { numRuns: 60 },
    );
  });

  test("custom resources", () => {
    const printerColumns = ["string", "integer", "number", "boolean", "date", "odd"].map((type) => ({
      name: type,
      type,
      jsonPath: ".spec.status",
      priority: 0,
    }));
    fc.assert(
      fc.property(junkObject, (object) => {
        const item: TableItem = { namespace: "n", name: "x", object: object as KubeObject };
        expect(tableText(resource("xs", { printerColumns }), [item], OPTIONS).split("\n")).toHaveLength(3);
      }),
    );
  });

  test("and a text", () => {
    fc.assert(
      fc.property(junkObject, (fields) => {
        const secret = { apiVersion: "v1", kind: "Secret", ...fields } as unknown as KubeObject;
        const { object } = shownObject(secret, { showSecrets: false, showManagedFields: false });
        expect(jsonText(object).startsWith("{")).toBe(true);
        expect(yamlText(object)).toContain("kind: Secret");
      }),
    );
  });
});

test("an object without a name goes by its key", () => {
  const item = {
    namespace: undefined,
    name: "serviceips",
    object: { kind: "RangeAllocation" } as unknown as KubeObject,
  };
  expect(tableText(resource("rangeallocations"), [item], { ...OPTIONS, withNamespace: false })).toMatch(
    /^serviceips /m,
  );
});

test("what cannot be read has a row with its name", () => {
  const item: TableItem = { namespace: "n", name: "a", state: "encrypted" };
  const options = { ...OPTIONS, showLabels: false, labelColumns: [] };
  expect(tableText(resource("secrets"), [item], options)).toBe(
    "NAMESPACE   NAME   TYPE          DATA   AGE\nn           a      <encrypted>          \n",
  );
});

test("nothing, no table", () => {
  expect(tableText(resource("pods"), [], OPTIONS)).toBe("");
});
