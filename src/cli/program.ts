/**
 * The command tree. A command lives in `commands/<what the user types>.ts`, and is loaded when it is typed; its
 * operation, when it runs.
 */

import { Command, type OutputConfiguration } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { defined } from "../errors/defined.ts";
import { COMPLETE, type CommandContext } from "./command.ts";
import { addCommand, inheritSettings, type MakeCommand } from "./options/define-command.ts";
import { AUDIT_LOG_OPTION } from "./options/global-flags.ts";

/** The program with the command that is typed, or with all of them where it is none, as for help. */
export async function createProgram(
  context: CommandContext,
  output: OutputConfiguration,
  typed: string | undefined,
): Promise<Command> {
  const program = new Command("kubemend")
    .description("Brings a Kubernetes control plane back.")
    .version(packageJson.version, "--version", "print the version")
    .addOption(AUDIT_LOG_OPTION)
    .helpCommand(false)
    .exitOverride()
    .configureOutput(output)
    .showSuggestionAfterError(false);
  const load =
    typed !== undefined && Object.hasOwn(COMMANDS, typed) ? [defined(COMMANDS[typed])] : Object.values(COMMANDS);
  for (const make of await Promise.all(load.map((each) => each()))) addCommand(program, make(context));
  inheritSettings(program);
  return program;
}

/** In the order in which the help lists them. */
const COMMANDS: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  snapshot: async () => (await import("./commands/snapshot.ts")).snapshotGroup,
  backup: async () => (await import("./commands/backup.ts")).backupGroup,
  objects: async () => (await import("./commands/objects.ts")).objectsGroup,
  serve: async () => (await import("./commands/serve.ts")).serveCommand,
  etcd: async () => (await import("./commands/etcd.ts")).etcdGroup,
  diagnose: async () => (await import("./commands/diagnose.ts")).diagnoseCommand,
  ready: async () => (await import("./commands/ready.ts")).readyCommand,
  cluster: async () => (await import("./commands/cluster.ts")).clusterGroup,
  recover: async () => (await import("./commands/recover.ts")).recoverCommand,
  render: async () => (await import("./commands/render.ts")).renderCommand,
  start: async () => (await import("./commands/start.ts")).startCommand,
  rescue: async () => (await import("./commands/rescue.ts")).rescueCommand,
  node: async () => (await import("./commands/node.ts")).nodeGroup,
  checkpoint: async () => (await import("./commands/checkpoint.ts")).checkpointGroup,
  certificate: async () => (await import("./commands/certificate.ts")).certificateGroup,
  rbac: async () => (await import("./commands/rbac.ts")).rbacCommand,
  "support-bundle": async () => (await import("./commands/support-bundle.ts")).supportBundleCommand,
  explain: async () => (await import("./commands/explain.ts")).explainCommand,
  completion: async () => (await import("./commands/completion.ts")).completionCommand,
  [COMPLETE]: async () => (await import("./commands/completion.ts")).completeCommand,
};
