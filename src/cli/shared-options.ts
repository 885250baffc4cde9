/** Options that many commands have, declared once, so that they read and behave alike everywhere. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { SnapshotOptions } from "../operations/open-snapshot.ts";
import type { Host } from "./host.ts";
import { type ProgressLine, type ProgressMode, showProgress } from "./progress.ts";

export interface OutputOptions {
  readonly output: string;
  readonly progress: ProgressMode;
  readonly quiet?: true;
}

/** `-o`, `--progress` and `-q`. The first format is the default. */
export function outputOptions(command: Command, formats: readonly string[]): Command {
  return command
    .addOption(
      new Option("-o, --output <format>", "output format").choices([...formats]).default(formats[0], formats[0]),
    )
    .addOption(new Option("--progress <mode>", "progress on stderr").choices(["auto", "plain", "none"]).default("auto"))
    .option("-q, --quiet", "print errors and the result only");
}

/** A revision: a whole number of 1 or more. */
export function parseRevision(text: string): number {
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision) || revision < 1) {
    throw new InvalidArgumentError("expected a revision, a whole number of 1 or more");
  }
  return revision;
}

/** What every operation on a snapshot gets from the command line. */
export function snapshotOptions(host: Host, options: OutputOptions): SnapshotOptions & { readonly line: ProgressLine } {
  const line = showProgress(host, options.quiet === true ? "none" : options.progress);
  return { signal: host.signal, progress: line.sink, line };
}
