import { Command } from "commander";
import type { CommandContext } from "../command.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { type OutputOptions, outputOptions, snapshotOptions } from "../options/shared-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { lineOf } from "../terminal/escape.ts";

const EXAMPLES = `
Examples:
  kubemend snapshot save backup.db --endpoints https://10.0.0.1:2379 \\
    --cacert ca.crt --cert client.crt --key client.key
  kubemend snapshot save - --endpoints http://127.0.0.1:2379 | gzip > backup.db.gz`;

export function snapshotSaveCommand({ host }: CommandContext): Command {
  return etcdOptions(outputOptions(new Command("save"), ["text", "json"]))
    .description("a snapshot of a live member, verified before it gets its name")
    .argument("<file>", "where to; - for standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, options: OutputOptions & EtcdOptions) => {
      const { saveSnapshot } = await import("../../operations/snapshot/save.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const result = await saveSnapshot(file, { ...common, etcd: etcdFlags(host, options) });
      await line.end();
      for (const { error } of result.failed) await host.stderr.write(lineOf`warning: ${error}`);
      if (options.output === "text") await host.stderr.write(findingsText(result.findings));
      const { size, endpoint, revision, sha256 } = result;
      const json = `${JSON.stringify(result)}\n`;
      const text = `saved "${file}": revision ${revision}, ${byteText(size)}, from ${endpoint}\nsha256: ${sha256}\n`;
      if (result.file !== null) await host.stdout.write(options.output === "json" ? json : text);
    });
}
