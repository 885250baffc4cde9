import { resolve } from "node:path";
import { Command } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { BackupMoment } from "../../operations/backup/restore.ts";
import { splitMoment } from "../../repository/moment.ts";
import type { CommandContext } from "../command.ts";
import { REPOSITORY_ARGUMENT } from "../options/backup-options.ts";
import { outputOptions, parseRevision, snapshotOptions } from "../options/shared-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { type RestoreFlags, restoredText, restoreFlags, restoreOptions } from "./snapshot-restore.ts";

const EXAMPLES = `
Times: 2026-11-29T10:42:17Z, "2026-11-29 10:42" (local), 10:42:17 (the last time it was that late), "90m ago".

Examples:
  kubemend backup restore /mnt/backup/prod --identity prod.identity --data-dir /var/lib/etcd
  kubemend backup restore /mnt/backup/prod --to-time '90m ago' --data-dir /var/lib/etcd --replace
  kubemend backup restore /mnt/backup/prod --to-revision 48120 --output-file before.db`;

interface Options extends Omit<RestoreFlags, "revision"> {
  readonly toTime?: string;
  readonly toRevision?: number;
  readonly outputFile?: string;
}

export function backupRestoreCommand({ host }: CommandContext): Command {
  return restoreOptions(outputOptions(new Command("restore"), ["text", "json"]))
    .description("write a data dir, or a snapshot file, of any moment that the repository covers")
    .argument("<repository>", `${REPOSITORY_ARGUMENT}; with @MOMENT behind it, or one of the flags below`)
    .argument("[moment]", "latest (default), a time, or a revision")
    .option("--to-time <time>", "as it was at this time")
    .option("--to-revision <revision>", "as it was at this revision", parseRevision)
    .option("--output-file <file>", "write a snapshot file instead of a data dir")
    .addHelpText("after", EXAMPLES)
    .action(async (repository: string, moment: string | undefined, options: Options) => {
      const place = chosenMoment(repository, moment, options, host.now());
      const { restoreBackup, saveMoment } = await import("../../operations/backup/restore.ts");
      const { line, ...common } = snapshotOptions(host, options);
      const access = { ...common, moments: common.moments! };
      if (options.outputFile !== undefined) {
        const saved = await saveMoment(place, resolve(host.cwd, options.outputFile), access);
        await line.end();
        const text = `wrote "${saved.file}": revision ${saved.moment.revision}, ${byteText(saved.size)}\n${proofText(saved.moment)}`;
        await host.stdout.write(options.output === "json" ? `${JSON.stringify(saved)}\n` : text);
        if (options.output === "text") await host.stderr.write(findingsText(saved.moment.notes));
        return;
      }
      const result = await restoreBackup(place, { ...access, ...restoreFlags(options) });
      await line.end();
      const text = `${restoredText(result)}${proofText(result.moment)}`;
      await host.stdout.write(options.output === "json" ? `${JSON.stringify(result)}\n` : text);
      const findings = [...result.moment.notes, ...result.findings, ...result.notes];
      if (options.output === "text") await host.stderr.write(findingsText(findings));
    });
}

function chosenMoment(repository: string, moment: string | undefined, options: Options, now: number): string {
  const { toTime, toRevision } = options;
  const inPlace = splitMoment(repository, now).moment;
  const given = [moment, toTime, toRevision === undefined ? undefined : String(toRevision)].filter(
    (each) => each !== undefined,
  );
  if (given.length + (inPlace === undefined ? 0 : 1) > 1) {
    throw new MendError("usage", "more than one moment is given", {
      hint: "give one of REPOSITORY@MOMENT, MOMENT, --to-time and --to-revision",
    });
  }
  return given[0] === undefined ? repository : `${repository}@${given[0]}`;
}

export function proofText({ revision, proof, full, deltas }: BackupMoment): string {
  const from = `from full ${full} and ${deltas} delta${deltas === 1 ? "" : "s"}`;
  if (proof === null)
    return `${from}; not compared with etcd's HashKV: the repository has none that this revision can be compared with\n`;
  if (proof.revision === revision) return `${from}; proved: etcd's HashKV at revision ${revision} is the same\n`;
  return `${from}; proved to revision ${proof.revision} by etcd's HashKV, and by the signed chain from there to ${revision}\n`;
}
