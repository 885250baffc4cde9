import { Argument, type Command, Option } from "commander";
import type { LeaseHolderName } from "../../kube/lease.ts";
import type { RescueOptions, RescuePlan } from "../../operations/rescue/rescue.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { duration } from "../options/flag.ts";
import { type ClusterOptions, clusterFlags, clusterOptions, storyTeller } from "../options/shared-options.ts";
import { yamlText } from "../reports/object-text.ts";
import { isUndecided, isWhole, podSummary, rescueJson, rescueText } from "../reports/rescue-report.ts";

const EXAMPLES = `
Examples:
  kubemend rescue scheduler
  kubemend rescue scheduler controller-manager --timeout=5m
  kubemend rescue controller-manager --dry-run
  by hand:
  kubemend rescue scheduler -o yaml > rescue.yaml && kubectl create -f rescue.yaml

A component that renews its lease is left alone. Exit code 1 where one does not come back; its rescue pod stays where it works. Exit code 3 where its pods run and
whether they work cannot be told: nothing is changed then.`;

const COMPONENTS: Readonly<Record<string, LeaseHolderName>> = {
  scheduler: "kube-scheduler",
  "controller-manager": "kube-controller-manager",
  "kube-scheduler": "kube-scheduler",
  "kube-controller-manager": "kube-controller-manager",
};

interface Options extends ClusterOptions {
  readonly namespace?: string;
  readonly node?: string;
  readonly serviceAccount?: string;
  readonly timeout: number;
  readonly output: "text" | "json" | "yaml";
  readonly dryRun?: true;
  readonly quiet?: true;
}

export function registerRescue(program: Command, context: CommandContext): void {
  const { host, exit } = context;
  clusterOptions(program.command("rescue"))
    .description("bring back a scheduler or controller manager that is lost, by a pod in its place until its own runs")
    .addArgument(
      new Argument("<component...>", "scheduler, controller-manager, or both").choices(Object.keys(COMPONENTS)),
    )
    .option("-n, --namespace <namespace>", "where the component lives; found unless given")
    .option("--node <name>", "where the rescue pod is to run; a master that is Ready unless given")
    .option("--service-account <name>", "of the rescue pod; the component's own where it works, else default")
    .addOption(duration("--timeout <duration>", "how long to wait in all", { default: "10m" }).option())
    .option("--dry-run", "say what would be created, have the API server check it, and change nothing")
    .addOption(
      new Option("-o, --output <format>", "output format; yaml prints the rescue pod and stops")
        .choices(["text", "json", "yaml"])
        .default("text", "text"),
    )
    .option("-q, --quiet", "print errors and the result only")
    .addHelpText("after", EXAMPLES)
    .action(async (components: readonly string[], options: Options) => {
      const { planRescue, rescue } = await import("../../operations/rescue/rescue.ts");
      const given: RescueOptions = {
        cluster: clusterFlags(host, options),
        components: [...new Set(components.map((name) => COMPONENTS[name]!))],
        namespace: options.namespace,
        node: options.node,
        serviceAccount: options.serviceAccount,
        summary: podSummary,
        timeoutMs: options.timeout,
        signal: host.signal,
        now: host.now,
        tell: storyTeller(host, options.quiet === true),
      };
      if (options.output === "yaml" || options.dryRun === true) {
        const plans = await planRescue(given);
        await host.stdout.write(plansText(plans, options.output));
        for (const { notes, refusal } of plans) {
          for (const note of notes) await host.stderr.write(`note: ${note}\n`);
          if (refusal !== undefined) await host.stderr.write(`warning: ${refusal.text}\n`);
        }
        if (plans.some(({ refusal }) => refusal !== undefined)) exit(EXIT.failed);
        return;
      }
      const result = await rescue(given);
      await host.stdout.write(
        options.output === "json" ? `${JSON.stringify(rescueJson(result))}\n` : rescueText(result),
      );
      if (isUndecided(result)) exit(EXIT.unknown);
      else if (!isWhole(result)) exit(EXIT.failed);
    });
}

function plansText(plans: readonly RescuePlan[], format: Options["output"]): string {
  if (format === "yaml") return plans.map(({ pod }) => yamlText(pod)).join("---\n");
  if (format === "json") {
    return `${JSON.stringify(plans.map(({ pod, refusal }) => ({ pod, refusal: refusal ?? null })))}\n`;
  }
  const lines = plans.map(({ pod, target, refusal }) => {
    const { name, namespace } = pod.metadata;
    const checked = refusal === undefined ? "" : ", which the API server refuses";
    return `would create pod "${namespace}/${name}" on node "${pod.spec && (pod.spec as { nodeName?: string }).nodeName}" from ${target.templates[0]!.title}${checked}\n`;
  });
  return `${lines.join("")}unless the component renews its lease: then it would be left alone\n`;
}
