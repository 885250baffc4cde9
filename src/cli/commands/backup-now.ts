import type { FullHead } from "../../repository/head.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT, SIGNING_KEY_FLAG, writeAccess } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags } from "../options/etcd-flags.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { byteText } from "../terminal/byte-text.ts";

export const backupNow = defineCommand({
  name: "now",
  text: "add a full backup of a live etcd, from a follower where there is one",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: { ...resultFlags(["text", "json"]), signingKey: SIGNING_KEY_FLAG, ...ETCD_FLAGS },
  examples: [
    `kubemend backup now /mnt/backup/prod --signing-key prod.key --endpoints https://10.0.0.1:2379 \\
  --cacert ca.crt --cert client.crt --key client.key`,
  ],
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { backUpNow } = await import("../../operations/backup/now.ts");
    const { line, progress } = snapshotOptions(host, flags);
    const full = await backUpNow(repository, {
      ...writeAccess(host, flags.signingKey),
      etcd: etcdFlags(host, flags),
      ...given({ progress }),
    });
    await line.end();
    await host.stdout.write(flags.output === "json" ? jsonLine("backup now", full) : fullText(full));
  },
});

function fullText({ sequence, revisions, content, source, hashes }: FullHead): string {
  const size = `${byteText(content.size)} stored of ${byteText(content.plainSize)}`;
  const hash = hashes.length === 0 ? "" : ", with etcd's HashKV";
  return `added full ${sequence}: revision ${revisions.to}, ${size}, from ${source}${hash}\n`;
}
