import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { placesIn } from "../../checkpoint/data-directory.ts";
import { PATIENCE } from "../../checkpoint/state.ts";
import { MendError } from "../../errors/errors.ts";
import type { AgentLog } from "../../operations/checkpoint/checkpointer-options.ts";
import type { CommandContext } from "../command.ts";
import type { Host } from "../host.ts";
import { duration } from "../options/flag.ts";

const EXAMPLES = `
The node, the pod and its namespace come from NODE_NAME, POD_NAME and POD_NAMESPACE (the downward API), the node's address from HOST_IP.

Examples:
  kubemend checkpoint run --kubeconfig=/etc/checkpointer/kubeconfig
  NODE_NAME=master-1 kubemend checkpoint run --kubeconfig=/etc/kubernetes/kubeconfig --checkpoint-grace-period=5m`;

const LEVELS = ["debug", "info", "warn", "error"] as const;

interface Options {
  readonly lockFile: string;
  readonly kubeconfig: string;
  readonly context?: string;
  readonly containerRuntimeEndpoint?: string;
  readonly remoteRuntimeEndpoint?: string;
  readonly runtimeRequestTimeout: number;
  readonly checkpointGracePeriod: number;
  readonly generations: number;
  readonly healthyAfter: number;
  readonly refreshInterval: number;
  readonly kubernetesDirectory: string;
  readonly metricsAddress: string;
  readonly protectManifests?: "mend" | "notice";
  readonly protectAfter: number;
  readonly protectKeyFile?: string;
  readonly logLevel: (typeof LEVELS)[number];
  readonly v: number;
}

export function checkpointRunCommand({ host }: CommandContext): Command {
  return new Command("run")
    .description("the node agent: copies annotated pods, and runs the copies while there is no API server")
    .option("--lock-file <file>", "one agent at a time", "/var/run/lock/pod-checkpointer.lock")
    .option("--kubeconfig <file>", "how to reach the API server and the kubelet", "/etc/kubernetes/kubeconfig")
    .option("--context <name>", "of the kubeconfig")
    .option(
      "--container-runtime-endpoint <url>",
      "the runtime's socket (the kubelet's, or where runtimes usually listen)",
    )
    .addOption(new Option("--remote-runtime-endpoint <url>", "the same").hideHelp())
    .addOption(
      duration("--runtime-request-timeout <duration>", "for one request to the runtime", {
        default: "10s",
        least: "1s",
      }).option(),
    )
    .addOption(
      duration(
        "--checkpoint-grace-period <duration>",
        "how long a checkpoint outlives its parent; less counts as 15s",
        {
          default: "1m",
          least: "0",
        },
      ).option(),
    )
    .addOption(new Option("--generations <n>", "good copies to keep of each").argParser(parseCount).default(3, "3"))
    .addOption(
      duration("--healthy-after <duration>", "how long a parent runs healthy before its copy replaces the last", {
        default: "30s",
        least: "0",
      }).option(),
    )
    .addOption(
      duration("--refresh-interval <duration>", "how often secrets and config maps are asked for", {
        default: "1m",
        least: "1s",
      }).option(),
    )
    .option("--kubernetes-directory <dir>", "where manifests and checkpoints are", "/etc/kubernetes")
    .option("--metrics-address <address>", "/metrics, /healthz and /status on the loopback, or none", DEFAULT_ADDRESS)
    .addOption(
      new Option(
        "--protect-manifests [how]",
        "copy static pods' own manifests and what they mount; put back what is lost",
      )
        .choices(["mend", "notice"])
        .preset("mend"),
    )
    .addOption(
      duration("--protect-after <duration>", "how long a manifest must be gone before it is put back", {
        default: "5m",
        least: "0",
      }).option(),
    )
    .option("--protect-key-file <file>", "encrypts these copies: 32 bytes in base64")
    .addOption(new Option("--log-level <level>", "what is logged").choices([...LEVELS]).default("info"))
    .addOption(new Option("-v, --v <n>", "verbosity as the original has it").argParser(Number).default(0).hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { findRuntime, runCheckpointer } = await import("../../operations/checkpoint/checkpointer.ts");
      const { NODE_NAME, POD_NAME, POD_NAMESPACE, HOST_IP } = host.env;
      const asked = options.containerRuntimeEndpoint ?? options.remoteRuntimeEndpoint;
      await runCheckpointer({
        place: { nodeName: need(NODE_NAME), podName: POD_NAME || undefined, namespace: POD_NAMESPACE || "kube-system" },
        places: placesIn(resolve(host.cwd, options.kubernetesDirectory)),
        kubeconfig: resolve(host.cwd, options.kubeconfig),
        context: options.context,
        hostIp: HOST_IP || "127.0.0.1",
        lockFile: resolve(host.cwd, options.lockFile),
        runtimeEndpoint: asked ?? (await findRuntime()),
        runtimeTimeoutMs: options.runtimeRequestTimeout,
        patience: { ...PATIENCE, grace: options.checkpointGracePeriod },
        generations: options.generations,
        healthyAfterMs: options.healthyAfter,
        refreshMs: options.refreshInterval,
        metricsAddress: options.metricsAddress === "none" ? undefined : options.metricsAddress,
        protect: options.protectManifests && {
          mends: options.protectManifests === "mend",
          goneAfterMs: options.protectAfter,
          keyFile: options.protectKeyFile === undefined ? undefined : resolve(host.cwd, options.protectKeyFile),
        },
        signal: host.signal,
        now: host.now,
        clock: () => performance.now(),
        log: jsonLog(host, options.v > 0 ? "debug" : options.logLevel),
      });
    });
}

/** Where the agent serves its pages unless told. */
export const DEFAULT_ADDRESS = "127.0.0.1:10270";

function need(nodeName: string | undefined): string {
  if (nodeName) return nodeName;
  throw new MendError("usage", "NODE_NAME is not set", {
    hint: "set it to the node's name: in a pod by the downward API, spec.nodeName",
  });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 100)
    throw new InvalidArgumentError("expected a number from 1 to 100");
  return count;
}

/** A line of JSON for each thing that happens. */
function jsonLog(host: Host, least: (typeof LEVELS)[number]): AgentLog {
  return (level, msg, fields) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const time = new Date(host.now()).toISOString();
    void host.stderr.write(`${JSON.stringify({ time, level, msg, ...fields })}\n`);
  };
}
