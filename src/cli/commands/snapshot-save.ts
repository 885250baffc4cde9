import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { lineOf } from "../terminal/escape.ts";

export const snapshotSave = defineCommand({
  name: "save",
  text: "a snapshot of a live member, verified before it gets its name",
  args: { file: argument("<file>", "where to; - for standard output") },
  flags: { ...resultFlags(["text", "json"]), ...ETCD_FLAGS },
  examples: [
    `kubemend snapshot save backup.db --endpoints https://10.0.0.1:2379 \\
  --cacert ca.crt --cert client.crt --key client.key`,
    "kubemend snapshot save - --endpoints http://127.0.0.1:2379 | gzip > backup.db.gz",
  ],
  page: "docs/back-up-and-restore-etcd.md",
  async run({ file }, flags, { host }) {
    const { saveSnapshot } = await import("../../operations/snapshot/save.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const result = await saveSnapshot(file, { ...common, etcd: etcdFlags(host, flags) });
    await line.end();
    for (const { error } of result.failed) await host.stderr.write(lineOf`warning: ${error}`);
    if (flags.output === "text") await host.stderr.write(findingsText(result.findings, flags.quiet));
    const { size, endpoint, revision, sha256 } = result;
    const json = jsonLine("snapshot save", result);
    const text = `saved "${file}": revision ${revision}, ${byteText(size)}, from ${endpoint}\nsha256: ${sha256}\n`;
    if (result.file !== null) await host.stdout.write(flags.output === "json" ? json : text);
  },
});
