import { resolve } from "node:path";
import { placesIn } from "../../checkpoint/data-directory.ts";
import { PATIENCE } from "../../checkpoint/state.ts";
import { MendError } from "../../errors/errors.ts";
import type { Host } from "../host.ts";
import { AGENT_ADDRESS } from "../options/agent-address.ts";
import { defineCommand } from "../options/define-command.ts";
import { duration, oneOf, path, wholeNumber, words } from "../options/flag.ts";
import { protectFlags } from "../options/protect-flags.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

export const checkpointRun = defineCommand({
  name: "run",
  text: "the node agent: copies annotated pods, and runs the copies while there is no API server",
  flags: {
    lockFile: path("--lock-file <file>", "held while the agent runs, so that there is only one", {
      default: "/var/run/lock/pod-checkpointer.lock",
    }),
    kubeconfig: path("--kubeconfig <file>", "how to reach the API server and the kubelet", {
      default: "/etc/kubernetes/kubeconfig",
    }),
    context: words("--context <name>", "of the kubeconfig (default: its current one)"),
    containerRuntimeEndpoint: words(
      "--container-runtime-endpoint <url>",
      "the runtime's socket (default: the kubelet's, or where runtimes usually listen)",
    ),
    remoteRuntimeEndpoint: words("--remote-runtime-endpoint <url>", "the same", { hidden: true }),
    runtimeRequestTimeout: duration("--runtime-request-timeout <duration>", "for one request to the runtime", {
      default: "10s",
      least: "1s",
    }),
    checkpointGracePeriod: duration(
      "--checkpoint-grace-period <duration>",
      "how long a checkpoint outlives its parent; less counts as 15s",
      { default: "1m", least: "0" },
    ),
    generations: wholeNumber("--generations <n>", "good copies to keep of each", { default: 3, least: 1, most: 100 }),
    healthyAfter: duration(
      "--healthy-after <duration>",
      "how long a parent runs healthy before its copy replaces the last",
      { default: "30s", least: "0" },
    ),
    refreshInterval: duration("--refresh-interval <duration>", "how often secrets and config maps are read", {
      default: "1m",
      least: "1s",
    }),
    kubernetesDirectory: path("--kubernetes-directory <dir>", "where manifests and checkpoints are", {
      default: "/etc/kubernetes",
    }),
    metricsAddress: words(
      "--metrics-address <address>",
      "serves /metrics, /healthz and /status on the loopback interface; none: nowhere",
      { default: AGENT_ADDRESS },
    ),
    ...protectFlags({
      manifests: "copy static pods' own manifests and what they mount; put back what is lost",
      keyFile: "encrypts these copies: 32 bytes in base64",
    }),
    protectAfter: duration("--protect-after <duration>", "how long a manifest must be gone before it is put back", {
      default: "5m",
      least: "0",
    }),
    backupConfig: path(
      "--backup-config <file>",
      "run the backup agent too, in the same process: see kubemend backup run",
    ),
    logLevel: oneOf("--log-level <level>", LEVELS, "what is logged", { default: "info" }),
    v: wholeNumber("-v, --v <n>", "verbosity as the original has it", { default: 0, hidden: true }),
  },
  examples: [
    "kubemend checkpoint run --kubeconfig=/etc/checkpointer/kubeconfig",
    `NODE_NAME=master-1 kubemend checkpoint run --kubeconfig=/etc/kubernetes/kubeconfig \\
  --checkpoint-grace-period=5m`,
    `NODE_NAME=master-1 kubemend checkpoint run --kubeconfig=/etc/kubernetes/kubeconfig \\
  --backup-config=/etc/kubemend/backup.yaml`,
  ],
  notes: `The node, the pod and its namespace come from NODE_NAME, POD_NAME and POD_NAMESPACE (the downward API), the node's
address from HOST_IP.`,
  page: "docs/keep-a-node-recoverable.md",
  async run(_, flags, { host }) {
    const { runCheckpointer } = await import("../../operations/checkpoint/checkpointer.ts");
    const { findRuntime, thisMachine } = await import("../../operations/checkpoint/machine.ts");
    const { NODE_NAME, POD_NAME, POD_NAMESPACE, HOST_IP } = host.env;
    const { protectManifests, protectKeyFile } = flags;
    const common = {
      now: host.now,
      clock: () => performance.now(),
      log: jsonLog(host, flags.v > 0 ? "debug" : flags.logLevel),
    };
    const { backupConfig } = flags;
    const runtime = flags.containerRuntimeEndpoint ?? flags.remoteRuntimeEndpoint;
    await runCheckpointer({
      place: { nodeName: need(NODE_NAME), podName: POD_NAME || undefined, namespace: POD_NAMESPACE || "kube-system" },
      places: placesIn(flags.kubernetesDirectory),
      kubeconfig: flags.kubeconfig,
      context: flags.context,
      hostIp: HOST_IP || "127.0.0.1",
      lockFile: flags.lockFile,
      machine: thisMachine(runtime ?? (await findRuntime()), flags.runtimeRequestTimeout),
      patience: { ...PATIENCE, grace: flags.checkpointGracePeriod },
      generations: flags.generations,
      healthyAfterMs: flags.healthyAfter,
      refreshMs: flags.refreshInterval,
      metricsAddress: flags.metricsAddress === "none" ? undefined : flags.metricsAddress,
      protect: protectManifests && {
        mends: protectManifests === "mend",
        goneAfterMs: flags.protectAfter,
        keyFile: protectKeyFile === undefined ? undefined : resolve(host.cwd, protectKeyFile),
      },
      beside:
        backupConfig === undefined
          ? undefined
          : async (signal) => {
              const { runBackupBeside } = await import("../../operations/backup/agent/run-beside.ts");
              const config = resolve(host.cwd, backupConfig);
              const { env, cwd } = host;
              await runBackupBeside({ ...common, config, nodeName: need(NODE_NAME), env, cwd, signal });
            },
      signal: host.signal,
      ...common,
    });
  },
});

function need(nodeName: string | undefined): string {
  if (nodeName) return nodeName;
  throw new MendError("usage", "NODE_NAME is not set", {
    hint: "set it to the node's name: in a pod by the downward API, spec.nodeName",
  });
}

/** A line of JSON for each thing that happens. */
function jsonLog(host: Host, least: Level) {
  return (level: Level, msg: string, fields?: Readonly<Record<string, unknown>>): void => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const time = new Date(host.now()).toISOString();
    void host.stderr.write(`${JSON.stringify({ time, level, msg, ...fields })}\n`);
  };
}
