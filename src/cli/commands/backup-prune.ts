import { InvalidArgumentError } from "commander";
import { defined } from "../../errors/defined.ts";
import type { PruneResult } from "../../operations/backup/prune.ts";
import { timeText } from "../../repository/moment.ts";
import { jsonLine } from "../json-outputs.ts";
import { REPOSITORY_ARGUMENT, SIGNING_KEY_FLAG, writeAccess } from "../options/backup-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { parsed, wholeNumber } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

const count = (flags: string, text: string) => wholeNumber(flags, text);

export const backupPrune = defineCommand({
  name: "prune",
  text: "remove old backups by rules, and never what a kept moment needs",
  args: { repository: REPOSITORY_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    signingKey: SIGNING_KEY_FLAG,
    keepLast: count("--keep-last <n>", "the newest fulls"),
    keepHourly: count("--keep-hourly <n>", "the newest full of each of so many hours"),
    keepDaily: count("--keep-daily <n>", "of each of so many days"),
    keepWeekly: count("--keep-weekly <n>", "of each of so many weeks"),
    keepMonthly: count("--keep-monthly <n>", "of each of so many months"),
    keepYearly: count("--keep-yearly <n>", "of each of so many years"),
    keepWithin: parsed("--keep-within <duration>", "every moment of the last 14d, 2m (months) or 1y", parseWithin),
    dryRun: DRY_RUN_FLAG,
  },
  examples: [
    "kubemend backup prune /mnt/backup/prod --keep-within 14d --keep-weekly 8 --keep-monthly 12 --dry-run",
    "kubemend backup prune /mnt/backup/prod --keep-within 14d --keep-weekly 8 --keep-monthly 12",
  ],
  notes: `The flags are restic's. Of a full that is kept by a number, its own moment can be restored; within --keep-within,
and since the newest full at least, every moment can. Periods are those of UTC. What is removed is recorded and signed
first, so that verify can distinguish it from damage: prune needs the signing key, and credentials that may remove objects,
which the agents need not have.`,
  page: "docs/back-up-continuously.md",
  async run({ repository }, flags, { host }) {
    const { pruneRepository } = await import("../../operations/backup/prune.ts");
    const { line, progress } = snapshotOptions(host, flags);
    const policy = given({
      last: flags.keepLast,
      hourly: flags.keepHourly,
      daily: flags.keepDaily,
      weekly: flags.keepWeekly,
      monthly: flags.keepMonthly,
      yearly: flags.keepYearly,
      within: flags.keepWithin,
    });
    const access = writeAccess(host, flags.signingKey);
    const result = await pruneRepository(repository, {
      ...access,
      policy,
      dryRun: flags.dryRun,
      ...given({ progress }),
    });
    await line.end();
    await host.stdout.write(flags.output === "json" ? jsonLine("backup prune", result) : pruneText(result, host.now()));
  },
});

function pruneText(result: PruneResult, now: number): string {
  const rows = result.keptFulls.map(({ sequence, revision, time, reasons }) => [
    `  full ${sequence}`,
    `revision ${revision}`,
    time === null ? "unknown time" : timeText(Date.parse(time), now),
    reasons.filter((reason, i) => reasons.indexOf(reason) === i).join(", "),
  ]);
  const removed = `${result.removedObjects} objects, ${byteText(result.removedBytes)}`;
  return [
    `kept: ${result.keptLinks} links; every moment from link ${result.continuousFrom} on\n`,
    tableText(rows),
    result.dryRun ? `would remove: ${removed}\n` : `removed: ${removed}\n`,
    ...keptText(result),
  ].join("");
}

function keptText({ hiddenObjects, lockedObjects }: PruneResult): string[] {
  const lines: string[] = [];
  if (hiddenObjects > 0) {
    lines.push(
      `${hiddenObjects} of them are only hidden: the bucket keeps their versions, and their space is not free until a ` +
        "lifecycle rule of the bucket removes them, or a prune with ?versions=first in the address\n",
    );
  }
  if (lockedObjects > 0) {
    lines.push(
      `locked: ${lockedObjects} objects stay until their retention has ended; run the same command again then\n`,
    );
  }
  return lines;
}

const UNITS: Readonly<Record<string, number>> = { y: 365, m: 30, w: 7, d: 1, h: 1 / 24 };

/** restic's durations, such as `1y5m7d2h`; milliseconds. */
function parseWithin(text: string): number {
  if (!/^(?:\d+[ymwdh])+$/.test(text)) throw new InvalidArgumentError("expected a duration such as 14d, 2m or 1y6m");
  let days = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([ymwdh])/g))
    days += Number(amount) * defined(UNITS[defined(unit)]);
  return days * 86_400_000;
}
