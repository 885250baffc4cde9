/**
 * The runbook's recovery of a scheduler or controller manager, as a person runs it with kubectl, but for the time that
 * a person takes to read, to think and to type: no command waits for anything but its own end, and what has to be
 * waited for is looked at every 5 s. The service account stays the Deployment's: the runbook's `default` may not
 * schedule where there is RBAC.
 *
 * usage: rescue-by-hand.ts KUBECTL KUBECONFIG COMPONENT...
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const INTERVAL_MS = 5000;
const [kubectlProgram, kubeconfig, ...components] = process.argv.slice(2);

function kubectl(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(kubectlProgram!, [`--kubeconfig=${kubeconfig}`, ...args], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new Error(`kubectl ${args.join(" ")} ends with ${status}: ${stderr}`);
  return stdout;
}

async function lookUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(INTERVAL_MS);
}

const directory = mkdtempSync(join(tmpdir(), "rescue-by-hand-"));
try {
  const [node] = kubectl("get", "nodes", "-l", "node-role.kubernetes.io/master", "-o", "name").split("\n");
  for (const component of components) {
    const { spec } = JSON.parse(kubectl("-n", "kube-system", "get", "deployment", component, "-o", "json"));
    const { nodeSelector: _, ...podSpec } = spec.template.spec;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `${component}-rescue`, namespace: "kube-system" },
      spec: { ...podSpec, nodeName: node!.replace("node/", "") },
    };
    const file = join(directory, `${component}.json`);
    writeFileSync(file, JSON.stringify(pod));
    kubectl("create", "-f", file);
  }
  for (const component of components) {
    const scheduled = () =>
      kubectl(
        "-n",
        "kube-system",
        "get",
        "pods",
        "-l",
        `k8s-app=${component}`,
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
      ) !== "";
    await lookUntil(scheduled);
    kubectl("delete", "-f", join(directory, `${component}.json`));
  }
  const rows = () => kubectl("get", "pods", "--all-namespaces", "--no-headers").trim().split("\n");
  await lookUntil(() => rows().every((row) => /\s(\d+)\/\1\s+Running\s/.test(row)));
} finally {
  rmSync(directory, { recursive: true });
}
