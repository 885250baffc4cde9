import { jsonLine } from "../json-outputs.ts";
import { defineCommand, parsedArgument } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { toggle, wholeNumberParser } from "../options/flag.ts";
import { outputFlag } from "../options/output-flags.ts";

/** etcdctl's command and its output, guarded. */
export const etcdCompact = defineCommand({
  name: "compact",
  aliases: ["compaction"],
  text: "forget the revisions before one",
  args: { revision: parsedArgument("<revision>", "the oldest revision to keep", wholeNumberParser({ least: 1 })) },
  flags: {
    ...ETCD_FLAGS,
    physical: toggle("--physical", "wait until they are off the disk"),
    output: outputFlag(["text", "json"]),
  },
  examples: ["kubemend etcd compact 123456 --physical"],
  page: "docs/back-up-and-restore-etcd.md",
  async run({ revision }, flags, { host }) {
    const { compactKeyspace } = await import("../../operations/etcd/maintain.ts");
    await compactKeyspace(etcdFlags(host, flags), { revision, physical: flags.physical }, host.signal);
    const text = `compacted revision ${revision}\n`;
    await host.stdout.write(flags.output === "json" ? jsonLine("etcd compact", { compactRevision: revision }) : text);
  },
});
