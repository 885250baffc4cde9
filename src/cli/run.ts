/**
 * Runs one command line against a {@link ProcessHost} and returns its exit code: 0 done, 1 failed or broken, 2 wrong
 * usage, 3 nothing could be judged, 130 interrupted.
 */
import { type Command, CommanderError } from "commander";
import { audited, type Evidence } from "../operations/audit/audit-log.ts";
import { type CommandContext, EXIT, type ExitCode } from "./command.ts";
import { asMendError, errorJson, errorText, type TypedCommand, wantsJson } from "./error-text.ts";
import { hostOf, type ProcessHost } from "./host.ts";
import { isForPrograms } from "./options/define-command.ts";
import { takeGlobalFlags } from "./options/global-flags.ts";
import { createProgram } from "./program.ts";
import { ownWords } from "./runbook-words.ts";
import { lineOf } from "./terminal/escape.ts";

/** `because` is what is known already of why it runs, for the audit log. */
export async function run(
  typed: readonly string[],
  outer: ProcessHost,
  because: readonly Evidence[] = [],
): Promise<ExitCode> {
  let words = "";
  const { auditLog, rest } = takeGlobalFlags(typed);
  const host = auditLog === undefined ? outer : { ...outer, env: { ...outer.env, KUBEMEND_AUDIT_LOG: auditLog } };
  const { env, cwd } = host;
  const { stderr } = hostOf(host);
  const { exitCode } = await audited(
    {
      place: env.KUBEMEND_AUDIT_LOG || outer.auditLog || "off",
      cwd,
      env,
      command: () => words,
      now: () => outer.now(),
      print: (line) => stderr.write(lineOf`${line}`),
      evidence: because,
    },
    () =>
      runCommand(rest, host, (known) => {
        words = known;
      }),
  );
  return exitCode;
}

interface Ending {
  readonly exitCode: ExitCode;
  /** The code of the error that ended it. */
  readonly error?: string;
}

/** `known` gets the words of the command, once they are. */
async function runCommand(
  typed: readonly string[],
  outer: ProcessHost,
  known: (words: string) => void,
): Promise<Ending> {
  let argv = typed;
  const host = hostOf(outer, () => argv);
  let code: ExitCode = EXIT.done;
  const pending: Promise<void>[] = [];
  const context: CommandContext = {
    host,
    exit(exitCode) {
      code = exitCode;
    },
    commandTree: () => createProgram(context, output, undefined),
  };
  const output = {
    writeOut: (text: string) => pending.push(host.stdout.write(text)),
    writeErr: (text: string) => pending.push(host.stderr.write(text)),
    outputError: () => {}, // printed below, as any other error
  };
  let program: Command | undefined;
  try {
    if (typed.length === 0 && host.ask !== undefined && host.stdout.isTTY) {
      const { interact } = await import("./interactive.ts");
      return { exitCode: await interact(host, (line, because) => run(line, outer, because)) };
    }
    argv = await ownWords(typed, context.commandTree);
    program = await createProgram(context, output, argv[0]);
    known(typedCommand(program, argv).words);
    await program.parseAsync([...argv], { from: "user" });
    await Promise.all(pending);
    return { exitCode: code };
  } catch (error) {
    await Promise.all(pending);
    // Help that was asked for, or that stands in for a command that is missing.
    if (error instanceof CommanderError && error.exitCode === 0) return { exitCode: EXIT.done };
    if (error instanceof CommanderError && error.code === "commander.help") return { exitCode: EXIT.usage };
    const mend = asMendError(error, host.signal.aborted, typedCommand(program, argv));
    await host.stderr.write(wantsJson(argv) ? errorJson(mend) : errorText(mend));
    if (mend.code === "internal" && error instanceof Error && error.stack) await host.stderr.write(`${error.stack}\n`);
    if (mend.code === "interrupted") return { exitCode: EXIT.interrupted, error: mend.code };
    return { exitCode: mend.code === "usage" ? EXIT.usage : EXIT.failed, error: mend.code };
  }
}

function typedCommand(program: Command | undefined, argv: readonly string[]): TypedCommand {
  const words: string[] = [];
  let command = program;
  for (const word of argv) {
    const next = command?.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next === undefined) break;
    words.push(next.name());
    command = next;
  }
  return {
    words: words.join(" "),
    subcommands: command?.commands.filter((each) => !isForPrograms(each)).map((each) => each.name()) ?? [],
    flags: command?.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [long])) ?? [],
  };
}
