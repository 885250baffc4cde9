/** The commands that a user can type, with their parser's declarations. */
import type { Command } from "commander";
import type { CommandContext } from "../../src/cli/command.ts";
import { hostOf } from "../../src/cli/host.ts";
import { createProgram } from "../../src/cli/program.ts";

export interface TypedCommand {
  /** As it is typed after `kubemend`. */
  readonly words: string;
  readonly command: Command;
}

/** Those that do something: groups are left out, and so are commands for programs, whose names begin with `__`. */
export async function allCommands(): Promise<readonly TypedCommand[]> {
  const sink = { isTTY: false, columns: undefined, write: () => Promise.resolve() };
  const { signal } = new AbortController();
  const host = hostOf({ stdout: sink, stderr: sink, env: {}, cwd: ".", now: Date.now, signal }, () => []);
  const context: CommandContext = { host, exit: () => {}, commandTree: () => createProgram(context, {}, undefined) };
  const walk = (command: Command, before: readonly string[]): readonly TypedCommand[] =>
    command.commands.flatMap((each) => {
      if (each.name().startsWith("__")) return [];
      const words = [...before, each.name()];
      return each.commands.length > 0 ? walk(each, words) : [{ words: words.join(" "), command: each }];
    });
  return walk(await context.commandTree(), []);
}
