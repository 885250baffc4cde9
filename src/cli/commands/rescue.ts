import { defined } from "../../errors/defined.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import type { RescueOptions, RescuePlan } from "../../operations/rescue/rescue.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { choice, defineCommand } from "../options/define-command.ts";
import { duration, oneOf, toggle, words } from "../options/flag.ts";
import { QUIET_FLAG } from "../options/output-flags.ts";
import { yamlText } from "../reports/object-text.ts";
import { isUndecided, isWhole, podSummary, rescueJson, rescueText } from "../reports/rescue-report.ts";
import { stepLines } from "../terminal/step-lines.ts";

const COMPONENTS = {
  scheduler: "kube-scheduler",
  "controller-manager": "kube-controller-manager",
  "kube-scheduler": "kube-scheduler",
  "kube-controller-manager": "kube-controller-manager",
} as const satisfies Readonly<Record<string, LeaseHolderName>>;

export const rescueCommand = defineCommand({
  name: "rescue",
  text: "bring back a lost scheduler or controller manager, with a temporary pod until its own runs",
  args: {
    components: choice(
      "<component...>",
      Object.keys(COMPONENTS) as (keyof typeof COMPONENTS)[],
      "scheduler, controller-manager, or both",
    ),
  },
  flags: {
    ...CLUSTER_FLAGS,
    namespace: words("-n, --namespace <namespace>", "where the component lives (default: found)"),
    node: words("--node <name>", "where the rescue pod runs (default: a control-plane node that is Ready)"),
    serviceAccount: words(
      "--service-account <name>",
      "of the rescue pod (default: the component's own where it works, else default)",
    ),
    timeout: duration("--timeout <duration>", "how long to wait in all", { default: "10m" }),
    dryRun: toggle("--dry-run", "change nothing: print what would be created, and have the API server check it"),
    output: oneOf(
      "-o, --output <format>",
      ["text", "json", "yaml"],
      "output format; yaml prints the rescue pod and stops",
      { default: "text" },
    ),
    quiet: QUIET_FLAG,
  },
  examples: [
    "kubemend rescue scheduler",
    "kubemend rescue scheduler controller-manager --timeout=5m",
    "kubemend rescue controller-manager --dry-run",
    `by hand:
kubemend rescue scheduler -o yaml > rescue.yaml && kubectl create -f rescue.yaml`,
  ],
  notes: `A component that renews its lease is left alone. Exit code 1 where one does not come back; its rescue pod stays
where it works. Exit code 3 where its pods run and it is unknown whether they work: nothing is changed then.`,
  page: "docs/rescue-scheduler-and-controller-manager.md",
  async run({ components }, flags, { host }) {
    const { planRescue, rescue } = await import("../../operations/rescue/rescue.ts");
    const request: RescueOptions = {
      cluster: clusterFlags(host, flags),
      components: [...new Set(components.map((name) => COMPONENTS[name]))],
      namespace: flags.namespace,
      node: flags.node,
      serviceAccount: flags.serviceAccount,
      summary: podSummary,
      timeoutMs: flags.timeout,
      signal: host.signal,
      now: host.now,
      report: stepLines(host, flags.quiet),
    };
    if (flags.output === "yaml" || flags.dryRun) {
      const plans = await planRescue(request);
      await host.stdout.write(plansText(plans, flags.output));
      for (const { notes, refusal } of plans) {
        for (const note of notes) await host.stderr.write(`note: ${note}\n`);
        if (refusal !== undefined) await host.stderr.write(`warning: ${refusal.text}\n`);
      }
      return plans.some(({ refusal }) => refusal !== undefined) ? EXIT.failed : EXIT.done;
    }
    const result = await rescue(request);
    await host.stdout.write(flags.output === "json" ? jsonLine("rescue", rescueJson(result)) : rescueText(result));
    return isUndecided(result) ? EXIT.unknown : isWhole(result) ? EXIT.done : EXIT.failed;
  },
});

function plansText(plans: readonly RescuePlan[], format: "text" | "json" | "yaml"): string {
  if (format === "yaml") return plans.map(({ pod }) => yamlText(pod)).join("---\n");
  if (format === "json") {
    return `${JSON.stringify(plans.map(({ pod, refusal }) => ({ pod, refusal: refusal ?? null })))}\n`;
  }
  const lines = plans.map(({ pod, target, refusal }) => {
    const { name, namespace } = pod.metadata;
    const checked = refusal === undefined ? "" : ", which the API server refuses";
    return (
      `would create pod "${namespace}/${name}" on node ` +
      `"${pod.spec && (pod.spec as { nodeName?: string }).nodeName}" from ` +
      `${defined(target.templates[0]).title}${checked}\n`
    );
  });
  return `${lines.join("")}unless the component renews its lease: then it would be left alone\n`;
}
