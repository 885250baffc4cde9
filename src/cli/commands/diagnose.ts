import { setTimeout as sleep } from "node:timers/promises";
import { placesIn } from "../../checkpoint/data-directory.ts";
import { MendError } from "../../errors/errors.ts";
import type { AgentReport } from "../../operations/checkpoint/checkpointer-options.ts";
import type { DiagnoseOptions, DiagnoseResult } from "../../operations/diagnose/diagnose.ts";
import { EXIT } from "../command.ts";
import type { Host } from "../host.ts";
import { jsonLine } from "../json-outputs.ts";
import { AGENT_ADDRESS } from "../options/agent-address.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { duration, parsed, toggle, type ValuesOf, words } from "../options/flag.ts";
import { withFlags } from "../options/input-flags.ts";
import { type ListenAddress, parseAddress } from "../options/listen-address.ts";
import { outputFlag } from "../options/output-flags.ts";
import { diagnosisText } from "../reports/diagnosis-text.ts";
import type { Text } from "../terminal/styled.ts";

const FLAGS = {
  ...CLUSTER_FLAGS,
  output: outputFlag(["text", "json"]),
  watch: toggle("-w, --watch", "repeat until interrupted"),
  ui: parsed("--ui [address]", "show it in a browser, and repeat until interrupted", parseAddress, {
    preset: "127.0.0.1:0",
  }),
  metricsAddress: words(
    "--metrics-address <address>",
    "with --watch: serve /metrics, /healthz and /status there, on the loopback",
  ),
  interval: duration("--interval <duration>", "between two checks", { default: "5s" }),
  probeTimeout: duration("--probe-timeout <duration>", "for one probe", { default: "3s" }),
  ...ETCD_FLAGS,
};

type Flags = ValuesOf<typeof FLAGS>;

export const diagnoseCommand = defineCommand({
  name: "diagnose",
  text: "what is broken, the evidence, and the command that mends it",
  flags: FLAGS,
  examples: [
    "kubemend diagnose",
    "sudo kubemend diagnose                      # on a control-plane node: also checks this machine and asks etcd",
    "kubemend diagnose -o json | jq -r '.troubles[].commands[]'",
    "kubemend diagnose --watch",
    "kubemend diagnose --watch --interval 30s --metrics-address 127.0.0.1:10273    # for Prometheus",
    "kubemend diagnose --ui                      # the same in a browser",
  ],
  notes: `etcd is asked as this machine's API server or etcd member reaches it, or with --endpoints and the flags for its
certificates. Changes nothing. Exit code 0 where nothing is broken, 1 where something is, 3 where nothing of the cluster
could be judged.`,
  page: "docs/diagnose.md",
  async run(_, flags, { host }) {
    const { diagnoseCluster } = await import("../../operations/diagnose/diagnose.ts");
    const look = () => diagnoseCluster(operationOptions(host, flags));
    if (flags.metricsAddress !== undefined && !flags.watch)
      throw new MendError("usage", "metrics are served while it is repeated", { hint: "pass --watch too" });
    if (flags.ui !== undefined) return exitCode(await showInBrowser(look, flags.ui, flags.interval, host));
    if (flags.watch) return exitCode(await watch(look, host, flags));
    const result = await look();
    await host.stdout.write(render(result, flags));
    return exitCode(result);
  },
});

/** Undefined where it was interrupted before the first result: nothing is known then. */
function exitCode(result: DiagnoseResult | undefined) {
  if (result === undefined) return EXIT.interrupted;
  if (result.verdict === "broken") return EXIT.failed;
  return result.verdict === "unknown" ? EXIT.unknown : EXIT.done;
}

async function showInBrowser(
  look: () => Promise<DiagnoseResult>,
  address: ListenAddress,
  intervalMs: number,
  { now, signal, stdout }: Host,
): Promise<DiagnoseResult | undefined> {
  const { serveDiagnosis } = await import("../../operations/serve/serve-diagnosis.ts");
  const onReady = (page: string) => stdout.write(`page  ${page}\npress Ctrl-C to stop\n`);
  // The page is no terminal: its texts get their flags here.
  const inFlags = async () => {
    const [result, checkpointer] = await Promise.all([look(), readCheckpointer(now)]);
    return JSON.parse(withFlags(JSON.stringify({ ...result, checkpointer }))) as DiagnoseResult;
  };
  return serveDiagnosis({ ...address, look: inFlags, intervalMs, now, signal, onReady });
}

/** The state of this node's checkpointer, from its agent or from the disk; null where it has none, or that cannot be read. */
async function readCheckpointer(now: () => number): Promise<AgentReport | null> {
  const { checkpointStatus } = await import("../../operations/checkpoint/checkpoint-status.ts");
  try {
    const report = await checkpointStatus({ places: placesIn("/etc/kubernetes"), metricsAddress: AGENT_ADDRESS, now });
    return report.agent.answers || report.checkpoints.length > 0 || report.findings.length > 0 ? report : null;
  } catch {
    return null; // the page shows what diagnose finds; "checkpoint status" says why
  }
}

function operationOptions(host: Host, flags: Flags): DiagnoseOptions {
  const { env } = host;
  const named = flags.endpoints ?? flags.discoverySrv ?? env.ETCDCTL_ENDPOINTS ?? env.ETCDCTL_DISCOVERY_SRV;
  return {
    cluster: clusterFlags(host, flags),
    etcd: named === undefined ? undefined : etcdFlags(host, flags),
    deadlineMs: flags.probeTimeout,
    signal: host.signal,
    now: host.now,
  };
}

function render(result: DiagnoseResult, { output }: Flags): Text {
  return output === "json" ? jsonLine("diagnose", result) : diagnosisText(result);
}

/** On a terminal the screen is redrawn; elsewhere what changed is printed. Ends with the last look when it is interrupted. */
async function watch(
  look: () => Promise<DiagnoseResult>,
  host: Host,
  flags: Flags,
): Promise<DiagnoseResult | undefined> {
  let last: DiagnoseResult | undefined;
  let shown = "";
  const { openDiagnosisPages } = await import("../../operations/diagnose/diagnosis-pages.ts");
  const { metricsAddress } = flags;
  const pages = metricsAddress === undefined ? undefined : await openDiagnosisPages(() => last, metricsAddress);
  try {
    for (;;) {
      last = await look();
      const summary = JSON.stringify(last.troubles.map(({ code, where }) => [code, where]));
      if (host.stdout.isTTY && flags.output === "text") {
        await host.stdout.clearScreen();
        await host.stdout.write(render(last, flags));
      } else if (summary !== shown) await host.stdout.write(render(last, flags));
      shown = summary;
      await sleep(flags.interval, undefined, { signal: host.signal });
    }
  } catch (error) {
    if (!host.signal.aborted) throw error;
    return last;
  } finally {
    pages?.close();
  }
}
