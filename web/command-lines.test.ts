import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { fc } from "../test/properties.ts";
import { commandLines, shellWord } from "./command-lines.ts";

test("whatever a name holds, a shell takes it for one word", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }).filter((name) => !name.includes("\0")),
      (name) => {
        const printed = execFileSync("/bin/sh", ["-c", `printf %s ${shellWord(name)}`], { encoding: "utf8" });
        expect(printed).toBe(name.toWellFormed());
      },
    ),
    { numRuns: 50 },
  );
});

const object = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment", namespaced: true };

test("one command for each moment and namespace", () => {
  const marked = [
    { ...object, namespace: "shop", name: "web", revision: 0 },
    { ...object, namespace: "shop", name: "api", revision: 0 },
    { ...object, namespace: "shop", name: "old", revision: 700 },
    { ...object, group: "", plural: "nodes", namespaced: false, namespace: null, name: "m1", revision: 0 },
  ];
  expect(commandLines("back up.db", "back up.db", 900, marked)).toEqual([
    "kubemend objects restore 'back up.db' deployments.apps/web deployments.apps/api -n shop",
    "kubemend objects restore 'back up.db@700' deployments.apps/old -n shop",
    "kubemend objects restore 'back up.db' nodes/m1",
  ]);
});

test("a moment of a repository is named by the repository", () => {
  const marked = [{ ...object, namespace: "shop", name: "web", revision: 700 }];
  expect(commandLines("/backups/prod@latest", "/backups/prod", 900, marked)).toEqual([
    "kubemend objects restore /backups/prod@700 deployments.apps/web -n shop",
  ]);
});
