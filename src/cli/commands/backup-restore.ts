import { MendError } from "../../errors/errors.ts";
import type { BackupMoment } from "../../operations/backup/restore.ts";
import { parseTimeOfDay, splitMoment } from "../../repository/moment.ts";
import type { Host } from "../host.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_TEXT } from "../options/backup-flags.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { path, type ValuesOf, wholeNumber, words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { snapshotOptions } from "../options/output-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { RESTORE_FLAGS, restoredText, restoreOptions } from "./snapshot-restore.ts";

export const backupRestore = defineCommand({
  name: "restore",
  text: "write a data dir, or a snapshot file, of any moment that the repository covers",
  args: {
    repository: argument("<repository>", `${REPOSITORY_TEXT}; with @MOMENT behind it, or one of the flags below`),
    moment: argument("[moment]", "latest (default), a time, or a revision"),
  },
  flags: {
    ...RESTORE_FLAGS,
    toTime: words("--to-time <time>", "as it was at this time"),
    toRevision: wholeNumber("--to-revision <revision>", "as it was at this revision", { least: 1 }),
    outputFile: path("--output-file <file>", "write a snapshot file instead of a data dir"),
    node: words("--node <name>", "write this control-plane node's files instead: manifests, keys, kubeconfigs"),
    filesDir: path("--files-dir <dir>", "where they go, with their modes and owners"),
  },
  examples: [
    "kubemend backup restore /mnt/backup/prod --identity prod.identity --data-dir /var/lib/etcd",
    "kubemend backup restore /mnt/backup/prod --to-time '90m ago' --data-dir /var/lib/etcd --replace",
    "kubemend backup restore /mnt/backup/prod --to-revision 48120 --output-file before.db",
    "kubemend backup restore /mnt/backup/prod --identity prod.identity --node master-1 --files-dir master-1",
  ],
  notes: `Times: 2026-11-29T10:42:17Z, "2026-11-29 10:42" (local), 10:42:17 (the last time it was that late), "90m ago".`,
  page: "docs/back-up-continuously.md",
  async run({ repository, moment }, flags, { host }) {
    if (flags.node !== undefined) return await restoreFiles(repository, flags.node, flags, host);
    const place = chosenMoment(repository, moment, flags, host.now());
    const { restoreBackup, saveMoment } = await import("../../operations/backup/restore.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const isJson = flags.output === "json";
    if (flags.outputFile !== undefined) {
      if (flags.dryRun) {
        throw new MendError("usage", "--dry-run checks a data dir, and --output-file writes a snapshot file", {
          hint: "leave one of them out",
        });
      }
      const saved = await saveMoment(place, flags.outputFile, common);
      await line.end();
      const what = `revision ${saved.moment.revision}, ${byteText(saved.size)}`;
      const text = `wrote "${saved.file}": ${what}\n${proofText(saved.moment)}`;
      await host.stdout.write(isJson ? jsonLine("backup restore --output-file", saved) : text);
      if (!isJson) await host.stderr.write(findingsText(saved.moment.notes, flags.quiet));
      return;
    }
    const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
    const encryption = loadEncryptionConfig(flags.encryptionConfig);
    const options = { ...common, ...restoreOptions(host, flags), ...given({ encryption, startedAt: host.startedAt }) };
    const result = await restoreBackup(place, options);
    await line.end();
    await host.stdout.write(
      isJson ? jsonLine("backup restore --data-dir", result) : restoredText(result) + proofText(result.moment),
    );
    const findings = [...result.moment.notes, ...result.findings, ...result.notes];
    if (!isJson) await host.stderr.write(findingsText(findings, flags.quiet));
  },
});

async function restoreFiles(
  repository: string,
  node: string,
  flags: ValuesOf<typeof RESTORE_FLAGS> & {
    readonly filesDir: string | undefined;
    readonly toTime: string | undefined;
  },
  host: Host,
): Promise<void> {
  const { filesDir, toTime } = flags;
  if (filesDir === undefined) {
    throw new MendError("usage", "--files-dir is missing", { hint: "name a directory that the node's files go below" });
  }
  const { restoreNodeFiles } = await import("../../operations/backup/restore-node-files.ts");
  const { moments } = snapshotOptions(host, flags);
  const before = toTime === undefined ? undefined : parseTimeOfDay(toTime, host.now());
  const result = await restoreNodeFiles(repository, node, filesDir, { ...moments, ...given({ before }) });
  const text = `wrote ${result.files} files of node "${node}" below "${filesDir}", as they were stored at ${result.time}\n`;
  await host.stdout.write(flags.output === "json" ? jsonLine("backup restore --files-dir", result) : text);
  if (result.withoutOwner.length > 0) {
    await host.stderr.write(
      `warning: ${result.withoutOwner.length} files belong to you: only root can give them their owners\n`,
    );
  }
}

interface Chosen {
  readonly toTime: string | undefined;
  readonly toRevision: number | undefined;
}

/** The repository with the one moment behind it that was given. */
function chosenMoment(
  repository: string,
  moment: string | undefined,
  { toTime, toRevision }: Chosen,
  now: number,
): string {
  const inPlace = splitMoment(repository, now).moment;
  const others = [moment, toTime, toRevision === undefined ? undefined : String(toRevision)];
  const chosen = others.filter((each) => each !== undefined);
  if (chosen.length + (inPlace === undefined ? 0 : 1) > 1) {
    throw new MendError("usage", "more than one moment is given", {
      hint: "give one of REPOSITORY@MOMENT, MOMENT, --to-time and --to-revision",
    });
  }
  return chosen[0] === undefined ? repository : `${repository}@${chosen[0]}`;
}

export function proofText({ revision, proof, full, deltas }: BackupMoment): string {
  const from = `from full ${full} and ${deltas} delta${deltas === 1 ? "" : "s"}`;
  if (proof === null) {
    return `${from}; not compared with etcd's HashKV: the repository has none that this revision can be compared with\n`;
  }
  if (proof.revision === revision) {
    return `${from}; proved: etcd's HashKV at revision ${revision} is the same\n`;
  }
  const chain = `by the signed chain from there to ${revision}`;
  return `${from}; proved to revision ${proof.revision} by etcd's HashKV, and ${chain}\n`;
}
