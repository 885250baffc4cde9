import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { componentManifests } from "./local-components.ts";

const FIXTURES = join(import.meta.dirname, "../../../test/fixtures/kubeadm-k120/manifests");
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-manifests-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("kubeadm's manifests are read with their flags", () => {
  const found = componentManifests(FIXTURES);
  expect(found.map(({ name, fault }) => [name, fault])).toEqual([
    ["etcd", undefined],
    ["kube-apiserver", undefined],
    ["kube-controller-manager", undefined],
    ["kube-scheduler", undefined],
  ]);
  const flags = found.find(({ name }) => name === "kube-apiserver")!.flags;
  expect(flags.find(({ name }) => name === "etcd-servers")?.value).toMatch(/^https:/);
});

test.each([
  ["a: [", "kube-apiserver", expect.any(String)],
  ["just text", "kube-apiserver", "it holds no pod"],
  ["kind: Pod\nmetadata: {}\n", "etcd", "it holds no pod"],
  ["", "kube-scheduler", "it holds no pod"],
])("a manifest %j of %s is told to be broken", (text, name, fault) => {
  const path = join(directory, `${name}.yaml`);
  writeFileSync(path, text);
  expect(componentManifests(directory)).toEqual([{ name, path, fault, flags: [] }]);
  rmSync(path);
});

test("drafts, temporary pods and what is no component are passed over", () => {
  const pod = (name: string) =>
    `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: x, command: [kube-apiserver]}]}\n`;
  writeFileSync(join(directory, ".kube-apiserver.yaml"), pod("kube-apiserver"));
  writeFileSync(join(directory, "bootstrap.yaml"), pod("bootstrap-kube-apiserver"));
  writeFileSync(join(directory, "web.yaml"), pod("web").replace("kube-apiserver", "nginx"));
  writeFileSync(join(directory, "notes.txt"), "text");
  expect(componentManifests(directory)).toEqual([]);
  expect(componentManifests(join(directory, "none"))).toEqual([]);
});
