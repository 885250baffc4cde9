import { EXIT } from "../command.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { given } from "../options/given.ts";
import { CACHE_FLAG, lookUpOptions, resultFlags } from "../options/output-flags.ts";
import { AT_REVISION_FLAG, IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";
import { lineOf } from "../terminal/escape.ts";

export const snapshotKeys = defineCommand({
  name: "keys",
  text: "live keys, one a line",
  args: { file: SNAPSHOT_ARGUMENT, prefix: argument("[prefix]", "only keys that begin with this") },
  flags: { ...resultFlags(["text", "json"]), identity: IDENTITY_FLAG, cache: CACHE_FLAG, atRevision: AT_REVISION_FLAG },
  examples: [
    "kubemend snapshot keys backup.db",
    "kubemend snapshot keys backup.db /registry/pods/kube-system/",
    "kubemend snapshot keys backup.db /registry/secrets --at-revision 184596",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file, prefix = "" }, flags, { host }) {
    const { readSnapshotKeys } = await import("../../operations/snapshot/keys.ts");
    const { line, ...common } = lookUpOptions(host, flags);
    const { atRevision } = flags;
    const { keys, findings } = await readSnapshotKeys(file, { ...common, prefix, ...given({ atRevision }) });
    await line.end();
    for (const part of inParts(flags.output === "json" ? jsonArray(keys()) : lines(keys()))) {
      host.signal.throwIfAborted();
      await host.stdout.write(part);
    }
    await host.stderr.write(findingsText(findings, flags.quiet));
    return hasErrors(findings) ? EXIT.failed : EXIT.done;
  },
});

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
