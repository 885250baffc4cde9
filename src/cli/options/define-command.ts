/**
 * A command, declared: its arguments and flags, its help with examples and the page that explains it, and a handler
 * whose input is typed by them. `defineCommand` turns it into what the command line's parser takes.
 */
import { Argument, Command } from "commander";
import type { CommandContext, ExitCode } from "../command.ts";
import { type Completer, setCompleter } from "./completer.ts";
import type { Flags, ValuesOf } from "./flag.ts";

/** An argument as the help shows it: `<file>`, `[prefix]`, `<files...>`, `[names...]`. */
export interface Positional<T> {
  readonly name: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** Throws `InvalidArgumentError` with what was expected. */
  readonly parse?: (text: string) => T;
  /** What completes it, beside `choices`. */
  readonly complete?: Completer;
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

export function argument<const N extends string>(
  name: N,
  text: string,
  complete?: Completer,
): Positional<PositionalType<N>> {
  return { name, text, ...(complete !== undefined && { complete }) };
}

/** One of several words, or several of them: `<component...>`. */
export function choice<const N extends `<${string}`, const W extends string>(
  name: N,
  choices: readonly W[],
  text: string,
): Positional<N extends `${string}...${string}` ? readonly W[] : W> {
  return { name, text, choices };
}

/** A value that `parse` reads; it throws `InvalidArgumentError` with what was expected. */
export function parsedArgument<T>(name: `<${string}>`, text: string, parse: (text: string) => T): Positional<T> {
  return { name, text, parse };
}

export interface CommandSpec<A extends Positionals, F extends Flags> {
  /** What the user types. Not in the help if it begins with `__`. */
  readonly name: string;
  /** Started by kubemend itself, and for nobody to type: not in the help. */
  readonly isForPrograms?: true;
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

const FOR_PROGRAMS = new WeakSet<Command>();

/** Whether nobody types it: neither the help nor completion, man pages or suggestions name it. */
export function isForPrograms(command: Command): boolean {
  return command.name().startsWith("__") || FOR_PROGRAMS.has(command);
}

/** Adds a command to its parent. */
export function addCommand(parent: Command, command: Command): void {
  parent.addCommand(command, { hidden: isForPrograms(command) });
}

/** Gives the settings of a command, such as how it ends, to all below it. */
export function inheritSettings(command: Command): void {
  for (const each of command.commands) inheritSettings(each.copyInheritedSettings(command));
}

export function defineCommand<const A extends Positionals, const F extends Flags>(
  spec: CommandSpec<A, F>,
): MakeCommand {
  return (context) => {
    const command = new Command(spec.name).description(spec.text).addHelpText("after", helpAfter(spec));
    if (spec.aliases !== undefined) command.aliases(spec.aliases);
    if (spec.isForPrograms) FOR_PROGRAMS.add(command);
    const positionals = Object.entries(spec.args ?? {});
    for (const [, { name, text, choices, parse, complete }] of positionals) {
      const made = new Argument(name, text);
      if (choices !== undefined) made.choices(choices);
      if (parse !== undefined) made.argParser(parse);
      if (complete !== undefined) setCompleter(made, complete);
      command.addArgument(made);
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
  const lines = examples.map((each) => `  ${each.replace(/\n(?=[^\n])/g, "\n  ")}\n`).join("");
  return `\nExamples:\n${lines}${notes === undefined ? "" : `\n${notes}\n`}\nMore: ${page}`;
}

export interface GroupSpec {
  /** What the user types. */
  readonly name: string;
  readonly text: string;
  /** The page of the documentation that explains it. */
  readonly page: string;
  /** In the order in which the help lists them. */
  readonly commands: readonly MakeCommand[];
}

/** A command of subcommands, such as `snapshot`. */
export function defineGroup({ name, text, page, commands }: GroupSpec): MakeCommand {
  return (context) => {
    const group = new Command(name).description(text).helpCommand(false).addHelpText("after", `\nMore: ${page}`);
    for (const make of commands) addCommand(group, make(context));
    return group;
  };
}
