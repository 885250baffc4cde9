import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import type { ClusterHealth, MemberHealth } from "../../diagnosis/etcd-health.ts";
import { type CommandContext, EXIT } from "../command.ts";
import { type EtcdOptions, etcdFlags, etcdOptions } from "../options/etcd-options.ts";
import { findingsText } from "../reports/findings-text.ts";
import { byteText } from "../terminal/byte-text.ts";
import { tableText } from "../terminal/table.ts";

const EXAMPLES = `
Examples:
  kubemend etcd health --endpoints https://10.0.0.1:2379 --cacert ca.crt --cert client.crt --key client.key
  kubemend etcd health -o json
  kubemend etcd health --endpoints https://10.0.0.1:2379 --restored-from backup.db     right after a restore: is this what serves?

All members are asked, also those that are not among the endpoints. Exit code 1 where something is broken. With --restored-from the endpoints are
compared with the snapshot that was restored: the log must be a new one, the keys those of the snapshot, and none from after it. Exit code 3 where that cannot be told.`;

interface Options extends EtcdOptions {
  readonly output: "text" | "json";
  readonly onlyEndpoints?: true;
  readonly cluster?: true;
  readonly quotaBackendBytes?: number;
  readonly restoredFrom?: string;
}

export function etcdHealthCommand({ host, exit }: CommandContext): Command {
  async function compare(file: string, options: Options): Promise<void> {
    const { compareRestored } = await import("../../operations/etcd/compare-restored.ts");
    const { signal } = host;
    const { verdict, revision, findings } = await compareRestored(resolve(host.cwd, file), etcdFlags(host, options), {
      signal,
    });
    const said = {
      proved: "what serves is",
      refuted: "what serves is NOT",
      unknown: "it is not known whether what serves is",
    };
    await host.stdout.write(
      options.output === "json"
        ? `${JSON.stringify({ verdict, revision, findings })}\n`
        : `${findingsText(findings)}${said[verdict]} what was restored, at revision ${revision}\n`,
    );
    if (verdict !== "proved") exit(verdict === "refuted" ? EXIT.failed : EXIT.unknown);
  }
  return etcdOptions(new Command("health"))
    .description("every member's state, and whether the cluster survives one more loss")
    .addOption(new Option("-o, --output <format>", "output format").choices(["text", "json"]).default("text"))
    .option("--cluster", "log in with --user wherever members say they are, not only at the endpoints")
    .option("--only-endpoints", "ask the given endpoints, not the other members")
    .option("--quota-backend-bytes <n>", "etcd's quota, where it is not the default of 2 GiB", parseBytes)
    .option("--restored-from <file>", "compare what the endpoints serve with the snapshot that was restored")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      if (options.restoredFrom !== undefined) return await compare(options.restoredFrom, options);
      const { checkHealth } = await import("../../operations/etcd/etcd-health.ts");
      const { quotaBackendBytes: quota } = options;
      const health = await checkHealth(
        { ...etcdFlags(host, options), trustMembers: options.cluster === true },
        {
          signal: host.signal,
          onlyEndpoints: options.onlyEndpoints === true,
          ...(quota === undefined ? {} : { quota }),
        },
      );
      await host.stdout.write(
        options.output === "json" ? `${JSON.stringify(health)}\n` : healthText(health, host.stdout.columns),
      );
      if (options.output === "text") await host.stderr.write(findingsText(health.findings));
      if (!health.healthy) exit(EXIT.failed);
    });
}

export function parseBytes(text: string): number {
  const bytes = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(bytes) || bytes === 0) {
    throw new InvalidArgumentError("expected a number of bytes");
  }
  return bytes;
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
  return `${tableText([head, ...rows], { width })}\ncluster ${health.clusterId}: ${answeringVoters} of ${voters} voters answer, quorum is ${quorum}: ${verdict}\n`;
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
