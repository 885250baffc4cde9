import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { JsonValue } from "../kube/object.ts";
import { jsonPatch, type PatchOperation } from "./json-patch.ts";

/** RFC 6902, written without a look at what is tested. */
function applyPatch(document: JsonValue, operations: readonly PatchOperation[]): JsonValue {
  let root = structuredClone(document) as unknown;
  for (const operation of operations) {
    const steps = operation.path
      .split("/")
      .slice(1)
      .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = steps.pop();
    if (last === undefined) {
      root = (operation as { value: unknown }).value;
      continue;
    }
    let parent = root as Record<string, unknown>;
    for (const step of steps) parent = parent[step] as Record<string, unknown>;
    if (Array.isArray(parent)) {
      const at = Number(last);
      if (operation.op === "remove") parent.splice(at, 1);
      else if (operation.op === "add") parent.splice(at, 0, operation.value);
      else parent[at] = operation.value;
    } else if (operation.op === "remove") {
      expect(Object.hasOwn(parent, last)).toBe(true);
      delete parent[last];
    } else {
      expect(Object.hasOwn(parent, last)).toBe(operation.op === "replace");
      parent[last] = operation.value;
    }
  }
  return root as JsonValue;
}

const json = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, false, 0, 1, "a", "b"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "b", "c/d", "e~f", ""), tie("value"), { maxKeys: 4 }),
  ),
})).value;

test("a patch makes the newer value of the older one", () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      expect(applyPatch(before, jsonPatch(before, after))).toEqual(after);
    }),
    { numRuns: 2000 },
  );
});

test("nothing is patched where nothing differs", () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(jsonPatch(value, structuredClone(value))).toEqual([]);
    }),
  );
});

test("items that stay at both ends are left alone", () => {
  expect(jsonPatch([1, 2, 3, 9], [1, 2, 5, 3, 9])).toEqual([{ op: "add", path: "/2", value: 5 }]);
  expect(jsonPatch({ "a/b": [1, 2] }, { "a/b": [2] })).toEqual([{ op: "remove", path: "/a~1b/0" }]);
});
