import { STATE_TEXT } from "../../checkpoint/cause.ts";
import { placesIn } from "../../checkpoint/data-directory.ts";
import { MendError } from "../../errors/errors.ts";
import { humanDuration } from "../../kubeapi/columns/age.ts";
import type { AgentReport, CheckpointReport } from "../../operations/checkpoint/checkpointer-options.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { AGENT_ADDRESS } from "../options/agent-address.ts";
import { defineCommand } from "../options/define-command.ts";
import { path, words } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";
import { alignedText } from "../terminal/aligned-text.ts";

export const checkpointStatus = defineCommand({
  name: "status",
  text: "what is checkpointed on this node, in which state, since when and why",
  flags: {
    kubernetesDirectory: path("--kubernetes-directory <dir>", "where manifests and checkpoints are", {
      default: "/etc/kubernetes",
    }),
    metricsAddress: words("--metrics-address <address>", "where the agent answers", { default: AGENT_ADDRESS }),
    output: outputFlag(["text", "json"]),
  },
  examples: ["kubemend checkpoint status", "kubemend checkpoint status -o json"],
  notes:
    "Asks the agent of this node; where none answers, prints what is on disk. Exit code 1 where something is wrong.",
  page: "docs/keep-a-node-recoverable.md",
  async run(_, { kubernetesDirectory, metricsAddress, output }, { host }) {
    const operation = await import("../../operations/checkpoint/checkpoint-status.ts");
    const report = await operation.checkpointStatus({
      places: placesIn(kubernetesDirectory),
      metricsAddress,
      now: host.now,
    });
    await host.stdout.write(output === "json" ? jsonLine("checkpoint status", report) : reportText(report, host.now()));
    if (output === "text") await host.stderr.write(findingsText(report.findings));
    if (!report.agent.answers) {
      throw new MendError("agent-silent", "no agent answers on this node", {
        where: metricsAddress,
        hint: 'see what has become of its container ("crictl ps -a --name pod-checkpointer"), or pass its --metrics-address',
      });
    }
    return hasErrors(report.findings) ? EXIT.failed : EXIT.done;
  },
});

function reportText(report: AgentReport, now: number): string {
  const { agent, apiServer, runtime, checkpoints } = report;
  const lines = agent.answers
    ? [
        `node ${report.node}, namespace ${report.namespace}`,
        `API server: ${apiServer ?? "answers"}`,
        `container runtime: ${runtime ?? "answers"}`,
      ]
    : ["what is on disk:"];
  const table = [
    ["CHECKPOINT", "POD", "STATE", "SINCE", "GENERATIONS", "WHY"],
    ...checkpoints.map((each) => [
      each.id,
      each.pod,
      STATE_TEXT[each.state],
      each.since === null ? "unknown" : humanDuration(now - Date.parse(each.since)),
      generationsText(each),
      each.cause,
    ]),
  ];
  const files = checkpoints.flatMap((each) => each.files.map((path) => `  ${path}\n`));
  return [
    `${lines.join("\n")}\n\n`,
    checkpoints.length === 0 ? "nothing is checkpointed\n" : alignedText(table),
    files.length === 0 ? "" : `\nsecrets and config maps of the newest generations:\n${files.join("")}`,
  ].join("");
}

/** Newest first; `*` what runs, `?` what has not run healthy for a while. */
function generationsText({ generations, runs }: CheckpointReport): string {
  if (generations.length === 0) return "none";
  return generations
    .map(({ number, proven }) => `${number}${proven ? "" : "?"}${number === runs ? "*" : ""}`)
    .join(" ");
}
