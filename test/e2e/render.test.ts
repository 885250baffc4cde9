import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startControlPlane } from "../../testbed/control-plane.ts";
import { run } from "../../testbed/processes.ts";
import { describeWithCluster } from "./kubernetes.ts";

const KUBEMEND = join(import.meta.dirname, "../../src/cli/main.ts");

describeWithCluster("rendered manifests", (kubernetes) => {
  test("are accepted as they are by an API server of their version", async () => {
    const directory = mkdtempSync(join(tmpdir(), "render-"));
    try {
      await using plane = await startControlPlane({ kubernetes });
      for (const algorithm of ["ecdsa", "rsa"]) {
        const assets = join(directory, algorithm);
        const flags = [
          `--asset-dir=${assets}`,
          `--kubernetes-version=${kubernetes.version}`,
          `--key-algorithm=${algorithm}`,
        ];
        await run([process.execPath, KUBEMEND, "render", ...flags, "--service-cidr=10.96.0.0/16"]);
        const files = readdirSync(join(assets, "manifests"));
        for (const file of files) {
          await plane.api.apply(readFileSync(join(assets, "manifests", file), "utf8"));
        }
        expect(files.length).toBeGreaterThan(30);
      }
      const daemonSets = await plane.api.list("/apis/apps/v1/namespaces/kube-system/daemonsets");
      expect(daemonSets.map(({ metadata }) => metadata.name).sort()).toEqual([
        "kube-apiserver",
        "kube-flannel",
        "kube-proxy",
        "pod-checkpointer",
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
