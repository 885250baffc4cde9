/** Options that many commands have, declared once, so that they read and behave alike everywhere. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ClusterFlags } from "../../operations/cluster-access/open-cluster.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { Host } from "../host.ts";
import { hanging } from "../terminal/escape.ts";
import { type ProgressLine, type ProgressMode, showProgress } from "../terminal/progress.ts";
import { apiManners, REQUEST_TIMEOUT_FLAG } from "./request-timeout.ts";

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

export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly requestTimeout?: number;
}

/** `--kubeconfig`, `--context` and `--request-timeout`. */
export function clusterOptions(command: Command): Command {
  return command
    .option(
      "--kubeconfig <file>",
      "how to reach the cluster ($KUBECONFIG; else ~/.kube/config, else /etc/kubernetes/admin.conf)",
    )
    .option("--context <name>", "of the kubeconfig")
    .addOption(REQUEST_TIMEOUT_FLAG.option());
}

export function clusterFlags(host: Host, options: ClusterOptions): ClusterFlags {
  const { kubeconfig, context, requestTimeout } = options;
  return {
    kubeconfig: kubeconfig === undefined ? undefined : resolve(host.cwd, kubeconfig),
    context,
    variables: host.env,
    manners: apiManners(host, requestTimeout),
  };
}

/** A line of what goes on, with the seconds since the command began in front; nothing with `--quiet`. */
export function storyTeller(host: Host, quiet: boolean): (text: string) => void {
  const began = host.now();
  return (text) => {
    if (quiet) return;
    const seconds = String(Math.round((host.now() - began) / 1000)).padStart(4);
    void host.stderr.write(`${seconds} s  ${hanging(text, " ".repeat(8))}\n`);
  };
}
