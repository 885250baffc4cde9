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

const read = { encryptionConfig: null, etcdPrefix: null, identity: null };
const object = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment", namespaced: true };

test("one command for each moment and namespace", () => {
  const marked = [
    { ...object, namespace: "shop", name: "web", revision: 0 },
    { ...object, namespace: "shop", name: "api", revision: 0 },
    { ...object, namespace: "shop", name: "old", revision: 700 },
    { ...object, group: "", plural: "nodes", namespaced: false, namespace: null, name: "m1", revision: 0 },
  ];
  const source = { place: "/back up.db", base: "/back up.db", lastRevision: 900, ...read };
  expect(commandLines(source, 900, marked)).toEqual([
    "kubemend objects restore '/back up.db' deployments.apps/web deployments.apps/api -n shop",
    "kubemend objects restore '/back up.db@700' deployments.apps/old -n shop",
    "kubemend objects restore '/back up.db' nodes/m1",
  ]);
});

test("a moment of a repository is named by the repository", () => {
  const marked = [{ ...object, namespace: "shop", name: "web", revision: 700 }];
  const source = { place: "/backups/prod@latest", base: "/backups/prod", lastRevision: 900, ...read };
  expect(commandLines(source, 900, marked)).toEqual([
    "kubemend objects restore /backups/prod@700 deployments.apps/web -n shop",
  ]);
});

test("an earlier moment that is served is named, and so is what the backup is read with", () => {
  const marked = [{ ...object, namespace: "shop", name: "web", revision: 0 }];
  const source = { place: "/prod.db", base: "/prod.db", lastRevision: 900 };
  const keys = { encryptionConfig: "/keys of/config.yaml", etcdPrefix: "/other", identity: "/id" };
  expect(commandLines({ ...source, ...keys }, 700, marked)).toEqual([
    "kubemend objects restore /prod.db@700 deployments.apps/web -n shop" +
      " --encryption-config '/keys of/config.yaml' --etcd-prefix /other --identity /id",
  ]);
});
