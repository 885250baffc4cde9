/** What a command prints, and how much it says meanwhile. */
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { Host } from "../host.ts";
import { type ProgressLine, type ProgressMode, showProgress } from "../terminal/progress.ts";
import { cacheDirectory } from "./cache-directory.ts";
import { oneOf, toggle } from "./flag.ts";

/** `-o`. The first format is the default. */
export function outputFlag<const F extends string>(formats: readonly [F, ...F[]]) {
  return oneOf("-o, --output <format>", formats, "output format", { default: formats[0] });
}

export const PROGRESS_FLAG = oneOf("--progress <mode>", ["auto", "plain", "none"], "progress on stderr", {
  default: "auto",
});

export const QUIET_FLAG = toggle("-q, --quiet", "print errors and the result only");

export const CACHE_FLAG = toggle(
  "--no-cache",
  "neither keep nor use an index of the file's keys (also KUBEMEND_CACHE=off)",
);

export const DRY_RUN_FLAG = toggle("--dry-run", "change nothing: print what would be done");

export const YES_FLAG = toggle("-y, --yes", "do not ask");

/** `-o`, `--progress` and `-q`. */
export function resultFlags<const F extends string>(formats: readonly [F, ...F[]]) {
  return { output: outputFlag(formats), progress: PROGRESS_FLAG, quiet: QUIET_FLAG };
}

/** What every operation on a snapshot gets from the command line. */
export function snapshotOptions(
  host: Host,
  { progress, quiet, identity }: ResultValues & { readonly identity?: string | undefined },
): SnapshotOptions & { readonly moments: MomentAccess; readonly line: ProgressLine } {
  const line = showProgress(host, quiet ? "none" : progress);
  return { signal: host.signal, progress: line.sink, moments: momentAccess(host, identity), line };
}

/** For commands that look something up in a file: the same, and an index of its keys, which is kept for the next time. */
export function lookUpOptions(
  host: Host,
  flags: ResultValues & { readonly identity?: string | undefined; readonly cache: boolean },
) {
  const directory = flags.cache ? cacheDirectory(host.env) : undefined;
  const onUnused = (why: string): void => {
    if (flags.progress === "plain") void host.stderr.write(`no index of the keys was kept or used: ${why}\n`);
  };
  const keyIndex = directory === undefined ? undefined : { directory, now: host.now, onUnused };
  return { ...snapshotOptions(host, flags), ...(keyIndex === undefined ? {} : { keyIndex }) };
}

interface ResultValues {
  readonly progress: ProgressMode;
  readonly quiet: boolean;
}

/** How a moment of a backup repository is reached. */
function momentAccess(host: Host, identityFile: string | undefined): MomentAccess {
  const { env, cwd, now, signal } = host;
  return { env, cwd, now, signal, ...(identityFile === undefined ? {} : { identityFile }) };
}
