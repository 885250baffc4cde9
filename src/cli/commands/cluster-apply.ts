import { resolve } from "node:path";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { path, toggle } from "../options/flag.ts";
import { outputFlag, QUIET_FLAG, YES_FLAG } from "../options/output-flags.ts";
import { ownPlanText } from "../reports/cluster-plan-text.ts";
import { showCluster } from "../reports/cluster-progress.ts";
import { restoredText } from "../reports/cluster-restored-text.ts";
import { confirm } from "../terminal/confirm.ts";

export const clusterApply = defineCommand({
  name: "apply",
  text: "restore this node from its bundle, in step with its peers",
  args: { bundle: argument("<file>", "what kubemend cluster bundle wrote for this node") },
  flags: {
    plan: toggle("--plan", "look at this node, print the plan, and stop"),
    undo: toggle("--undo", "bring this node back to what it was, in step with its peers"),
    identity: path("--identity <file>", "the age identity that the bundle was encrypted for"),
    output: outputFlag(["text", "json"]),
    quiet: QUIET_FLAG,
    yes: YES_FLAG,
  },
  examples: [
    "kubemend cluster apply restore-20261129-104217-3f9c2a-cp1.bundle",
    "kubemend cluster apply restore-20261129-104217-3f9c2a-cp1.bundle --undo",
  ],
  notes: `Run it on every node of the operation. No etcd starts before all nodes are ready: until then they see each other on
etcd's peer port. A run that was cut off continues where it stopped when the same command is run again.`,
  page: "docs/restore-a-cluster.md",
  async run({ bundle }, flags, { host }) {
    const { applyBundle, takeBundleBack } = await import("../../operations/cluster/apply-bundle.ts");
    const file = resolve(host.cwd, bundle);
    const isJson = flags.output === "json";
    const picture = showCluster(host, flags.quiet, flags.undo ? 2 : undefined);
    const identity = flags.identity === undefined ? {} : { identityFile: resolve(host.cwd, flags.identity) };
    const common = { ...identity, signal: host.signal, now: host.now, on: picture.on };
    if (flags.undo) {
      if (!(await confirm(host, flags.yes, "take this node back to what it was?"))) return EXIT.failed;
      const operation = await takeBundleBack(file, common);
      await host.stdout.write(isJson ? `${JSON.stringify({ operation })}\n` : `as before ${operation}\n`);
      return undefined;
    }
    let shown: { readonly text: string; readonly json: unknown; readonly isRefused: boolean } | undefined;
    const applied = await applyBundle(file, {
      ...common,
      agree: async (plan, check, node) => {
        const isRefused = check.problems.length > 0;
        shown = { text: ownPlanText(plan, check, node), json: { plan, check }, isRefused };
        if (flags.plan) return false;
        await host.stderr.write(shown.text);
        if (isRefused) return true; // refused with all of them
        return confirm(host, flags.yes, `restore this node to revision ${plan.backup.revision}?`);
      },
    });
    if (applied !== undefined) {
      await host.stdout.write(isJson ? jsonLine("cluster apply", applied) : restoredText(applied));
      return undefined;
    }
    if (flags.plan && shown !== undefined) {
      await host.stdout.write(isJson ? `${JSON.stringify(shown.json)}\n` : shown.text);
      return shown.isRefused ? EXIT.failed : undefined;
    }
    await host.stderr.write("nothing was changed\n");
    return EXIT.failed;
  },
});
