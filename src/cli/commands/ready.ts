import type { Readiness, ReadinessState } from "../../diagnosis/readiness.ts";
import { EXIT } from "../command.ts";
import { REPOSITORY_TEXT } from "../options/backup-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { duration, words } from "../options/flag.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { addresses, REACH_FLAGS, reachOptions } from "../options/reach-flags.ts";
import { IDENTITY_FLAG } from "../options/snapshot-flags.ts";
import { oneLine } from "../terminal/escape.ts";
import { styled, type Text } from "../terminal/styled.ts";

export const readyCommand = defineCommand({
  name: "ready",
  text: "whether backups and nodes are ready for the night when a control plane dies, and what to do next",
  args: { repository: argument("[repository]", `where the backups are: ${REPOSITORY_TEXT}`) },
  flags: {
    ...resultFlags(["text", "json"]),
    ...REACH_FLAGS,
    nodeCommand: words("--node-command <command>", "what runs kubemend on the nodes", { default: "kubemend" }),
    identity: IDENTITY_FLAG,
    maxLag: duration("--max-lag <duration>", "how old the newest moment may be", { default: "5m" }),
    maxAge: duration("--max-age <duration>", "how long ago the last verify and the last drill may be", {
      default: "48h",
    }),
  },
  examples: [
    "kubemend ready s3://backup/prod --identity identity.txt --ssh admin@",
    "kubemend ready /mnt/backup/prod --node cp1=10.0.0.11 --node cp2=10.0.0.12 --node cp3=10.0.0.13",
  ],
  notes: `Run it where you would be in that night: on a machine outside of the cluster. It reads the repository, and asks each
control-plane node by ssh (those named by --node, or those whose files are in the repository). Changes nothing. What is
not known counts as not ready. Exit code 1 where something is not ready, 3 where nothing could be judged.`,
  page: "docs/before-the-night.md",
  async run({ repository }, flags, { host }) {
    const { checkReadiness } = await import("../../operations/ready/ready.ts");
    const { ssh, command, signal } = reachOptions(host, flags);
    const readiness = await checkReadiness({
      repository,
      moments: snapshotOptions(host, flags).moments,
      nodes: addresses(flags.node),
      ssh,
      command: command ?? ["kubemend"],
      limits: { maxLagMs: flags.maxLag, maxCheckMs: flags.maxAge },
      now: host.now,
      signal,
    });
    await host.stdout.write(flags.output === "json" ? `${JSON.stringify(readiness)}\n` : readinessText(readiness));
    if (readiness.ready === readiness.of) return EXIT.done;
    return readiness.checks.every(({ state }) => state === "unknown") ? EXIT.unknown : EXIT.failed;
  },
});

const MARKS: Readonly<Record<ReadinessState, Text>> = {
  ready: styled("good", "ok       "),
  "not-ready": styled("error", "NOT READY"),
  unknown: styled("warning", "unknown  "),
};

function readinessText({ ready, of, checks }: Readiness): Text {
  const width = Math.max(...checks.map(({ code }) => code.length));
  const lines = checks.flatMap(({ state, code, text, todo }, i): Text[] => {
    const isReported = todo === null || checks[i + 1]?.todo === todo; // once, after the last of those that it mends
    const shown = checks[i - 1]?.text === text ? "the same" : oneLine(text);
    const indent = " ".repeat("NOT READY".length + width + 4);
    return [
      MARKS[state],
      `  ${code.padEnd(width)}  ${shown}\n`,
      ...(isReported ? [] : [`${indent}-> ${oneLine(todo)}\n`]),
    ];
  });
  return [...lines, `\n${ready} of ${of} ready\n`];
}
