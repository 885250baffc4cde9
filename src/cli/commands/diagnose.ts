import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { DiagnoseOptions, DiagnoseResult } from "../../operations/diagnose/diagnose.ts";
import { type CommandContext, EXIT } from "../command.ts";
import type { Host } from "../host.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { duration } from "../options/flag.ts";
import { type ListenAddress, parseAddress } from "../options/listen-address.ts";
import { type ClusterOptions, clusterFlags, clusterOptions } from "../options/shared-options.ts";
import { diagnosisText } from "../reports/diagnosis-text.ts";
import type { Text } from "../terminal/styled.ts";

const EXAMPLES = `
Examples:
  kubemend diagnose
  sudo kubemend diagnose                      on a control-plane node: looks at this machine and asks etcd, too
  kubemend diagnose -o json | jq -r '.troubles[].commands[]'
  kubemend diagnose --watch
  kubemend diagnose --ui                      the same in a browser

etcd is asked as this machine's API server or etcd member reaches it, or with --endpoints and its kin. Changes nothing. Exit code 0 where nothing is broken, 1 where something is, 3 where nothing
of the cluster could be judged.`;

interface Options extends ClusterOptions, EtcdOptions {
  readonly output: "text" | "json";
  readonly watch?: true;
  readonly ui?: ListenAddress;
  readonly interval: number;
  readonly probeTimeout: number;
}

export function registerDiagnose(program: Command, { host, exit }: CommandContext): void {
  const command = clusterOptions(
    program.command("diagnose").description("what is broken, the evidence, and the command that mends it"),
  )
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text", "text"))
    .option("-w, --watch", "look again and again, until interrupted")
    .addOption(
      new Option("--ui [address]", "show it in a browser, and look again and again, until interrupted")
        .argParser(parseAddress)
        .preset("127.0.0.1:0"),
    )
    .addOption(duration("--interval <duration>", "between two looks", { default: "5s" }).option())
    .addOption(duration("--probe-timeout <duration>", "for one probe", { default: "3s" }).option());
  etcdOptions(command)
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { diagnoseCluster } = await import("../../operations/diagnose/diagnose.ts");
      const look = () => diagnoseCluster(operationOptions(host, options));
      if (options.ui !== undefined) {
        const last = await showInBrowser(look, options.ui, options.interval, host);
        if (last?.verdict === "broken") exit(EXIT.failed);
        if (last?.verdict === "unknown") exit(EXIT.unknown);
        return;
      }
      const result = options.watch === true ? await watch(look, host, options) : await look();
      if (options.watch !== true) await host.stdout.write(render(result!, options));
      if (result?.verdict === "broken") exit(EXIT.failed);
      if (result?.verdict === "unknown") exit(EXIT.unknown);
    });
}

async function showInBrowser(
  look: () => Promise<DiagnoseResult>,
  address: ListenAddress,
  intervalMs: number,
  { now, signal, stdout }: Host,
): Promise<DiagnoseResult | undefined> {
  const { serveDiagnosis } = await import("../../operations/serve/serve-diagnosis.ts");
  const onReady = (page: string) => stdout.write(`page  ${page}\npress Ctrl-C to stop\n`);
  return serveDiagnosis({ ...address, look, intervalMs, now, signal, onReady });
}

function operationOptions(host: Host, options: Options): DiagnoseOptions {
  const { env } = host;
  const named = options.endpoints ?? options.discoverySrv ?? env.ETCDCTL_ENDPOINTS ?? env.ETCDCTL_DISCOVERY_SRV;
  return {
    cluster: clusterFlags(host, options),
    etcd: named === undefined ? undefined : etcdFlags(host, options),
    deadlineMs: options.probeTimeout,
    signal: host.signal,
    now: host.now,
  };
}

function render(result: DiagnoseResult, { output }: Options): Text {
  return output === "json" ? `${JSON.stringify(result)}\n` : diagnosisText(result);
}

/** On a terminal the screen is drawn anew; elsewhere what changed is printed. Ends with the last look when it is interrupted. */
async function watch(
  look: () => Promise<DiagnoseResult>,
  host: Host,
  options: Options,
): Promise<DiagnoseResult | undefined> {
  let last: DiagnoseResult | undefined;
  let shown = "";
  try {
    for (;;) {
      last = await look();
      const summary = JSON.stringify(last.troubles.map(({ code, where }) => [code, where]));
      if (host.stdout.isTTY && options.output === "text") {
        await host.stdout.clearScreen();
        await host.stdout.write(render(last, options));
      } else if (summary !== shown) await host.stdout.write(render(last, options));
      shown = summary;
      await sleep(options.interval, undefined, { signal: host.signal });
    }
  } catch (error) {
    if (!host.signal.aborted) throw error;
    return last;
  }
}
