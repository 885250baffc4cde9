/**
 * The agent is killed at every change that it makes to the disk, by a real API server's and runtime's leave: what is
 * there is whole each time, and never less than before.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { AGENT_KUBECONFIG, filesOf, openSecrets, parentWeb, prepareCheckpointer } from "./checkpointing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND } from "./rendered-cluster.ts";

const AGENT = [KUBEMEND[0]!, join(import.meta.dirname, "dying-agent.ts")];
const DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/web";

describeWithCluster("the checkpointer, killed at every write", (kubernetes) => {
  longTest("leaves whole checkpoints, and never fewer", async () => {
    await using plane = await startControlPlane({ kubernetes });
    const node = await plane.addNode("node1");
    await prepareCheckpointer(plane, node);
    await plane.api.apply(parentWeb("web", 8090));
    const [pod] = await plane.podsReady("kube-system", "app=web", 1);
    /** Runs it until it dies, or comes to rest; true when it did. */
    const run = async (at: number) => {
      const command = ["env", "NODE_NAME=node1", ...AGENT, String(at), "/etc/kubernetes", AGENT_KUBECONFIG];
      const { code, stdout, stderr } = await node.runForResult(command, { timeoutSeconds: 60 });
      expect([0, 137, null], stderr).toContain(code);
      return code === 0 ? stdout : undefined;
    };
    const onDisk = async () => {
      const status = ["checkpoint", "status", "-o", "json", "--metrics-address=127.0.0.1:1"];
      const { stdout } = await node.runForResult([...KUBEMEND, ...status]);
      const { checkpoints, findings } = JSON.parse(stdout);
      expect(findings).toEqual([]);
      expect(await openSecrets(node)).toEqual([]);
      return checkpoints.flatMap((each: { generations: { number: number }[] }) =>
        each.generations.map((g) => g.number),
      );
    };

    let newest = 0;
    let changes = 0;
    /** A secret that is another each time, until a run comes to rest. */
    const changeUntilRest = async () => {
      for (let at = 1; ; at++) {
        const patch = { stringData: { key: `text ${++changes}` } };
        await plane.api.patch("/api/v1/namespaces/kube-system/secrets/web-secret", patch);
        const rested = await run(at);
        const numbers = await onDisk();
        expect(numbers[0] ?? 0).toBeGreaterThanOrEqual(newest);
        if (newest > 0) expect(numbers.length).toBeGreaterThan(0);
        newest = numbers[0] ?? 0;
        if (rested !== undefined) return;
      }
    };
    await changeUntilRest(); // the first copy takes more changes than one that follows it
    const first = newest;
    expect(first).toBeGreaterThan(0);
    await changeUntilRest();
    expect(newest).toBeGreaterThan(first + 3);

    await plane.api.delete(DAEMON_SET);
    await waitFor("the pod to be gone", async () => (await node.containers()).every((name) => !name.includes("/web-")));
    for (let at = 1; (await run(at)) === undefined; at++) await onDisk();
    expect(await filesOf(node, pod.metadata.name)).toEqual([]);
  });
});
