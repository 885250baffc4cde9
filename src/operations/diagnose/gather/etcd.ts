/** etcd, asked directly: with the flags given, else as this machine's API server or etcd member is told to reach it. */

import { commandLine } from "../../../diagnosis/command-line.ts";
import type { EtcdFacts, LocalFacts } from "../../../diagnosis/facts.ts";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { type Input, input } from "../../../errors/input.ts";
import { findEndpoints, prepareEtcdAccess } from "../../../io/etcd/etcd-connection.ts";
import { explainEtcdFailure } from "../../../io/etcd/etcd-failure.ts";
import { etcdOf, lacksCertificate } from "../../../io/etcd/local-etcd.ts";
import { acceptsConnections } from "../../../io/network/accepts-connections.ts";
import type { EtcdFlags } from "../../etcd/etcd-flags.ts";
import { checkHealth } from "../../etcd/etcd-health.ts";
import type { Probes } from "./probes.ts";

/** For a connection alone, without a word. */
const ACCEPT_MS = 1000;

/** Undefined where it is not known how to reach it. */
export async function probeEtcd(
  given: EtcdFlags | undefined,
  local: LocalFacts | undefined,
  probes: Probes,
): Promise<EtcdFacts | undefined> {
  const own = etcdOf((local?.components ?? []).map((each) => ({ ...each, pid: each.process?.pid })));
  const flags = given ?? (own && { ...own, timeout: probes.deadlineMs });
  if (flags === undefined) return undefined;
  const endpoints = await urlsOf(flags);
  const { cacert, cert, key } = flags;
  const flag = (name: Input, value: string | undefined) => (value === undefined ? [] : [`${input(name)}=${value}`]);
  // A member that is cut off takes a whole deadline before the next one is asked.
  const health = await probes.attempt((signal) => checkHealth(flags, { signal }), 3 * probes.deadlineMs);
  return {
    endpoints,
    flags: [
      `${input("endpoints")}=${endpoints.join(",")}`,
      ...flag("cacert", cacert),
      ...flag("cert", cert),
      ...flag("key", key),
    ],
    recoverFlags: [
      `${input("etcdServers")}=${endpoints.join(",")}`,
      ...flag("etcdCaPath", cacert),
      ...flag("etcdCertificatePath", cert),
      ...flag("etcdPrivateKeyPath", key),
    ],
    health: health.ok
      ? health.value
      : {
          error: await reasonOf(health.error, health.text, flags),
          hangs: await someHang(health, endpoints),
          lacksCertificate: given === undefined && lacksCertificate(flags),
        },
  };
}

/** What is given as `HOST:PORT` as a URL, and what DNS has; as it is given where it is none of them, which asking it says. */
async function urlsOf(flags: EtcdFlags): Promise<readonly string[]> {
  try {
    return await findEndpoints(flags);
  } catch (error) {
    if (error instanceof MendError) return flags.endpoints;
    throw error;
  }
}

/** Whether one of them takes connections, where none answers. */
async function someHang(
  { late, error }: { readonly late: boolean; readonly error: unknown },
  endpoints: readonly string[],
): Promise<boolean> {
  if (!late && !(error instanceof MendError && error.code === "timeout")) return false;
  const accepted = await Promise.all(endpoints.map((endpoint) => acceptsConnections(endpoint, ACCEPT_MS)));
  return accepted.includes(true);
}

async function reasonOf(error: unknown, text: string, flags: EtcdFlags): Promise<string> {
  const where = commandLine(...flags.endpoints);
  if (!(error instanceof MendError)) return `etcd at ${where} gives ${text}`;
  if (error.code !== "etcd-unreachable" && error.code !== "tls-failed") return `etcd: ${error.message}`;
  const explained = await explain(error, flags);
  return `etcd: ${explained.message.split("\n")[0]}`;
}

/** The files that the flags name may be gone since they were read: then that is what is reported. */
async function explain(error: MendError, flags: EtcdFlags): Promise<MendError> {
  try {
    const access = await prepareEtcdAccess(flags);
    return await explainEtcdFailure(error, error.where ?? defined(access.endpoints[0]), access);
  } catch (other) {
    if (other instanceof MendError) return other;
    throw other;
  }
}
