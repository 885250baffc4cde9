/** The command tree. A command lives in `commands/<what the user types>.ts`, and is loaded when it is typed; its operation, when it runs. */
import { Command, type OutputConfiguration } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import type { CommandContext } from "./command.ts";
import { addPages } from "./options/help-page.ts";

/** The program with the command that is typed, or with all of them where it is none, as for help. */
export async function createProgram(
  context: CommandContext,
  output: OutputConfiguration,
  typed: string | undefined,
): Promise<Command> {
  const program = new Command("kubemend")
    .description("Brings a Kubernetes control plane back.")
    .version(packageJson.version, "--version", "print the version")
    .helpCommand(false)
    .exitOverride()
    .configureOutput(output)
    .showSuggestionAfterError(false);
  const load = typed !== undefined && Object.hasOwn(COMMANDS, typed) ? [COMMANDS[typed]!] : Object.values(COMMANDS);
  for (const register of await Promise.all(load.map((each) => each()))) register(program, context);
  addPages(program);
  return program;
}

type Register = (program: Command, context: CommandContext) => void;

/** In the order in which the help lists them. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  snapshot: async () => (await import("./commands/snapshot.ts")).registerSnapshot,
  backup: async () => (await import("./commands/backup.ts")).registerBackup,
  objects: async () => (await import("./commands/objects.ts")).registerObjects,
  serve: async () => (await import("./commands/serve.ts")).registerServe,
  etcd: async () => (await import("./commands/etcd.ts")).registerEtcd,
  diagnose: async () => (await import("./commands/diagnose.ts")).registerDiagnose,
  cluster: async () => (await import("./commands/cluster.ts")).registerCluster,
  recover: async () => (await import("./commands/recover.ts")).registerRecover,
  render: async () => (await import("./commands/render.ts")).registerRender,
  start: async () => (await import("./commands/start.ts")).registerStart,
  rescue: async () => (await import("./commands/rescue.ts")).registerRescue,
  node: async () => (await import("./commands/node.ts")).registerNode,
  checkpoint: async () => (await import("./commands/checkpoint.ts")).registerCheckpoint,
  certificate: async () => (await import("./commands/certificate.ts")).registerCertificate,
  explain: async () => (await import("./commands/explain.ts")).registerExplain,
  completion: async () => (await import("./commands/completion.ts")).registerCompletion,
};
