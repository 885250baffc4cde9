/**
 * A flag, declared once: its name and help, how its text is read, its default and what completes it. The type of a
 * handler's input follows from the declarations (`ValuesOf`), so that a flag and its use cannot disagree.
 */
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import type { Host } from "../host.ts";
import { parseDuration } from "./duration.ts";

export interface Flag<T> {
  /** As the help shows it, such as `-o, --output <format>`. */
  readonly flags: string;
  readonly text: string;
  /** For the command line's parser: throws `InvalidArgumentError` where the text cannot be read. */
  option(): Option;
  /** What the handler gets, from what the parser has read (undefined where the flag was not given and has no default). */
  value(read: unknown, host: Host): T;
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type ValuesOf<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

/** What most flags may say of themselves. */
interface Common {
  /** Not in the help: the earlier name of another one. */
  readonly hidden?: true;
  readonly required?: true;
}

function flag<T>(flags: string, text: string, option: (option: Option) => Option, value: Flag<T>["value"]): Flag<T> {
  return { flags, text, option: () => option(new Option(flags, text)), value };
}

function common(option: Option, { hidden, required }: Common): Option {
  if (hidden) option.hideHelp();
  if (required) option.makeOptionMandatory();
  return option;
}

/** Given or not. `--no-x` is true unless given. */
export function toggle(flags: string, text: string, options: Common = {}): Flag<boolean> {
  const negated = /--no-/.test(flags);
  return flag(
    flags,
    text,
    (option) => common(option, options),
    (read) => (read as boolean | undefined) ?? negated,
  );
}

/** For a flag whose value may be left out, such as `--undo [name]`: the text that it then stands for. */
interface Preset {
  readonly preset?: string;
}

type WithDefault<T, O> = O extends { readonly default: unknown } | { readonly required: true } ? T : T | undefined;

/** Any text. A default of nothing is not in the help. */
export function words<const O extends Common & Preset & { readonly default?: string }>(
  flags: string,
  text: string,
  options?: O,
): Flag<WithDefault<string, O>> {
  return flag(
    flags,
    text,
    (option) => withDefault(withPreset(common(option, options ?? {}), options), options?.default || undefined),
    (read) => (read ?? options?.default) as WithDefault<string, O>,
  );
}

/** A path, made absolute from where kubemend runs. */
export function path<const O extends Common & { readonly default?: string }>(
  flags: string,
  text: string,
  options?: O,
): Flag<WithDefault<string, O>> {
  return flag(
    flags,
    text,
    (option) => withDefault(common(option, options ?? {}), options?.default),
    (read, { cwd }) => (read === undefined ? undefined : resolve(cwd, read as string)) as WithDefault<string, O>,
  );
}

/** One of several words. */
export function oneOf<const W extends string, const O extends Common & { readonly default?: W; readonly preset?: W }>(
  flags: string,
  choices: readonly W[],
  text: string,
  options?: O,
): Flag<WithDefault<W, O>> {
  return flag(
    flags,
    text,
    (option) => withPreset(withDefault(common(option, options ?? {}), options?.default).choices([...choices]), options),
    (read) => read as WithDefault<W, O>,
  );
}

/** A value that `parse` reads; it throws `InvalidArgumentError` with what was expected. `shown` is the default as the help shows it. */
export function parsed<T, const O extends Common & Preset & { readonly default?: T; readonly shown?: string }>(
  flags: string,
  text: string,
  parse: (text: string) => T,
  options?: O,
): Flag<WithDefault<T, O>> {
  return flag(
    flags,
    text,
    (option) =>
      withPreset(
        withDefault(common(option, options ?? {}), options?.default, options?.shown).argParser(parse),
        options,
      ),
    (read) => read as WithDefault<T, O>,
  );
}

/** A whole number from `least` to `most`. */
export function wholeNumber<
  const O extends Common & { readonly default?: number; readonly least?: number; readonly most?: number },
>(flags: string, text: string, options?: O): Flag<WithDefault<number, O>> {
  const parse = wholeNumberParser(options);
  return parsed(flags, text, parse, options as { default?: number }) as Flag<WithDefault<number, O>>;
}

/** What reads a whole number from `least` to `most`; throws `InvalidArgumentError`. */
export function wholeNumberParser({
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
}: {
  readonly least?: number;
  readonly most?: number;
} = {}): (text: string) => number {
  const expected = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`expected a whole number ${expected}`);
    return value;
  };
}

/**
 * A duration, in milliseconds: `90s`, `1.5m`, `1h30m`, `500ms`; a plain number counts seconds. Defaults are written as
 * the user writes them, and shown so. `least` is the shortest, which is more than nothing unless it says otherwise.
 */
export function duration<const O extends Common & { readonly default?: string; readonly least?: string }>(
  flags: string,
  text: string,
  options?: O,
): Flag<WithDefault<number, O>> {
  const read = (given: string) => parseDuration(given, options?.least);
  const shown = options?.default;
  const settings = { ...options, ...(shown !== undefined && { default: read(shown), shown }) };
  return parsed(flags, text, read, settings as { default?: number }) as Flag<WithDefault<number, O>>;
}

/** May be given several times. */
export function repeated(flags: string, text: string, options: Common = {}): Flag<readonly string[]> {
  return flag(
    flags,
    `${text} (repeatable)`,
    (option) =>
      common(option, options).argParser((given: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        given,
      ]),
    (read) => (read as readonly string[] | undefined) ?? [],
  );
}

/** Takes all words up to the next flag. */
export function several(flags: string, text: string): Flag<readonly string[]> {
  return flag(
    flags,
    text,
    (option) => option,
    (read) => (read as readonly string[] | undefined) ?? [],
  );
}

/** Several values with commas between them; may be given several times. */
export function commaList<const O extends Common & { readonly default?: readonly string[] }>(
  flags: string,
  text: string,
  options?: O,
): Flag<readonly string[]> {
  const split = (given: string) =>
    given
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== "");
  const shown = options?.default === undefined ? "" : ` (default: ${options.default.join(",")})`;
  return flag(
    flags,
    `${text}${shown}`,
    (option) =>
      common(option, options ?? {}).argParser((given: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        ...split(given),
      ]),
    (read) => (read as readonly string[] | undefined) ?? options?.default ?? [],
  );
}

function withPreset(option: Option, options: Preset | undefined): Option {
  return options?.preset === undefined ? option : option.preset(options.preset);
}

function withDefault(option: Option, value: unknown, shown?: string): Option {
  if (value === undefined) return option;
  return option.default(value, shown ?? String(value));
}
