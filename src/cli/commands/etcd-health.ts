import type { ClusterHealth, MemberHealth } from "../../diagnosis/etcd-health.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Host } from "../host.ts";
import { jsonLine } from "../json-outputs.ts";
import { defineCommand } from "../options/define-command.ts";
import { ETCD_FLAGS, etcdFlags, QUOTA_FLAG } from "../options/etcd-flags.ts";
import { path, toggle, type ValuesOf, words } from "../options/flag.ts";
import { outputFlag, snapshotOptions } from "../options/output-flags.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

const FLAGS = {
  output: outputFlag(["text", "json"]),
  cluster: toggle("--cluster", "log in with --user wherever members say they are, not only at the endpoints"),
  onlyEndpoints: toggle("--only-endpoints", "ask the given endpoints, not the other members"),
  quotaBackendBytes: QUOTA_FLAG,
  restoredFrom: words(
    "--restored-from <backup>",
    "compare what the endpoints serve with the snapshot that was restored, or the moment of a backup repository",
  ),
  identity: path("--identity <file>", "the age identity of the repository"),
  ...ETCD_FLAGS,
};

export const etcdHealth = defineCommand({
  name: "health",
  text: "every member's state, and whether the cluster survives one more loss",
  flags: FLAGS,
  examples: [
    "kubemend etcd health --endpoints https://10.0.0.1:2379 --cacert ca.crt --cert client.crt --key client.key",
    "kubemend etcd health -o json",
    "kubemend etcd health --endpoints https://10.0.0.1:2379 --restored-from backup.db   # right after a restore",
    "kubemend etcd health --endpoints https://10.0.0.1:2379 --restored-from s3://backups/prod@2026-11-29T10:42:17Z",
  ],
  notes: `All members are asked, also those that are not among the endpoints. Exit code 1 where something is broken.
With --restored-from the endpoints are compared with the snapshot that was restored: the log must be a new one, the keys
those of the snapshot, and none from after it. Exit code 3 where that is unknown.`,
  page: "docs/back-up-and-restore-etcd.md",
  async run(_, flags, { host }) {
    const { quotaBackendBytes: quota, restoredFrom, onlyEndpoints } = flags;
    if (restoredFrom !== undefined) return await compare(restoredFrom, flags, host);
    const { checkHealth } = await import("../../operations/etcd/etcd-health.ts");
    const health = await checkHealth(
      { ...etcdFlags(host, flags), trustMembers: flags.cluster },
      { signal: host.signal, onlyEndpoints, ...(quota === undefined ? {} : { quota }) },
    );
    await host.stdout.write(
      flags.output === "json" ? jsonLine("etcd health", health) : healthText(health, host.stdout.columns),
    );
    if (flags.output === "text") await host.stderr.write(findingsText(health.findings));
    return health.healthy ? EXIT.done : EXIT.failed;
  },
});

const COMPARED = {
  proved: "what serves is",
  refuted: "what serves is NOT",
  unknown: "it is not known whether what serves is",
};

async function compare(file: string, flags: ValuesOf<typeof FLAGS>, host: Host): Promise<ExitCode> {
  const { compareRestored } = await import("../../operations/etcd/compare-restored.ts");
  const options = snapshotOptions(host, { progress: "none", quiet: true, identity: flags.identity });
  const { verdict, revision, findings } = await compareRestored(file, etcdFlags(host, flags), options);
  await host.stdout.write(
    flags.output === "json"
      ? jsonLine("etcd health --restored-from", { verdict, revision, findings })
      : `${findingsText(findings)}${COMPARED[verdict]} what was restored, at revision ${revision}\n`,
  );
  return verdict === "proved" ? EXIT.done : verdict === "refuted" ? EXIT.failed : EXIT.unknown;
}

function healthText(health: ClusterHealth, width: number | undefined): string {
  const head = [
    "MEMBER",
    "NAME",
    "ENDPOINT",
    "ROLE",
    "VERSION",
    "DB SIZE",
    "IN USE",
    "TERM",
    "INDEX",
    "APPLIED",
    "LATENCY",
  ];
  const { voters, answeringVoters, quorum, survivesLosses } = health;
  const more = survivesLosses === 1 ? "one more loss" : `${survivesLosses} more losses`;
  const verdict =
    survivesLosses < 0 ? "quorum is lost" : survivesLosses === 0 ? "no voter may be lost" : `survives ${more}`;
  const rows = health.members.map(row);
  return (
    `${tableText([head, ...rows], { width })}\ncluster ${health.clusterId}: ${answeringVoters} of ${voters} ` +
    `voters answer, quorum is ${quorum}: ${verdict}\n`
  );
}

function row({ id, name, endpoint, isLearner, status }: MemberHealth): string[] {
  const first = [id, name === "" ? "-" : name, endpoint ?? "-"];
  if (status === null)
    return [...first, name === "" ? "never started" : "no answer", "-", "-", "-", "-", "-", "-", "-"];
  return [
    ...first,
    status.leader === id ? "leader" : isLearner ? "learner" : "follower",
    status.version,
    byteText(status.dbSize),
    byteText(status.dbSizeInUse),
    String(status.raftTerm),
    String(status.raftIndex),
    String(status.raftAppliedIndex),
    `${status.latencyMilliseconds} ms`,
  ];
}
