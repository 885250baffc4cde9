<<<<<<< HEAD
import { EXIT } from "../command.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";
import { lineOf } from "../terminal/escape.ts";

export const snapshotKeys = defineCommand({
  name: "keys",
  text: "live keys, one a line",
  args: { file: SNAPSHOT_ARGUMENT, prefix: argument("[prefix]", "only keys that begin with this") },
  flags: { ...resultFlags(["text", "json"]), atRevision: AT_REVISION_FLAG },
  examples: [
    "kubemend snapshot keys backup.db",
    "kubemend snapshot keys backup.db /registry/pods/kube-system/",
    "kubemend snapshot keys backup.db /registry/secrets --at-revision 184596",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file, prefix = "" }, flags, { host }) {
    const { readSnapshotKeys } = await import("../../operations/snapshot/keys.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const { atRevision } = flags;
    const { keys, findings } = await readSnapshotKeys(file, { ...common, prefix, ...given({ atRevision }) });
    await line.end();
    for (const part of inParts(flags.output === "json" ? jsonArray(keys()) : lines(keys()))) {
      host.signal.throwIfAborted();
      await host.stdout.write(part);
    }
    await host.stderr.write(findingsText(findings));
    return hasErrors(findings) ? EXIT.failed : EXIT.done;
  },
});
=======
import { Command, Option } from "commander";
import { type CommandContext, EXIT } from "../command.ts";
import {
  identityOption,
  type OutputOptions,
  outputOptions,
  parseRevision,
  SNAPSHOT_ARGUMENT,
  snapshotOptions,
} from "../options/shared-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend snapshot keys backup.db
  kubemend snapshot keys backup.db /registry/pods/kube-system/
  kubemend snapshot keys backup.db /registry/secrets --at-revision 184596`;

interface Options extends OutputOptions {
  readonly atRevision?: number;
}

export function snapshotKeysCommand({ host, exit }: CommandContext): Command {
  return identityOption(outputOptions(new Command("keys"), ["text", "json"]))
    .description("live keys, one a line")
    .argument("<file>", SNAPSHOT_ARGUMENT)
    .argument("[prefix]", "only keys that begin with this", "")
    .addOption(new Option("--at-revision <revision>", "as they were at an earlier revision").argParser(parseRevision))
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, prefix: string, options: Options) => {
      const { readSnapshotKeys } = await import("../../operations/snapshot/keys.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const { atRevision } = options;
      const { keys, findings } = await readSnapshotKeys(file, {
        ...common,
        prefix,
        ...(atRevision === undefined ? {} : { atRevision }),
      });
      await line.end();
      for (const part of inParts(options.output === "json" ? jsonArray(keys()) : lines(keys()))) {
        host.signal.throwIfAborted();
        await host.stdout.write(part);
      }
      await host.stderr.write(findingsText(findings));
      if (findings.some((finding) => finding.level === "error")) exit(EXIT.failed);
    });
}
>>>>>>> f181ba8 (Moments of backup repositories everywhere a snapshot is taken; the format and why it is so)

function* lines(keys: Iterable<string>): Generator<string> {
  for (const key of keys) yield lineOf`${key}`;
}

function* jsonArray(keys: Iterable<string>): Generator<string> {
  let before = "[";
  for (const key of keys) {
    yield `${before}${JSON.stringify(key)}`;
    before = ",";
  }
  yield before === "[" ? "[]\n" : "]\n";
}

const PART = 64 * 1024;

/** Fewer and larger texts. */
function* inParts(texts: Iterable<string>): Generator<string> {
  let part = "";
  for (const text of texts) {
    part += text;
    if (part.length < PART) continue;
    yield part;
    part = "";
  }
  yield part;
}
