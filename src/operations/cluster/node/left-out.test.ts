import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { leftOutDirectories, leftOutManifests } from "./left-out.ts";

const MANIFEST = `apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec: {containers: [{name: etcd, command: [etcd, --name=m1]}]}
`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "left-out-"));
  for (const place of ["static", "a", "b"]) mkdirSync(join(root, place));
});
afterEach(() => rmSync(root, { recursive: true }));

function journal(state: NodeJournal["state"], kept: string, member: string | null): NodeJournal {
  writeFileSync(join(root, kept, "etcd.yaml"), MANIFEST.replace("m1", kept));
  return {
    id: `restore-${kept}`,
    state,
    digest: "d",
    snapshot: null,
    manifests: { from: join(root, "static"), kept: join(root, kept), names: ["etcd.yaml"], spare: [] },
    made: [],
    dataDir: { path: "/var/lib/etcd", member, movedAside: null },
    revision: null,
    bump: null,
    leads: false,
    service: null,
  };
}

test("what an undo left out is there for the next operation, the newest first", () => {
  const journals = [journal("undone", "a", null), journal("undone", "b", null)];
  expect(leftOutDirectories(journals)).toEqual([join(root, "b"), join(root, "a")]);
  expect(leftOutManifests(journals, join(root, "static"))).toEqual({ "etcd.yaml": MANIFEST.replace("m1", "b") });
});

test.each([
  ["of an operation that is done", "done", null],
  ["of one that put it back, with the data", "undone", "1:2"],
] as const)("none %s", (_, state, member) => {
  expect(leftOutManifests([journal(state, "a", member)], join(root, "static"))).toEqual({});
});

test("none where etcd has a manifest", () => {
  writeFileSync(join(root, "static", "etcd.yaml"), MANIFEST);
  expect(leftOutManifests([journal("undone", "a", null)], join(root, "static"))).toEqual({});
});
