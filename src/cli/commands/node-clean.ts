import { resolve } from "node:path";
import { Command } from "commander";
import type { CleanOptions } from "../../operations/clean/clean.ts";
import type { PreparedUndo } from "../../operations/clean/undo-clean.ts";
import type { CommandContext } from "../command.ts";
import type { Host } from "../host.ts";
import { duration } from "../options/flag.ts";
import { type OutputOptions, outputOptions, snapshotOptions, storyTeller } from "../options/shared-options.ts";
import { nothingText, planText, questionText, resultText } from "../reports/clean-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { confirm } from "../terminal/confirm.ts";

const EXAMPLES = `
Examples:
  sudo kubemend node clean --dry-run
  sudo kubemend node clean
  sudo kubemend node clean --undo

Run it on the node. In this order: container logs are archived, the kubelet is stopped, containers are stopped, etcd's database is copied and verified,
containers are removed, static pod manifests, pods' state and etcd's data are moved to /var/lib/kubemend/cleaned-TIME, the kubelet is started. A run
that was interrupted goes on where it was.`;

interface Options extends OutputOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly undo?: string | true;
  readonly purge?: true;
  /** False with `--no-start-kubelet`. */
  readonly startKubelet: boolean;
  readonly keepEtcd?: true;
  readonly allowDamagedEtcd?: true;
  readonly skipContainers?: true;
  readonly gracePeriod: number;
  readonly keepIn?: string;
  readonly podManifestPath?: string;
  readonly kubeletDir?: string;
  readonly etcdDataDir?: string[];
  readonly logDir?: string;
  readonly containerRuntimeEndpoint?: string;
}

export function nodeCleanCommand({ host }: CommandContext): Command {
  return outputOptions(new Command("clean"), ["text", "json"])
    .description(
      "take a failed node's containers, manifests, pods and etcd data out of the way, to be brought back or not",
    )
    .option("--dry-run", "change nothing: print each step with its size")
    .option("-y, --yes", "do not ask")
    .option("--undo [cleaned-TIME]", "move everything back, by default of the newest clean")
    .option("--purge", "delete what was moved; logs and etcd's backup stay")
    .option("--no-start-kubelet", "leave the kubelet stopped: in a cluster of several masters it is started on one")
    .option("--keep-etcd", "leave etcd's data where it is")
    .option("--allow-damaged-etcd", "go on when etcd's database does not verify")
    .option("--skip-containers", "leave containers alone")
    .addOption(
      duration("--grace-period <duration>", "what a container gets to end by itself", {
        default: "10s",
        least: "0",
      }).option(),
    )
    .option("--keep-in <dir>", "where cleaned-TIME is made (/var/lib/kubemend)")
    .option("--pod-manifest-path <dir>", "where the static pods are (as the kubelet was told)")
    .option("--kubelet-dir <dir>", "the kubelet's directory (as it was told, else /var/lib/kubelet)")
    .option("--etcd-data-dir <dir...>", "etcd's data (found: static pods, containers, /var/etcd, /var/lib/etcd)")
    .option("--log-dir <dir>", "the container logs (/var/log/containers)")
    .option("--container-runtime-endpoint <url>", "the runtime's socket (as the kubelet was told, else looked for)")
    .addHelpText("after", EXAMPLES)
    .action((options: Options) => (options.undo === undefined ? clean(host, options) : undo(host, options)));
}

async function clean(host: Host, options: Options): Promise<void> {
  const { prepareClean } = await import("../../operations/clean/clean.ts");
  const { line, ...common } = cleanOptions(host, options);
  const prepared = await prepareClean(common);
  try {
    const { plan } = prepared;
    const isJson = options.output === "json";
    const isNothing = plan.steps.length === 0;
    if (options.dryRun === true || (isNothing && !prepared.goesOn)) {
      const text = isNothing ? nothingText(plan) : planText(plan, prepared.goesOn);
      await host.stdout.write(isJson ? `${JSON.stringify(plan)}\n` : text);
      return;
    }
    if (options.quiet !== true) await host.stderr.write(planText(plan, prepared.goesOn));
    // An earlier run may have been killed at its last word.
    if (!isNothing && !(await confirm(host, options.yes === true, questionText(plan)))) {
      await host.stderr.write("nothing was changed\n");
      return;
    }
    const result = await prepared.run();
    await line.end();
    await host.stdout.write(isJson ? `${JSON.stringify(result)}\n` : resultText(result));
  } finally {
    prepared.close();
  }
}

async function undo(host: Host, options: Options): Promise<void> {
  const { prepareUndo } = await import("../../operations/clean/undo-clean.ts");
  const { line, ...common } = cleanOptions(host, options);
  const prepared = await prepareUndo({ ...common, name: options.undo === true ? undefined : options.undo });
  const isJson = options.output === "json";
  const { run, ...plan } = prepared;
  if (options.dryRun === true) {
    await host.stdout.write(isJson ? `${JSON.stringify(plan)}\n` : undoText(prepared));
    return;
  }
  if (options.quiet !== true) await host.stderr.write(undoText(prepared));
  if (!(await confirm(host, options.yes === true, "Take it back?"))) {
    await host.stderr.write("nothing was changed\n");
    return;
  }
  const result = await run();
  await line.end();
  await host.stdout.write(
    isJson ? `${JSON.stringify(result)}\n` : `moved back ${result.back.length} things from "${result.directory}"\n`,
  );
}

function undoText({ directory, began, back, bytes, kubelet, replaced }: PreparedUndo): string {
  const lines = [`"${directory}" of ${began}: ${back.length} things, ${byteText(bytes)}, go back to where they were`];
  if (kubelet !== undefined) lines.push(`the kubelet (${kubelet}) is stopped meanwhile`);
  if (replaced.length > 0) {
    lines.push(
      `the kubelet has made ${replaced.length} of these pods again: containers are stopped, and their state is set aside`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function cleanOptions(host: Host, options: Options): CleanOptions & Pick<ReturnType<typeof snapshotOptions>, "line"> {
  const { line, progress } = snapshotOptions(host, options);
  const story = storyTeller(host, options.quiet === true);
  const path = (given: string | undefined): string | undefined =>
    given === undefined ? undefined : resolve(host.cwd, given);
  const etcd = options.keepEtcd === true ? [] : options.etcdDataDir?.map((given) => resolve(host.cwd, given));
  return {
    time: host.now(),
    keep: path(options.keepIn),
    manifests: path(options.podManifestPath),
    kubeletDirectory: path(options.kubeletDir),
    etcd,
    logs: path(options.logDir),
    runtime: options.containerRuntimeEndpoint,
    skipContainers: options.skipContainers === true,
    purge: options.purge === true,
    startKubelet: options.startKubelet,
    allowDamagedEtcd: options.allowDamagedEtcd === true,
    graceSeconds: Math.ceil(options.gracePeriod / 1000),
    signal: host.signal,
    tell(text) {
      void line.end(); // what is shown of progress makes room
      story(text);
    },
    progress: progress ?? (() => {}),
    line,
  };
}
