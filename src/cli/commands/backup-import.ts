import type { Imported } from "../../operations/backup/import.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_TEXT, SIGNING_KEY_FLAG, writeAccess } from "../options/backup-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { toggle } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { lineOf } from "../terminal/escape.ts";

export const backupImport = defineCommand({
  name: "import",
  text: "take snapshots that other tools made into a repository, each checked first",
  args: {
    repository: argument("<repository>", REPOSITORY_TEXT),
    files: argument(
      "<files...>",
      "snapshots, as etcdctl, k3s or OpenShift's cluster-backup.sh wrote them, packed or not",
    ),
  },
  flags: {
    ...resultFlags(["text", "json"]),
    signingKey: SIGNING_KEY_FLAG,
    fileTime: toggle("--file-time", "take a file's own time where its name has none"),
  },
  examples: [
    "kubemend backup import /mnt/backup/prod --signing-key prod.key /var/lib/rancher/k3s/server/db/snapshots/*",
    "kubemend backup import /mnt/backup/prod --signing-key prod.key --file-time /backup/etcd-*.db.gz",
  ],
  notes: `A snapshot does not say when it was taken: names such as etcd-snapshot-node-1764412937 and
snapshot_2026-11-29_104217.db do (UTC). One without a time can be restored by its revision.`,
  page: "docs/back-up-continuously.md",
  async run({ repository, files }, flags, { host }) {
    const { importSnapshots } = await import("../../operations/backup/import.ts");
    const { line, progress } = snapshotOptions(host, flags);
    const access = writeAccess(host, flags.signingKey);
    const options = { ...access, trustFileTime: flags.fileTime, ...given({ progress }) };
    const imported = await importSnapshots(repository, files, options);
    await line.end();
    const text = imported.map(importedLine).join("");
    await host.stdout.write(flags.output === "json" ? jsonLine("backup import", imported) : text);
  },
});

function importedLine({ file, full, timeFrom }: Imported): string {
  const time = full.times === null ? "time unknown" : `${full.times.to} by its ${timeFrom}`;
  return lineOf`imported "${file}" as full ${full.sequence}: revision ${full.revisions.to}, ${time}`;
}
