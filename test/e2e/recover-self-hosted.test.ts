import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recoverControlPlane } from "../../src/operations/recover/recover.ts";
import { STATIC_PODS_PATH } from "../../testbed/node.ts";
import { leaseHolder, startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

const COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const BOOTSTRAP_SECRETS = "/etc/kubernetes/bootstrap-secrets";

describeWithCluster("a self-hosted control plane that is gone", (kubernetes) => {
  test("comes back from a backup: its bootstrap pods run on a kubelet alone, and hand over to its own", async () => {
    const base = mkdtempSync(join(tmpdir(), "kubemend-e2e-recover-"));
    try {
      await using plane = await startSelfHosted({ kubernetes });
      const node = plane.nodes.get("node1")!;
      await plane.api.apply(webDeployment(1));
      await plane.podsReady("default", "app=web", 1);
      const backup = join(base, "backup.db");
      await plane.etcd.etcdctl("snapshot", "save", backup);

      await node.reboot();
      if (node.kubelet?.running !== true) node.startKubelet();
      await expect(plane.api.get("/readyz")).rejects.toThrow();

      const out = join(base, "recovered");
      const kubeconfig = join(plane.authority.directory, "admin-inside.kubeconfig");
      const { plane: found } = await recoverControlPlane({
        recoveryDir: out,
        source: { kind: "backup", path: backup },
        kubeconfig: { kubeconfig, context: undefined, variables: {} },
        allowMissing: false,
        skipHashCheck: false,
        force: false,
        dryRun: false,
      });
      expect(found).toMatchObject({ flavour: "self-hosted", missing: [], findings: [] });

      // What `start` does with an asset dir.
      for (const [from, to] of [
        ["tls", BOOTSTRAP_SECRETS],
        ["auth", BOOTSTRAP_SECRETS],
        ["bootstrap-manifests", STATIC_PODS_PATH],
      ] as const) {
        for (const entry of readdirSync(join(out, from), { recursive: true, withFileTypes: true })) {
          if (!entry.isFile()) continue;
          const path = join(entry.parentPath, entry.name);
          await node.write(path.replace(join(out, from), to), readFileSync(path, "utf8"));
        }
      }
      const explain = () => plane.logs(["node1-kubelet"]);
      await waitFor(
        "the bootstrap pods to run",
        async () => {
          const running = (await node.containers()).join("\n");
          return COMPONENTS.every((name) => running.includes(`kube-system/bootstrap-${name}-node1/${name}`));
        },
        { seconds: 120, explain },
      );
      await waitFor(
        "the API server to answer",
        () =>
          plane.api.get("/readyz").then(
            () => true,
            () => false,
          ),
        { seconds: 60, explain },
      );

      // The bootstrap scheduler and controller manager do their work: something new is deployed.
      await plane.api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas: 2 } });
      await plane.podsReady("default", "app=web", 2);

      await node.run(["sh", "-c", `rm ${STATIC_PODS_PATH}/bootstrap-*.yaml && rm -r ${BOOTSTRAP_SECRETS}`]);
      await waitFor(
        "the permanent control plane to run alone",
        async () => {
          const running = (await node.containers()).join("\n");
          return (
            !running.includes("bootstrap-") &&
            COMPONENTS.every((name) => new RegExp(`kube-system/${name}-[^/]*/${name}$`, "m").test(running))
          );
        },
        { seconds: 240, everyMilliseconds: 500, explain },
      );
      await waitFor(
        "the API server to answer",
        () =>
          plane.api.get("/readyz").then(
            () => true,
            () => false,
          ),
        { seconds: 120, explain },
      );
      for (const component of COMPONENTS.slice(1))
        await waitFor(
          `${component} to lead`, // the one before may have given its lease up as it ended
          async () => (await leaseHolder(plane, component)).startsWith("node1_"),
          { seconds: 60, explain },
        );
      await plane.api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas: 3 } });
      await plane.podsReady("default", "app=web", 3);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});
