import { Command } from "commander";
import type { FullHead } from "../../repository/head.ts";
import type { CommandContext } from "../command.ts";
import { REPOSITORY_ARGUMENT, type WriterOptions, writeAccess, writerOptions } from "../options/backup-options.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { type OutputOptions, outputOptions, snapshotOptions } from "../options/shared-options.ts";
import { byteText } from "../terminal/byte-text.ts";

const EXAMPLES = `
Examples:
  kubemend backup now /mnt/backup/prod --signing-key prod.key --endpoints https://10.0.0.1:2379 \\
    --cacert ca.crt --cert client.crt --key client.key`;

type Options = OutputOptions & EtcdOptions & WriterOptions;

export function backupNowCommand({ host }: CommandContext): Command {
  return writerOptions(etcdOptions(outputOptions(new Command("now"), ["text", "json"])))
    .description("add a full backup of a live etcd, from a follower where there is one")
    .argument("<repository>", REPOSITORY_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (repository: string, options: Options) => {
      const { backUpNow } = await import("../../operations/backup/now.ts");
      const { line, progress } = snapshotOptions(host, options);
      const full = await backUpNow(repository, {
        ...writeAccess(host, options),
        etcd: etcdFlags(host, options),
        ...(progress === undefined ? {} : { progress }),
      });
      await line.end();
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(full)}\n` : fullText(full));
    });
}

export function fullText({ sequence, revisions, content, source, hashes }: FullHead): string {
  const size = `${byteText(content.size)} stored of ${byteText(content.plainSize)}`;
  const hash = hashes.length === 0 ? "" : ", with etcd's HashKV";
  return `added full ${sequence}: revision ${revisions.to}, ${size}, from ${source}${hash}\n`;
}
