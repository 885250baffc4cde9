import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { SalvageResult } from "../../operations/etcd/salvage.ts";
import { EXIT } from "../command.ts";
import { jsonLine } from "../json-outputs.ts";
import { argument, defineCommand } from "../options/define-command.ts";
import { repeated, toggle, words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { tableText } from "../terminal/table.ts";

export const etcdSalvage = defineCommand({
  name: "salvage",
  text: "after quorum is lost, a one-member data dir from what the survivors have (offline)",
  args: { dataDirs: argument("<data-dir...>", "data dirs of the stopped survivors, which are only read") },
  flags: {
    ...resultFlags(["text", "json"]),
    dataDir: words("--data-dir <dir>", "the new data dir", { required: true }),
    name: words("--name <name>", "the member's name", { required: true }),
    initialAdvertisePeerUrls: words("--initial-advertise-peer-urls <urls>", "its peer URLs", { required: true }),
    walDir: words("--wal-dir <dir>", "where the WAL is written instead of DATA_DIR/member/wal"),
    survivorWalDir: repeated(
      "--survivor-wal-dir <dir>",
      "a survivor's WAL, if etcd ran with --wal-dir: DATA_DIR=DIR, or DIR where there is one survivor",
    ),
    committedOnly: toggle("--committed-only", "drop entries that were not known to be committed"),
    dryRun: DRY_RUN_FLAG,
    replace: toggle("--replace", "move what is at --data-dir (and --wal-dir) aside"),
  },
  examples: [
    `kubemend etcd salvage /var/lib/etcd --data-dir /var/lib/etcd-salvaged \\
  --name infra0 --initial-advertise-peer-urls https://10.0.0.1:2380`,
    `kubemend etcd salvage from-infra0 from-infra1 --data-dir out --name infra0 \\
  --initial-advertise-peer-urls https://10.0.0.1:2380`,
    `kubemend etcd salvage from-infra0 --survivor-wal-dir from-infra0-wal --data-dir out --wal-dir out-wal \\
  --name infra0 --initial-advertise-peer-urls https://10.0.0.1:2380`,
  ],
  notes: `Give the data dirs of all survivors, the damaged ones too: of the databases the newest is used, and after it the entries
of any log, also beyond the commit index, because a write that was acknowledged may be there. With --committed-only, what
is beyond it is dropped, as etcd's --force-new-cluster does.

Exit code 1 where entries are known to be missing; the data dir is written all the same, and the errors say which.`,
  page: "docs/back-up-and-restore-etcd.md",
  async run({ dataDirs }, flags, { host }) {
    const { salvage } = await import("../../operations/etcd/salvage.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const { dataDir, walDir, name, initialAdvertisePeerUrls, committedOnly, dryRun, replace } = flags;
    const result = await salvage([...dataDirs], {
      ...common,
      dataDir,
      ...(walDir === undefined ? {} : { walDir }),
      replace,
      ...given({ startedAt: host.startedAt }),
      name,
      initialAdvertisePeerUrls,
      committedOnly,
      dryRun,
      survivorWalDirs: parseSurvivorWalDirs(flags.survivorWalDir, dataDirs),
    });
    await line.end();
    await host.stdout.write(
      flags.output === "json" ? jsonLine("etcd salvage", result) : salvagedText(result, host.stdout.columns),
    );
    const findings = [...result.survivors.flatMap((survivor) => survivor.findings), ...result.findings];
    if (flags.output === "text") await host.stderr.write(findingsText(findings));
    return result.isComplete ? EXIT.done : EXIT.failed;
  },
});

/** By data dir. Throws `usage` for what belongs to none. */
function parseSurvivorWalDirs(values: readonly string[], dataDirs: readonly string[]): Map<string, string> {
  return new Map(
    values.map((value): [string, string] => {
      const owner = dataDirs.find((dataDir) => value.startsWith(`${dataDir}=`));
      if (owner !== undefined) return [owner, value.slice(owner.length + 1)];
      if (dataDirs.length === 1) return [defined(dataDirs[0]), value];
      throw new MendError("usage", `--survivor-wal-dir "${value}" does not say whose it is`, {
        hint: `pass --survivor-wal-dir ${dataDirs[0]}=${value}`,
      });
    }),
  );
}

function salvagedText(result: SalvageResult, width: number | undefined): string {
  const text = (value: string | number | null): string => (value === null ? "-" : String(value));
  const rows = result.survivors.map((survivor) => [
    survivor.dataDir,
    text(survivor.memberId),
    survivor.role,
    String(survivor.lastIndex),
    String(survivor.lastTerm),
    String(survivor.commitIndex),
    text(survivor.appliedIndex),
    text(survivor.revision),
    text(survivor.reach),
    survivor.walEnd,
  ]);
  const head = [
    "DATA DIR",
    "MEMBER",
    "ROLE",
    "LAST INDEX",
    "LAST TERM",
    "COMMIT",
    "APPLIED",
    "REVISION",
    "REACH",
    "WAL",
  ];
  const { memberId, clusterId, isDryRun } = result;
  const lines = [
    result.reason,
    `${isDryRun ? "would write" : "wrote"} "${result.dataDir}": member ${memberId} alone in cluster ` +
      `${clusterId}, up to entry ${result.lastIndex} of term ${result.lastTerm}`,
    `${result.replayedEntries} entries are replayed when etcd starts, ${result.uncommittedEntries} of them beyond the commit index`,
  ];
  if (result.movedAside !== null) lines.push(`the old data dir is in "${result.movedAside}"`);
  if (result.walMovedAside !== null) lines.push(`the old WAL dir is in "${result.walMovedAside}"`);
  if (result.droppedEntries > 0) lines.push(`${result.droppedEntries} entries beyond the commit index were dropped`);
  if (result.removedMembers.length > 0) lines.push(`removed members: ${result.removedMembers.join(", ")}`);
  if (!result.isComplete) lines.push("NOT COMPLETE: writes are lost, see the errors below for which");
  if (!isDryRun) lines.push("start etcd on it without --force-new-cluster, then add members to it");
  return `${tableText([head, ...rows], { width })}\n${lines.join("\n")}\n`;
}
