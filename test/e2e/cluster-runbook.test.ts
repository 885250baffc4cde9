/**
 * The runbook of a restore, done by hand: every command of it, as it stands, on a cluster that the real kubeadm has
 * made.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { startKubeadm } from "../../testbed/kubeadm.ts";
import type { Node } from "../../testbed/node.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const KUBEMEND = [process.execPath, join(import.meta.dirname, "../../src/cli/main.ts")];
const ETCD_FLAGS = [
  "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
  "--cert=/etc/kubernetes/pki/etcd/server.crt",
  "--key=/etc/kubernetes/pki/etcd/server.key",
];
/** As a person has them: kubemend on the path, and sudo, which root does not need. */
const SHELL = `mkdir -p /root/bin
printf '#!/bin/sh\\nexec ${KUBEMEND.join(" ")} "$@"\\n' >/root/bin/kubemend
printf '#!/bin/sh\\nexec "$@"\\n' >/root/bin/sudo
chmod +x /root/bin/*`;

function commandsOf(runbook: string): string[] {
  return [...runbook.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!.trim());
}

describeWithCluster("a cluster of one control-plane node, by hand", (kubernetes) => {
  longTest(
    "every command of the runbook, as it stands",
    async () => {
      await using bed = await startKubeadm({ kubernetes, controlPlanes: 1 });
      const [node] = bed.controlPlanes as [Node];
      const mark = (name: string) =>
        bed.api.applyObject({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } });
      await mark("before-1");
      const endpoint = `--endpoints=https://${node.address}:2379`;
      await node.run([...KUBEMEND, "snapshot", "save", "/root/backup.db", endpoint, ...ETCD_FLAGS]);
      await mark("after-1");
      const runbook = await node.run([...KUBEMEND, "cluster", "restore", "/root/backup.db", "--runbook"]);
      await node.run(["sh", "-ec", SHELL]);
      await node.run(["rm", "/etc/kubernetes/scheduler.conf"]); // the runbook has a line for what is lost

      const commands = commandsOf(runbook);
      expect(commands.length).toBeGreaterThan(6);
      let health = "";
      for (const command of commands) {
        const script = `set -e\nexport PATH=/root/bin:$PATH\ncd /root\n${command}\n`;
        const run = () => node.runForResult(["bash", "-c", script], { timeoutSeconds: 300 });
        // "Repeat it while it says that something is not known", and the API server has its minutes.
        const isRepeated = /etcd health|diagnose/.test(command);
        const outcome = isRepeated
          ? await waitFor(command, async () => ((await run()).code === 0 ? await run() : undefined), { seconds: 300 })
          : await run();
        expect([command, outcome.code, outcome.stderr]).toEqual([command, 0, expect.anything()]);
        if (command.includes("etcd health")) health = outcome.stdout;
      }
      expect(health).toContain("what serves is what was restored");
      const api = await bed.apiOf(node);
      const items = await waitFor("the API server to list", () => api.list("/api/v1/namespaces/default/configmaps"), {
        seconds: 120,
      });
      api.close();
      const names = items.map(({ metadata }) => metadata.name as string).filter((name) => /-1$/.test(name));
      expect(names).toEqual(["before-1"]);
    },
    1_800_000,
  );
});
