/** The page of the documentation that explains a command, at the end of its help. `defineCommand` says it itself; this is for commands that are not declared by it yet. */
import type { Command } from "commander";

const DECLARED = new WeakSet<Command>();

/** The command's help names its page already. */
export function hasPage(command: Command): Command {
  DECLARED.add(command);
  return command;
}

/** By what the user types; the longest that fits counts. */
const PAGES: Readonly<Record<string, string>> = {
  certificate: "docs/certificates.md",
  checkpoint: "docs/keep-a-node-recoverable.md",
  cluster: "docs/restore-a-cluster.md",
  diagnose: "docs/diagnose.md",
  etcd: "docs/back-up-and-restore-etcd.md",
  node: "docs/maintain-nodes.md",
  "node clean": "docs/clean-up-a-node.md",
  objects: "docs/give-back-objects.md",
  recover: "docs/recover-a-control-plane.md",
  render: "docs/start-a-cluster.md",
  rescue: "docs/rescue-scheduler-and-controller-manager.md",
  serve: "docs/serve-a-backup.md",
  snapshot: "docs/read-a-snapshot.md",
  start: "docs/start-a-cluster.md",
};

/** Adds the page to the help of every command below that does not name one. */
export function addPages(command: Command, typed: readonly string[] = []): void {
  for (const each of command.commands) {
    const words = [...typed, each.name()];
    const page = PAGES[words.join(" ")] ?? PAGES[words.slice(0, 2).join(" ")] ?? PAGES[words[0] ?? ""];
    if (page !== undefined && !DECLARED.has(each)) each.addHelpText("after", `\nMore: ${page}`);
    addPages(each, words);
  }
}
