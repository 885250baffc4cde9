/** How etcd is reached, with etcdctl's flags and environment variables. */
import { type Command, InvalidArgumentError } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { EtcdFlags } from "../../operations/etcd/etcd-flags.ts";
import type { Host } from "../host.ts";

export interface EtcdOptions {
  readonly endpoints?: string;
  readonly discoverySrv?: string;
  readonly discoverySrvName?: string;
  readonly insecureDiscovery?: boolean;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipTlsVerify?: true;
  readonly user?: string;
  readonly password?: string;
  readonly commandTimeout: number;
}

export function etcdOptions(command: Command): Command {
  return command
    .option(
      "--endpoints <urls>",
      "client URLs of members (default: $ETCDCTL_ENDPOINTS, else as this machine's control plane reaches etcd, else 127.0.0.1:2379)",
    )
    .option("--discovery-srv <domain>", "find the endpoints by the domain's SRV records")
    .option(
      "--discovery-srv-name <name>",
      "of the service in those records: _etcd-client-NAME and _etcd-client-ssl-NAME",
    )
    .option("--insecure-discovery [bool]", "take records without TLS too; =false for those with TLS only", parseBoolean)
    .option("--cacert <file>", "the CA of etcd's certificates (default: $ETCDCTL_CACERT)")
    .option("--cert <file>", "the client certificate (default: $ETCDCTL_CERT)")
    .option("--key <file>", "its key (default: $ETCDCTL_KEY)")
    .option("--insecure-skip-tls-verify", "accept any certificate")
    .option("--user <name[:password]>", "where etcd has authentication enabled (default: $ETCDCTL_USER)")
    .option("--password <password>", "where it is not part of --user (default: $ETCDCTL_PASSWORD)")
    .option("--command-timeout <duration>", "for one request", parseDuration, 5000);
}

export function etcdFlags(host: Host, options: EtcdOptions): EtcdFlags {
  const { env } = host;
  const endpoints = options.endpoints ?? env.ETCDCTL_ENDPOINTS ?? "";
  const texts = {
    discoverySrv: options.discoverySrv ?? env.ETCDCTL_DISCOVERY_SRV,
    discoverySrvName: options.discoverySrvName ?? env.ETCDCTL_DISCOVERY_SRV_NAME,
    cacert: options.cacert ?? env.ETCDCTL_CACERT,
    cert: options.cert ?? env.ETCDCTL_CERT,
    key: options.key ?? env.ETCDCTL_KEY,
    user: options.user ?? env.ETCDCTL_USER,
    password: options.password ?? env.ETCDCTL_PASSWORD,
  };
  const given = Object.entries(texts).filter(([, value]) => value !== undefined && value !== "");
  if (options.endpoints !== undefined && !/[^\s,]/.test(options.endpoints)) {
    throw new MendError("usage", "no endpoint is given", { hint: "pass --endpoints https://10.0.0.1:2379,..." });
  }
  return {
    endpoints: endpoints.split(",").filter((endpoint) => endpoint.trim() !== ""),
    ...(Object.fromEntries(given) as Partial<Record<keyof typeof texts, string>>),
    insecureDiscovery: options.insecureDiscovery ?? !/^(false|0|f)$/i.test(env.ETCDCTL_INSECURE_DISCOVERY ?? ""),
    insecureSkipTlsVerify: options.insecureSkipTlsVerify === true || env.ETCDCTL_INSECURE_SKIP_TLS_VERIFY === "true",
    timeout: options.commandTimeout,
  };
}

function parseBoolean(text: string): boolean {
  if (/^(true|1|t)$/i.test(text)) return true;
  if (/^(false|0|f)$/i.test(text)) return false;
  throw new InvalidArgumentError("expected true or false");
}

/** Such as `5s`, `500ms`, `1m30s`; milliseconds. A bare number is seconds. */
export function parseDuration(text: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text))
    throw new InvalidArgumentError("expected a duration such as 5s or 1m30s");
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * units[unit as keyof typeof units];
  }
  return Math.round(total);
}
