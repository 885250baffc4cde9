/** How etcd is reached, with etcdctl's flags and environment variables. */
import { InvalidArgumentError } from "commander";
import { MendError } from "../../errors/errors.ts";
import type { EtcdFlags } from "../../operations/etcd/etcd-flags.ts";
import type { Host } from "../host.ts";
import { duration, parsed, toggle, type ValuesOf, wholeNumber, words } from "./flag.ts";
import { given } from "./given.ts";

/** etcd's `--quota-backend-bytes`, which members before 3.6 do not report. */
export const QUOTA_FLAG = wholeNumber(
  "--quota-backend-bytes <n>",
  "etcd's quota, where it is not the default of 2 GiB",
  {
    least: 1,
  },
);

export const ETCD_FLAGS = {
  endpoints: words(
    "--endpoints <urls>",
    "client URLs of members (default: $ETCDCTL_ENDPOINTS, else as this machine's control plane reaches etcd, else 127.0.0.1:2379)",
  ),
  discoverySrv: words("--discovery-srv <domain>", "find the endpoints by the domain's SRV records"),
  discoverySrvName: words(
    "--discovery-srv-name <name>",
    "of the service in those records: _etcd-client-NAME and _etcd-client-ssl-NAME",
  ),
  insecureDiscovery: parsed(
    "--insecure-discovery [bool]",
    "take records without TLS too; =false for those with TLS only",
    parseBoolean,
    { preset: "true" },
  ),
  cacert: words("--cacert <file>", "the CA of etcd's certificates (default: $ETCDCTL_CACERT)"),
  cert: words("--cert <file>", "the client certificate (default: $ETCDCTL_CERT)"),
  key: words("--key <file>", "its key (default: $ETCDCTL_KEY)"),
  insecureSkipTlsVerify: toggle("--insecure-skip-tls-verify", "accept any certificate"),
  user: words("--user <name[:password]>", "where etcd has authentication enabled (default: $ETCDCTL_USER)"),
  password: words("--password <password>", "where it is not part of --user (default: $ETCDCTL_PASSWORD)"),
  passwordFile: words("--password-file <file>", "the password is the file's first line; without any, it is asked for"),
  commandTimeout: duration("--command-timeout <duration>", "for one request", { default: "5s" }),
};

export type EtcdValues = ValuesOf<typeof ETCD_FLAGS>;

/** Flags win over environment variables. Throws `usage` for a variable that cannot be read. */
export function etcdFlags(host: Host, values: EtcdValues): EtcdFlags {
  const { env } = host;
  const endpoints = values.endpoints ?? env.ETCDCTL_ENDPOINTS ?? "";
  const variable = (name: string) => env[name] || undefined;
  if (values.endpoints !== undefined && !/[^\s,]/.test(values.endpoints)) {
    throw new MendError("usage", "no endpoint is given", { hint: "pass --endpoints https://10.0.0.1:2379,..." });
  }
  return {
    endpoints: endpoints.split(",").filter((endpoint) => endpoint.trim() !== ""),
    ...given({
      discoverySrv: values.discoverySrv ?? variable("ETCDCTL_DISCOVERY_SRV"),
      discoverySrvName: values.discoverySrvName ?? variable("ETCDCTL_DISCOVERY_SRV_NAME"),
      cacert: values.cacert ?? variable("ETCDCTL_CACERT"),
      cert: values.cert ?? variable("ETCDCTL_CERT"),
      key: values.key ?? variable("ETCDCTL_KEY"),
      user: values.user ?? variable("ETCDCTL_USER"),
      password: values.password ?? variable("ETCDCTL_PASSWORD"),
      passwordFile: values.passwordFile,
      askPassword: host.askSecret,
    }),
    insecureDiscovery: values.insecureDiscovery ?? booleanVariable(env, "ETCDCTL_INSECURE_DISCOVERY") ?? true,
    insecureSkipTlsVerify:
      values.insecureSkipTlsVerify || booleanVariable(env, "ETCDCTL_INSECURE_SKIP_TLS_VERIFY") === true,
    timeout: values.commandTimeout,
  };
}

function booleanVariable(env: Host["env"], name: string): boolean | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  try {
    return parseBoolean(text);
  } catch {
    throw new MendError("usage", `the environment variable ${name} is "${text}": expected true or false`);
  }
}

function parseBoolean(text: string): boolean {
  if (/^(true|1|t)$/i.test(text)) return true;
  if (/^(false|0|f)$/i.test(text)) return false;
  throw new InvalidArgumentError("expected true or false");
}
