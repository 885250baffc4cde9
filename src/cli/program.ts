/** The command tree. A command lives in `commands/<what the user types>.ts`; its operation is loaded only when it runs. */
import { Command, type OutputConfiguration } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { registerCertificate } from "./commands/certificate.ts";
import { registerCheckpoint } from "./commands/checkpoint.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerDiagnose } from "./commands/diagnose.ts";
import { registerEtcd } from "./commands/etcd.ts";
import { registerNode } from "./commands/node.ts";
import { registerRecover } from "./commands/recover.ts";
import { registerRender } from "./commands/render.ts";
import { registerRescue } from "./commands/rescue.ts";
import { registerSnapshot } from "./commands/snapshot.ts";
import { registerStart } from "./commands/start.ts";
import type { Host } from "./host.ts";

/** What a command file gets to register itself. */
export interface CommandContext {
  readonly host: Host;
  /** Sets the exit code of a command that ended without an error, such as `snapshot verify` with findings. */
  exit(code: number): void;
}

export function createProgram(host: Host, exit: (code: number) => void, output: OutputConfiguration): Command {
  const program = new Command("kubemend")
    .description("Brings a Kubernetes control plane back.")
    .version(packageJson.version, "--version", "print the version")
    .helpCommand(false)
    .exitOverride()
    .configureOutput(output)
    .showHelpAfterError("run with --help for examples");
  const context: CommandContext = { host, exit };
  for (const register of COMMANDS) register(program, context);
  return program;
}

type Register = (program: Command, context: CommandContext) => void;

const COMMANDS: readonly Register[] = [
  registerSnapshot,
  registerEtcd,
  registerDiagnose,
  registerRecover,
  registerRender,
  registerStart,
  registerRescue,
  registerNode,
  registerCheckpoint,
  registerCertificate,
  registerCompletion,
];
