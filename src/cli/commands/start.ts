import { InvalidArgumentError } from "commander";
import { BOOTSTRAP_SECRETS_DIR } from "../../bootstrap/fix-up.ts";
import { parseRequiredPod, type RequiredPod } from "../../bootstrap/pivot.ts";
import type { EtcdOutcome } from "../../operations/start/bring-etcd-back.ts";
import type { StartPreview } from "../../operations/start/start.ts";
import { jsonLine } from "../json-outputs.ts";
import { defineCommand } from "../options/define-command.ts";
import { duration, parsed, path, toggle } from "../options/flag.ts";
import { outputFlag, QUIET_FLAG } from "../options/output-flags.ts";
import { REQUEST_TIMEOUT_FLAG } from "../options/request-timeout.ts";
import { stepLines } from "../terminal/step-lines.ts";

export const startCommand = defineCommand({
  name: "start",
  text: "start a cluster on this control-plane node from its asset dir, rendered or recovered",
  flags: {
    assetDir: path("--asset-dir <dir>", "what render or recover has written", { required: true }),
    podManifestPath: path("--pod-manifest-path <dir>", "where the kubelet looks for static pods", {
      default: "/etc/kubernetes/manifests",
    }),
    requiredPods: parsed(
      "--required-pods <pods>",
      "NAMESPACE/NAME,... to wait for, by the beginning of their names",
      parsePods,
    ),
    dryRun: toggle("--dry-run", "change nothing: check everything, and print what would be done"),
    strict: toggle("--strict", "fail when a manifest cannot be created"),
    timeout: duration("--timeout <duration>", "how long to wait in all", { default: "20m" }),
    requestTimeout: REQUEST_TIMEOUT_FLAG,
    output: outputFlag(["text", "json"]),
    quiet: QUIET_FLAG,
  },
  examples: [
    "kubemend start --asset-dir=recovered",
    "kubemend start --asset-dir=cluster --strict --timeout=10m",
    "kubemend start --asset-dir=cluster --required-pods=kube-system/kube-apiserver,kube-system/kube-scheduler",
  ],
  page: "docs/start-a-cluster.md",
  async run(_, flags, { host }) {
    const { previewStart, startControlPlane } = await import("../../operations/start/start.ts");
    const { thisMachine } = await import("../../operations/start/machine.ts");
    const began = host.now();
    const isJson = flags.output === "json";
    const start = {
      machine: thisMachine(),
      assetDir: flags.assetDir,
      podManifestPath: flags.podManifestPath,
      secretsDir: BOOTSTRAP_SECRETS_DIR,
      requiredPods: flags.requiredPods,
      strict: flags.strict,
      timeoutMs: flags.timeout,
      signal: host.signal,
      variables: host.env,
      // It starts an API server, and says itself that it waits for it.
      manners: { requestTimeoutMs: flags.requestTimeout },
      now: host.now,
      report: stepLines(host, flags.quiet),
    };
    if (flags.dryRun) {
      const preview = await previewStart(start);
      await host.stdout.write(
        isJson ? jsonLine("start --dry-run", { ...preview, etcd: preview.etcd ?? null }) : previewText(preview),
      );
      return;
    }
    const { created, existed, failed, node, etcd } = await startControlPlane(start);
    const seconds = Math.round((host.now() - began) / 1000);
    if (isJson) {
      await host.stdout.write(jsonLine("start", { node, seconds, created, existed, failed, etcd: etcd ?? null }));
    } else {
      await host.stdout.write(`The control plane runs, and holds its leases. It took ${seconds} s.\n`);
      if (etcd !== undefined) await host.stdout.write(etcdText(etcd));
    }
  },
});

function previewText({ node, manifests, secretsDir, etcd, objects, required }: StartPreview): string {
  const lines = [`On node "${node}", a start would:`];
  if (etcd !== undefined) {
    if (etcd.restores !== undefined) lines.push(`restore etcd from "${etcd.restores}" into "${etcd.dataDir}"`);
    lines.push(
      `have the kubelet run etcd from "${etcd.manifest}", with its certificates in "${etcd.secretsDir}"; it stays`,
    );
  }
  lines.push(`put the secrets of the temporary control plane into "${secretsDir}"`);
  lines.push(...manifests.map((path) => `have the kubelet run "${path}"`));
  lines.push(`create ${objects} objects, where they are not there yet`);
  lines.push(`wait for ${required.join(", ")}, then take the temporary control plane away`);
  return `${lines.join("\n  ")}\n`;
}

function etcdText({ manifest, dataDir, secretsDir }: EtcdOutcome): string {
  return `The cluster's etcd is now a static pod of this machine, with one member, and no longer etcd-operator's:
  manifest      ${manifest}
  data          ${dataDir}
  certificates  ${secretsDir}
Next:
  keep these three: without them the cluster is lost again
  have backups made from now on: kubemend snapshot save (docs/back-up-and-restore-etcd.md)
  remove etcd-operator, if it still runs: kubectl delete deployment -n kube-system etcd-operator
`;
}

function parsePods(text: string): RequiredPod[] {
  return text.split(",").map((part) => {
    const pod = parseRequiredPod(part.trim());
    if (pod === undefined) throw new InvalidArgumentError("expected NAMESPACE/NAME, several separated by commas");
    return pod;
  });
}
