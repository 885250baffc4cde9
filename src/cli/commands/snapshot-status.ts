import type { SnapshotStatus } from "../../operations/snapshot/status.ts";
import { EXIT } from "../command.ts";
import { defineCommand } from "../options/define-command.ts";
import { toggle } from "../options/flag.ts";
import { resultFlags, snapshotOptions } from "../options/output-flags.ts";
import { IDENTITY_FLAG, SNAPSHOT_ARGUMENT } from "../options/snapshot-flags.ts";
import { findingsText, hasErrors } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { oneLine } from "../terminal/escape.ts";

export const snapshotStatus = defineCommand({
  name: "status",
  text: "what a snapshot is: hash, revision, keys, members, and whether it is whole",
  args: { file: SNAPSHOT_ARGUMENT },
  flags: {
    ...resultFlags(["text", "json"]),
    identity: IDENTITY_FLAG,
    skipHashCheck: toggle("--skip-hash-check", "leave the SHA-256 at the end of the file unverified (faster)"),
  },
  examples: [
    "kubemend snapshot status backup.db",
    "kubemend snapshot status backup.db.gz -o json",
    "kubemend snapshot status /var/lib/etcd/member/snap/db   # a raw copy: no hash to verify",
  ],
  page: "docs/read-a-snapshot.md",
  async run({ file }, flags, { host }) {
    const { readSnapshotStatus } = await import("../../operations/snapshot/status.ts");
    const { line, ...common } = snapshotOptions(host, flags);
    const status = await readSnapshotStatus(file, { ...common, skipHashCheck: flags.skipHashCheck });
    await line.end();
    await host.stdout.write(flags.output === "json" ? `${JSON.stringify(status)}\n` : statusText(status));
    if (flags.output === "text") await host.stderr.write(findingsText(status.findings, flags.quiet));
    return hasErrors(status.findings) ? EXIT.failed : EXIT.done;
  },
});

function statusText(status: SnapshotStatus): string {
  const { members } = status;
  const rows: [string, string][] = [
    ["hash", status.hash.toString(16)],
    ["revision", String(status.revision)],
    ["total keys", `${status.totalKey} (${status.liveKeys} live)`],
    ["total size", `${byteText(status.totalSize)}${status.archive === null ? "" : ` (from ${status.archive})`}`],
    ["sha256", status.sha256],
    ["compacted at", status.compactRevision === 0 ? "never" : String(status.compactRevision)],
    ["raft index", status.consistentIndex === null ? "not recorded" : raftText(status)],
    ["etcd", etcdText(status)],
    ["members", members.length === 0 ? "none" : members.map((member) => member.name || member.id).join(", ")],
    ["leases", String(status.leases)],
    ["kubernetes at", status.prefixes.length === 0 ? "no cluster found" : status.prefixes.join(", ")],
  ];
  if (status.alarms.length > 0) rows.push(["alarms", status.alarms.join(", ")]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width + 2)}${oneLine(value)}\n`).join("");
}

function raftText({ consistentIndex, term }: SnapshotStatus): string {
  return term === null ? String(consistentIndex) : `${consistentIndex} (term ${term})`;
}

function etcdText({ clusterVersion, storageVersion }: SnapshotStatus): string {
  const cluster = clusterVersion === null ? "version not recorded" : `cluster version ${clusterVersion}`;
  return storageVersion === null ? cluster : `${cluster}, storage version ${storageVersion}`;
}
