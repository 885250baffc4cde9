import { resolve } from "node:path";
import type { CleanOptions } from "../../operations/clean/clean.ts";
import type { PreparedUndo } from "../../operations/clean/undo-clean.ts";
import type { Host } from "../host.ts";
import { jsonLine } from "../json-outputs.ts";
import { defineCommand } from "../options/define-command.ts";
import { duration, path, several, toggle, type ValuesOf, words } from "../options/flag.ts";
import { resultFlags, snapshotOptions, YES_FLAG } from "../options/output-flags.ts";
import { nothingText, planText, questionText, resultText } from "../reports/clean-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { confirm } from "../terminal/confirm.ts";
import { stepLines } from "../terminal/step-lines.ts";

/** `--undo` without a name. */
const NEWEST = "";

const FLAGS = {
  ...resultFlags(["text", "json"]),
  dryRun: toggle("--dry-run", "change nothing: print each step with its size"),
  yes: YES_FLAG,
  undo: words("--undo [cleaned-TIME]", "move everything back, by default of the newest clean", { preset: NEWEST }),
  purge: toggle("--purge", "delete what was moved; logs and etcd's backup stay"),
  startKubelet: toggle(
    "--no-start-kubelet",
    "leave the kubelet stopped: with several control-plane nodes it is started on one",
  ),
  keepEtcd: toggle("--keep-etcd", "leave etcd's data where it is"),
  allowDamagedEtcd: toggle("--allow-damaged-etcd", "continue when etcd's database does not verify"),
  skipContainers: toggle("--skip-containers", "leave containers alone"),
  gracePeriod: duration("--grace-period <duration>", "how long a container may take to stop", {
    default: "10s",
    least: "0",
  }),
  keepIn: path("--keep-in <dir>", "where cleaned-TIME is made (default: /var/lib/kubemend)"),
  podManifestPath: path(
    "--pod-manifest-path <dir>",
    "where the static pods are (default: as the kubelet is configured)",
  ),
  kubeletDir: path(
    "--kubelet-dir <dir>",
    "the kubelet's directory (default: as it is configured, else /var/lib/kubelet)",
  ),
  etcdDataDir: several(
    "--etcd-data-dir <dir...>",
    "etcd's data (default: found by static pods, containers, /var/etcd, /var/lib/etcd)",
  ),
  logDir: path("--log-dir <dir>", "the container logs (default: /var/log/containers)"),
  containerRuntimeEndpoint: words(
    "--container-runtime-endpoint <url>",
    "the runtime's socket (default: as the kubelet is configured, else found)",
  ),
};

type Flags = ValuesOf<typeof FLAGS>;

export const nodeClean = defineCommand({
  name: "clean",
  text: "move a failed node's containers, manifests, pods and etcd data out of the way; --undo brings them back",
  flags: FLAGS,
  examples: ["sudo kubemend node clean --dry-run", "sudo kubemend node clean", "sudo kubemend node clean --undo"],
  notes: `Run it on the node. In this order: container logs are archived, the kubelet is stopped, containers are stopped, etcd's
database is copied and verified, containers are removed, static pod manifests, pods' state and etcd's data are moved to
/var/lib/kubemend/cleaned-TIME, the kubelet is started. A run that was interrupted continues where it was.`,
  page: "docs/clean-up-a-node.md",
  run: (_, flags, { host }) => (flags.undo === undefined ? clean(host, flags) : undo(host, flags)),
});

async function clean(host: Host, flags: Flags): Promise<void> {
  const { prepareClean } = await import("../../operations/clean/clean.ts");
  const { line, ...common } = cleanOptions(host, flags);
  const prepared = await prepareClean(common);
  try {
    const { plan } = prepared;
    const isJson = flags.output === "json";
    const isNothing = plan.steps.length === 0;
    if (flags.dryRun || (isNothing && !prepared.resumes)) {
      const text = isNothing ? nothingText(plan) : planText(plan, prepared.resumes);
      await host.stdout.write(isJson ? jsonLine("node clean --dry-run", plan) : text);
      return;
    }
    if (!flags.quiet) await host.stderr.write(planText(plan, prepared.resumes));
    // An earlier run may have been killed after its last step.
    if (!isNothing && !(await confirm(host, flags.yes, questionText(plan)))) {
      await host.stderr.write("nothing was changed\n");
      return;
    }
    const result = await prepared.run();
    await line.end();
    await host.stdout.write(isJson ? jsonLine("node clean", result) : resultText(result));
  } finally {
    prepared.close();
  }
}

async function undo(host: Host, flags: Flags): Promise<void> {
  const { prepareUndo } = await import("../../operations/clean/undo-clean.ts");
  const { line, ...common } = cleanOptions(host, flags);
  const prepared = await prepareUndo({ ...common, name: flags.undo === NEWEST ? undefined : flags.undo });
  const isJson = flags.output === "json";
  const { run, ...plan } = prepared;
  if (flags.dryRun) {
    await host.stdout.write(isJson ? jsonLine("node clean --undo --dry-run", plan) : undoText(prepared));
    return;
  }
  if (!flags.quiet) await host.stderr.write(undoText(prepared));
  if (!(await confirm(host, flags.yes, "Move it back?"))) {
    await host.stderr.write("nothing was changed\n");
    return;
  }
  const result = await run();
  await line.end();
  await host.stdout.write(
    isJson
      ? jsonLine("node clean --undo", result)
      : `moved back ${result.back.length} things from "${result.directory}"\n`,
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

function cleanOptions(host: Host, flags: Flags): CleanOptions & Pick<ReturnType<typeof snapshotOptions>, "line"> {
  const { line, progress } = snapshotOptions(host, flags);
  const story = stepLines(host, flags.quiet);
  const etcdDirs = flags.etcdDataDir.map((each) => resolve(host.cwd, each));
  return {
    time: host.now(),
    keep: flags.keepIn,
    manifests: flags.podManifestPath,
    kubeletDirectory: flags.kubeletDir,
    etcd: flags.keepEtcd ? [] : etcdDirs.length === 0 ? undefined : etcdDirs,
    logs: flags.logDir,
    runtime: flags.containerRuntimeEndpoint,
    skipContainers: flags.skipContainers,
    purge: flags.purge,
    startKubelet: flags.startKubelet,
    allowDamagedEtcd: flags.allowDamagedEtcd,
    graceSeconds: Math.ceil(flags.gracePeriod / 1000),
    signal: host.signal,
    report(text) {
      void line.end(); // the progress line makes way
      story(text);
    },
    progress: progress ?? (() => {}),
    line,
  };
}
