import { shellWord } from "../../diagnosis/command-line.ts";
import { MendError } from "../../errors/errors.ts";
import type { RestoreOptions, RestoreResult } from "../../operations/snapshot/restore.ts";
import type { Host } from "../host.ts";
import { CLUSTER_FLAGS, clusterFlags } from "../options/cluster-flags.ts";
import { defineCommand } from "../options/define-command.ts";
import { repeated, toggle, type ValuesOf, wholeNumber, words } from "../options/flag.ts";
import { given } from "../options/given.ts";
import { DRY_RUN_FLAG, resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { ALLOW_FLAG, ETCD_PREFIX_FLAG, IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { SURGERY_FLAGS, surgeryOf } from "../options/surgery-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { editsText } from "./snapshot-edit.ts";

/** Every flag of a restore but the moment. */
export const RESTORE_FLAGS = {
  ...resultFlags(["text", "json"]),
  identity: IDENTITY_FLAG,
  dataDir: words("--data-dir <dir>", "the new data dir (default: NAME.etcd)"),
  walDir: words("--wal-dir <dir>", "where the WAL goes instead of DATA_DIR/member/wal"),
  name: words("--name <name>", "this member's name", { default: "default" }),
  initialCluster: words("--initial-cluster <members>", "all members, name=URL,name=URL", {
    default: "default=http://localhost:2380",
  }),
  initialClusterToken: words(
    "--initial-cluster-token <token>",
    "makes ids unlike those of clusters with another token",
    { default: "etcd-cluster" },
  ),
  initialAdvertisePeerUrls: words("--initial-advertise-peer-urls <urls>", "this member's peer URLs", {
    default: "http://localhost:2380",
  }),
  skipHashCheck: toggle("--skip-hash-check", "accept a file without a SHA-256, or with another one"),
  skipObjectCheck: toggle(
    "--skip-object-check",
    "do not check that Kubernetes objects decode: saves a second of CPU time a gigabyte",
  ),
  bumpRevision: wholeNumber("--bump-revision <n>", "raise the newest revision by so many (with --mark-compacted)", {
    most: 2 ** 50,
  }),
  markCompacted: toggle(
    "--mark-compacted",
    "mark every revision before the raised one compacted, so that watchers list again",
  ),
  exclude: repeated("--exclude <prefix>", "leave keys with this prefix out"),
  compact: toggle("--compact", "keep only the live version of each key, in a file without free pages"),
  allow: ALLOW_FLAG,
  etcdPrefix: ETCD_PREFIX_FLAG,
  dryRun: DRY_RUN_FLAG,
  ...CLUSTER_FLAGS,
  kubeconfig: words("--kubeconfig <file>", "refuse a snapshot of another cluster than this one's"),
  replace: toggle("--replace", "move a data dir (and WAL dir) that is there aside"),
  ...SURGERY_FLAGS,
};

export const snapshotRestore = defineCommand({
  name: "restore",
  text: "write a data dir that a stock etcd starts from; needs no etcd binary",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: {
    ...RESTORE_FLAGS,
    revision: wholeNumber("--revision <revision>", "the keyspace as it was at this revision", { least: 1 }),
  },
  examples: [
    "kubemend snapshot restore backup.db --data-dir /var/lib/etcd",
    `kubemend snapshot restore backup.db --data-dir /var/lib/etcd --name infra0 \\
  --initial-cluster infra0=https://10.0.0.1:2380,infra1=https://10.0.0.2:2380,infra2=https://10.0.0.3:2380 \\
  --initial-cluster-token after-the-flood --initial-advertise-peer-urls https://10.0.0.1:2380`,
    "kubemend snapshot restore backup.db --data-dir out --bump-revision 1000000000 --mark-compacted",
    "kubemend snapshot restore backup.db --data-dir out --revision 48120 --exclude /registry/events/ --compact",
    "kubemend snapshot restore backup.db --data-dir out --remove validatingwebhookconfiguration/dead",
  ],
  page: "docs/back-up-and-restore-etcd.md",
  async run({ file }, flags, { host }) {
    const { restoreSnapshot } = await import("../../operations/snapshot/restore.ts");
    const { loadEncryptionConfig } = await import("../../snapshot/load-encryption-config.ts");
    const encryption = loadEncryptionConfig(flags.encryptionConfig);
    const { line, ...common } = snapshotOptions(host, flags);
    const { revision: atRevision } = flags;
    const result = await restoreSnapshot(file, {
      ...common,
      ...restoreOptions(host, flags),
      ...given({ atRevision, encryption, startedAt: host.startedAt }),
    });
    await line.end();
    await host.stdout.write(
      flags.output === "json" ? `${JSON.stringify(result)}\n` : restoredText(result) + othersText(file, result, flags),
    );
    if (flags.output === "text")
      await host.stderr.write(findingsText([...result.findings, ...result.notes], flags.quiet));
  },
});

type RestoreValues = ValuesOf<typeof RESTORE_FLAGS> & { readonly revision?: number | undefined };

/** What to run for the other members, each on its own machine. */
function othersText(file: string, result: RestoreResult, flags: RestoreValues): string {
  const others = result.members.filter(({ name }) => name !== result.name);
  if (others.length === 0) return "";
  const same = [
    ...(flags.skipHashCheck ? ["--skip-hash-check"] : []),
    ...(flags.revision === undefined ? [] : [`--revision ${flags.revision}`]),
    ...(flags.bumpRevision === undefined ? [] : [`--bump-revision ${flags.bumpRevision} --mark-compacted`]),
    ...flags.exclude.map((prefix) => `--exclude ${shellWord(prefix)}`),
    ...(flags.compact ? ["--compact"] : []),
    ...flags.allow.map((code) => `--allow ${code}`),
    ...(flags.replace ? ["--replace"] : []),
  ];
  const commands = others.map(({ name, peerUrls }) =>
    [
      `  kubemend snapshot restore ${shellWord(file)} --name ${shellWord(name)}`,
      `--data-dir ${shellWord(flags.dataDir ?? `${name}.etcd`)}`,
      ...(flags.walDir === undefined ? [] : [`--wal-dir ${shellWord(flags.walDir)}`]),
      `--initial-cluster ${shellWord(flags.initialCluster)}`,
      `--initial-cluster-token ${shellWord(flags.initialClusterToken)}`,
      `--initial-advertise-peer-urls ${shellWord(peerUrls.join(","))}`,
      ...(same.length === 0 ? [] : [same.join(" ")]),
    ].join(" \\\n    "),
  );
  return `for the other members, each on its own machine, with the same file:\n${commands.join("\n")}\n`;
}

/** What the flags ask for. Throws `usage`. */
export function restoreOptions(host: Host, flags: ValuesOf<typeof RESTORE_FLAGS>): RestoreOptions {
  const { bumpRevision = 0, markCompacted } = flags;
  if (bumpRevision > 0 !== markCompacted) {
    const missing = markCompacted ? "--bump-revision" : "--mark-compacted";
    throw new MendError("usage", `${missing} is missing: --bump-revision and --mark-compacted belong together`, {
      hint: "pass both, such as --bump-revision 1000000000 --mark-compacted",
    });
  }
  const { walDir, etcdPrefix, encryptionConfig } = flags;
  const cluster = flags.kubeconfig === undefined ? undefined : clusterFlags(host, flags);
  return {
    dataDir: flags.dataDir ?? `${flags.name}.etcd`,
    replace: flags.replace,
    name: flags.name,
    initialCluster: flags.initialCluster,
    initialClusterToken: flags.initialClusterToken,
    initialAdvertisePeerUrls: flags.initialAdvertisePeerUrls,
    skipHashCheck: flags.skipHashCheck,
    skipObjectCheck: flags.skipObjectCheck,
    allow: flags.allow,
    bumpRevision,
    exclude: flags.exclude,
    compact: flags.compact,
    dryRun: flags.dryRun,
    surgery: surgeryOf(flags),
    ...given({ walDir, etcdPrefix, encryptionConfig, cluster }),
  };
}

export function restoredText(result: RestoreResult): string {
  const lines = [
    `${result.dryRun ? "would restore" : "restored"} "${result.dataDir}" at revision ${result.revision}: ` +
      `member "${result.name}" (${result.memberId}) of cluster ${result.clusterId}`,
  ];
  if (result.movedAside !== null) lines.push(`the old data dir is in "${result.movedAside}"`);
  if (result.walMovedAside !== null) lines.push(`the old WAL dir is in "${result.walMovedAside}"`);
  if (result.droppedVersions > 0) lines.push(`${result.droppedVersions} versions of keys were left out`);
  const edits = result.edits.length === 0 ? "" : editsText(result.edits);
  lines.push("next:", ...result.steps.map((step, i) => `  ${i + 1}. ${step}`));
  return `${edits}${lines.join("\n")}\n`;
}
