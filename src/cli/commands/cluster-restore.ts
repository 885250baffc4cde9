import { nodesOf, type PlanCheck, type RestorePlan } from "../../cluster/restore-plan.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { commaList, path, toggle, words } from "../options/flag.ts";
import { outputFlag, PROGRESS_FLAG, QUIET_FLAG, snapshotOptions, YES_FLAG } from "../options/output-flags.ts";
import { addresses, REACH_FLAGS, reachOptions } from "../options/reach-flags.ts";
import { planText } from "../reports/cluster-plan-text.ts";
import { showCluster } from "../reports/cluster-progress.ts";
import { restoredText } from "../reports/cluster-restored-text.ts";
import { confirm } from "../terminal/confirm.ts";

export const clusterRestore = defineCommand({
  name: "restore",
  text: "bring a cluster of static pods back from a backup, on all of its control-plane nodes in step",
  args: { backup: argument("<backup>", "a snapshot, or a moment of a backup repository") },
  flags: {
    ...REACH_FLAGS,
    without: commaList("--without <names>", "control-plane nodes that no longer are"),
    plan: toggle("--plan", "survey the nodes, print the plan, and stop"),
    runbook: toggle("--runbook", "ask no node: print the plan as a document, for people who go from node to node"),
    encryptionConfig: path("--encryption-config <file>", "the API server's, for objects that are encrypted at rest"),
    etcdPrefix: words(
      "--etcd-prefix <prefix>",
      "where the API server keeps its objects (default: found in the backup)",
    ),
    certificateKey: words(
      "--certificate-key <key>",
      "kubeadm's, to read the authorities' keys from secret kubeadm-certs of the backup",
    ),
    newAuthority: toggle(
      "--new-authority",
      "the nodes have another cluster authority than the backup: warn, and do not refuse",
    ),
    identity: path("--identity <file>", "the age identity of the repository"),
    output: outputFlag(["text", "json"]),
    progress: PROGRESS_FLAG,
    quiet: QUIET_FLAG,
    yes: YES_FLAG,
  },
  examples: [
    "kubemend cluster restore backup.db --plan",
    "kubemend cluster restore backup.db --ssh ubuntu@ --node cp1=10.0.0.11 --node cp2=10.0.0.12 --node cp3=10.0.0.13",
    "kubemend cluster restore backup.db --runbook > restore.md",
    "kubemend cluster restore s3://backups/prod@latest --without cp3 --yes",
  ],
  notes: `Every node is surveyed before anything is touched. Old data is moved aside, never deleted: kubemend cluster
undo brings it back. A run that was cut off continues where it stopped when the same command is run again.`,
  page: "docs/restore-a-cluster.md",
  async run({ backup }, flags, { host }) {
    const { restoreCluster } = await import("../../operations/cluster/restore-cluster.ts");
    const { reachBySsh } = await import("../../operations/cluster/reach-nodes.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const encryption = flags.encryptionConfig === undefined ? {} : { encryptionConfig: flags.encryptionConfig };
    const key = flags.certificateKey === undefined ? {} : { certificateKey: flags.certificateKey };
    const prefix = flags.etcdPrefix === undefined ? {} : { etcdPrefix: flags.etcdPrefix };
    if (flags.runbook) {
      const { restoreRunbook } = await import("../../operations/cluster/restore-cluster.ts");
      const about = { without: flags.without, now: host.now, addresses: addresses(flags.node) };
      const text = await restoreRunbook(backup, { ...common, ...encryption, ...prefix, ...about });
      await line.end();
      await host.stdout.write(text);
      return undefined;
    }
    const isJson = flags.output === "json";
    const picture = showCluster(host, flags.quiet);
    let shown: { readonly plan: RestorePlan; readonly check: PlanCheck } | undefined;
    await using ways = reachBySsh(reachOptions(host, flags));
    const restored = await restoreCluster(backup, {
      ...common,
      ...encryption,
      ...prefix,
      ...key,
      addresses: addresses(flags.node),
      without: flags.without,
      acceptNewAuthority: flags.newAuthority,
      reach: ways.to,
      signal: host.signal,
      now: host.now,
      on: picture.on,
      agree: async (plan, check) => {
        await line.end();
        shown = { plan, check };
        if (flags.plan) return false;
        await host.stderr.write(planText(plan, check));
        if (check.problems.length > 0) return true; // refused with all of them
        return confirm(host, flags.yes, `restore ${nodesOf(plan).length} nodes to revision ${plan.backup.revision}?`);
      },
    });
    await line.end();
    if (restored !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster restore", restored) : restoredText(restored));
      return undefined;
    }
    if (flags.plan && shown !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster restore --plan", shown) : planText(shown.plan, shown.check));
      return shown.check.problems.length > 0 ? EXIT.failed : undefined;
    }
    await host.stderr.write("nothing was changed\n");
    return EXIT.failed;
  },
});
