import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { removeManifests } from "./stop-components.ts";

// The control planes of tests that run beside this one are none of its.
vi.mock("../../../io/node/local-components.ts", async (original) => ({
  ...(await original<object>()),
  componentProcesses: () => [],
}));

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
