/**
 * Runs one command line against a {@link ProcessHost} and returns its exit code: 0 done, 1 failed or broken, 2 wrong
 * usage, 3 nothing could be judged, 130 interrupted.
 */
import { type Command, CommanderError } from "commander";
import { type CommandContext, EXIT, type ExitCode } from "./command.ts";
import { asMendError, errorJson, errorText, type TypedCommand, wantsJson } from "./error-text.ts";
import { hostOf, type ProcessHost } from "./host.ts";
import { createProgram } from "./program.ts";
import { ownWords } from "./runbook-words.ts";

export async function run(typed: readonly string[], process: ProcessHost): Promise<ExitCode> {
  let argv = typed;
  const host = hostOf(process, () => argv);
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
      return await interact(host, (line) => run(line, process));
    }
    argv = await ownWords(typed, context.commandTree);
    program = await createProgram(context, output, argv[0]);
    await program.parseAsync([...argv], { from: "user" });
    await Promise.all(pending);
    return code;
  } catch (error) {
    await Promise.all(pending);
    // Help that was asked for, or that stands in for a command that is missing.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    if (error instanceof CommanderError && error.code === "commander.help") return EXIT.usage;
    const mend = asMendError(error, host.signal.aborted, typedCommand(program, argv));
    await host.stderr.write(wantsJson(argv) ? errorJson(mend) : errorText(mend));
    if (mend.code === "internal" && error instanceof Error && error.stack) await host.stderr.write(`${error.stack}\n`);
    if (mend.code === "interrupted") return EXIT.interrupted;
    return mend.code === "usage" ? EXIT.usage : EXIT.failed;
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
    subcommands: command?.commands.map((each) => each.name()).filter((name) => !name.startsWith("_")) ?? [],
    flags: command?.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [long])) ?? [],
  };
}
