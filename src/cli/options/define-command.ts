/**
 * A command, declared: its arguments and flags, its help with examples and the page that explains it, and a handler whose input is typed by them.
 * `defineCommand` turns it into what the command line's parser takes.
 */
import { Argument, Command } from "commander";
import type { CommandContext, ExitCode } from "../command.ts";
import type { Flags, ValuesOf } from "./flag.ts";
import { hasPage } from "./help-page.ts";

/** An argument as the help shows it: `<file>`, `[prefix]`, `<files...>`, `[names...]`. */
export interface Positional<T> {
  readonly name: string;
  readonly text: string;
  readonly choices?: readonly string[];
  readonly type?: T;
}

export type Positionals = Readonly<Record<string, Positional<unknown>>>;
type PositionalsOf<A extends Positionals> = {
  readonly [K in keyof A]: A[K] extends Positional<infer T> ? T : never;
};

type PositionalType<N extends string> = N extends `${string}...${string}`
  ? readonly string[]
  : N extends `<${string}`
    ? string
    : string | undefined;

export function argument<const N extends string>(name: N, text: string): Positional<PositionalType<N>> {
  return { name, text };
}

export function choice<const W extends string>(
  name: `<${string}>`,
  choices: readonly W[],
  text: string,
): Positional<W> {
  return { name, text, choices };
}

export interface CommandSpec<A extends Positionals, F extends Flags> {
  /** What the user types. */
  readonly name: string;
  /** Other names, which the help does not list. */
  readonly aliases?: readonly string[];
  /** A line of help, in lower case and without a full stop. */
  readonly text: string;
  /** In the order in which they are typed. */
  readonly args?: A;
  readonly flags: F;
  /** Command lines, one each; what follows explains them. */
  readonly examples: readonly string[];
  readonly notes?: string;
  /** The page of the documentation that explains it, such as `docs/read-a-snapshot.md`. */
  readonly page: string;
  /** Prints, and returns the exit code where it is not 0. */
  run(
    args: PositionalsOf<A>,
    flags: ValuesOf<F>,
    context: CommandContext,
  ): Promise<ExitCode | undefined> | Promise<void>;
}

/** Makes the parser's command for a context. */
export type MakeCommand = (context: CommandContext) => Command;

export function defineCommand<const A extends Positionals, const F extends Flags>(
  spec: CommandSpec<A, F>,
): MakeCommand {
  return (context) => {
    const command = hasPage(new Command(spec.name).description(spec.text).addHelpText("after", helpAfter(spec)));
    if (spec.aliases !== undefined) command.aliases(spec.aliases);
    const positionals = Object.entries(spec.args ?? {});
    for (const [, { name, text, choices }] of positionals) {
      const made = new Argument(name, text);
      command.addArgument(choices === undefined ? made : made.choices(choices));
    }
    const flags = Object.entries(spec.flags).map(([key, flag]) => ({ key, flag, option: flag.option() }));
    for (const { option } of flags) command.addOption(option);
    return command.action(async (...all: unknown[]) => {
      const read = command.opts<Record<string, unknown>>();
      const args = Object.fromEntries(positionals.map(([key], i) => [key, all[i]]));
      const values = Object.fromEntries(
        flags.map(({ key, flag, option }) => [key, flag.value(read[option.attributeName()], context.host)]),
      );
      const code = await spec.run(args as PositionalsOf<A>, values as ValuesOf<F>, context);
      if (code !== undefined) context.exit(code);
    });
  };
}

function helpAfter({ examples, notes, page }: Pick<CommandSpec<never, never>, "examples" | "notes" | "page">): string {
  const lines = examples.map((each) => `  ${each.replaceAll("\n", "\n  ")}\n`).join("");
  return `\nExamples:\n${lines}${notes === undefined ? "" : `\n${notes}\n`}\nMore: ${page}`;
}

/** A command of subcommands, such as `snapshot`. The help lists them in this order. */
export function defineGroup(name: string, text: string, makes: readonly MakeCommand[]) {
  return (program: Command, context: CommandContext): void => {
    const group = program.command(name).description(text).helpCommand(false);
    for (const make of makes) group.addCommand(make(context).copyInheritedSettings(group));
  };
}

/** A command at the top, such as `diagnose`. */
export function defineTop(make: MakeCommand) {
  return (program: Command, context: CommandContext): void => {
    program.addCommand(make(context).copyInheritedSettings(program));
  };
}
