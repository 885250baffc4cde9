import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { missingFrom, removeManifests } from "./stop-components.ts";

// The control planes of tests that run beside this one are none of its.
vi.mock("../../../io/node/local-components.ts", async (original) => ({
  ...(await original<object>()),
  componentProcesses: () => [],
}));

test("a component that is there is not made again, whatever its file is called and in whatever form it is", () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-manifests-"));
  const pod = (name: string): string => `kind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: ${name}}]}\n`;
  try {
    writeFileSync(join(directory, "10-etcd.manifest"), `# by hand\n${pod("etcd")}`);
    writeFileSync(
      join(directory, "apiserver.json"),
      JSON.stringify({ kind: "Pod", metadata: { name: "kube-apiserver" }, spec: { containers: [] } }),
    );
    writeFileSync(join(directory, "old.yaml"), `# ${pod("kube-scheduler").replaceAll("\n", "\n# ")}`);
    const names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
    const spare = Object.fromEntries(names.map((name) => [`${name}.yaml`, pod(name)]));
    expect(missingFrom(directory, spare)).toEqual(["kube-controller-manager.yaml", "kube-scheduler.yaml"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a manifest that a killed run had half written goes with the others", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-manifests-"));
  try {
    for (const name of ["web.yaml", ".web.yaml.swp", ".kube-scheduler.yaml.kubemend"])
      writeFileSync(join(directory, name), "");
    await removeManifests(directory, { report: () => {} });
    expect(readdirSync(directory).sort()).toEqual([".web.yaml.swp", "web.yaml"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
