import { resolve } from "node:path";
import { Command, Option } from "commander";
import { STATE_TEXT } from "../../checkpoint/cause.ts";
import { placesIn } from "../../checkpoint/data-directory.ts";
import { MendError } from "../../errors/errors.ts";
import { humanDuration } from "../../kubeapi/columns/age.ts";
import type { AgentReport, CheckpointReport } from "../../operations/checkpoint/checkpointer-options.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { findingsText } from "../reports/findings-text.ts";
import { alignedText } from "../terminal/aligned-text.ts";
import { DEFAULT_ADDRESS } from "./checkpoint-run.ts";

const EXAMPLES = `
Asks the agent of this node; where none answers, tells what is on disk. Exit code 1 where something is wrong.

Examples:
  kubemend checkpoint status
  kubemend checkpoint status -o json`;

interface Options {
  readonly kubernetesDirectory: string;
  readonly metricsAddress: string;
  readonly output: "text" | "json";
}

export function checkpointStatusCommand({ host, exit }: CommandContext): Command {
  return new Command("status")
    .description("what is checkpointed on this node, in which state, since when and why")
    .option("--kubernetes-directory <dir>", "where manifests and checkpoints are", "/etc/kubernetes")
    .option("--metrics-address <address>", "where the agent answers", DEFAULT_ADDRESS)
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      const { checkpointStatus } = await import("../../operations/checkpoint/checkpoint-status.ts");
      const report = await checkpointStatus({
        places: placesIn(resolve(host.cwd, options.kubernetesDirectory)),
        metricsAddress: options.metricsAddress,
        now: host.now,
      });
      await host.stdout.write(
        options.output === "json" ? `${JSON.stringify(report)}\n` : reportText(report, host.now()),
      );
      if (options.output === "text") await host.stderr.write(findingsText(report.findings));
      if (!report.agent.answers) {
        throw new MendError("agent-silent", "no agent answers on this node", {
          where: options.metricsAddress,
          hint: 'see what has become of its container ("crictl ps -a --name pod-checkpointer"), or pass its --metrics-address',
        });
      }
      if (report.findings.some(({ level }) => level === "error")) exit(EXIT.failed);
    });
}

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
