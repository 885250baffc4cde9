/** Keys taken apart by their bytes, against the same by their text. */
import { expect, test } from "vitest";
import { fc, Premise } from "../../test/properties.ts";
import { readObjectKey, resourceAtPath } from "./object-key.ts";
import { createObjectMatcher } from "./object-matcher.ts";
import { isInScope, type ObjectScope } from "./object-scope.ts";

const ALL: ObjectScope = { resources: [], namespace: undefined };
const PREFIXES = ["/registry", "", "/kubernetes.io/a"];
const part = fc.constantFrom(
  "pods",
  "services",
  "specs",
  "example.com",
  "widgets",
  "minions",
  "a",
  "",
  "é",
  "default",
  "x.y",
);

function match(prefix: string, scope: ObjectScope, key: string): { path: string; rest: string } | undefined {
  // Somewhere in a page: what is around it does not matter.
  const bytes = Buffer.from(`/x/${key}/x/y`);
  const end = bytes.length - 4;
  const found = matcherOf(prefix, scope)(bytes, 3, end);
  return found && { path: found.path, rest: bytes.toString("utf8", found.rest, end) };
}

const matchers = new Map<string, ReturnType<typeof createObjectMatcher>>();

/** One for all keys, so that what it learned of one is used for the next. */
function matcherOf(prefix: string, scope: ObjectScope) {
  const name = JSON.stringify([prefix, scope]);
  const known = matchers.get(name) ?? createObjectMatcher(prefix, scope);
  matchers.set(name, known);
  return known;
}

test("the same path and the same rest", () => {
  const premise = new Premise();
  fc.assert(
    fc.property(fc.constantFrom(...PREFIXES), fc.array(part, { minLength: 2, maxLength: 5 }), (prefix, parts) => {
      for (const key of [`${prefix}/${parts.join("/")}`, `/${parts.join("/")}`]) {
        const read = readObjectKey(key, prefix);
        const expected = read === undefined || read.rest === "" ? undefined : { path: read.path, rest: read.rest };
        premise.isMet(expected !== undefined);
        expect(match(prefix, ALL, key)).toEqual(expected);
      }
    }),
  );
  premise.expectMet(100);
});

test("bytes that are no text move nothing", () => {
  const bytes = Buffer.from("2f722fff2e2f612f62", "hex"); // /r/\xff./a/b
  expect(createObjectMatcher("/r", ALL)(bytes, 0, bytes.length)?.rest).toBe(8);
});

test("only what is in the scope", () => {
  const anyScope: fc.Arbitrary<ObjectScope> = fc.record({
    resources: fc.array(
      fc.record({
        path: fc.constantFrom("pods", "minions", "namespaces", "example.com/widgets"),
        names: fc.array(fc.constantFrom("web", "a"), { maxLength: 1 }),
      }),
      { maxLength: 2 },
    ),
    namespace: fc.constantFrom(undefined, "a", "b"),
  });
  const anyPath = fc.constantFrom("pods", "minions", "namespaces", "example.com/widgets", "secrets");
  fc.assert(
    fc.property(
      anyScope,
      anyPath,
      fc.constantFrom("a", "b"),
      fc.constantFrom("web", "a"),
      (scope, path, namespace, name) => {
        const rest = resourceAtPath(path)?.namespaced === false ? name : `${namespace}/${name}`;
        const found = match("/registry", scope, `/registry/${path}/${rest}`);
        expect(found).toEqual(isInScope(scope, path, rest) ? { path, rest } : undefined);
      },
    ),
  );
});

test.each<[string, ObjectScope, string, string, boolean]>([
  ["everything", ALL, "pods", "a/web", true],
  ["a namespace", { resources: [], namespace: "a" }, "pods", "a/web", true],
  ["another one", { resources: [], namespace: "a" }, "pods", "b/web", false],
  ["what has none", { resources: [], namespace: "a" }, "minions", "a", false],
  ["the Namespace itself", { resources: [], namespace: "a" }, "namespaces", "a", true],
  ["a type without namespaces", { resources: [{ path: "minions", names: [] }], namespace: "a" }, "minions", "b", true],
  ["a name", { resources: [{ path: "pods", names: ["web"] }], namespace: undefined }, "pods", "b/web", true],
  ["another name", { resources: [{ path: "pods", names: ["web"] }], namespace: undefined }, "pods", "b/db", false],
  ["another type", { resources: [{ path: "pods", names: [] }], namespace: undefined }, "secrets", "b/db", false],
])("in scope: %s", (_, scope, path, rest, isIn) => {
  expect(isInScope(scope, path, rest)).toBe(isIn);
});
