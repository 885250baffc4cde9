/** The control plane's objects from an etcd that runs, read at one revision. */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { collectFindings, type FindingCollector } from "../../errors/findings.ts";
import { type EtcdClient, openEtcd } from "../../io/etcd/etcd-client.ts";
import { type EtcdAccess, type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import { explainEtcdFailure } from "../../io/etcd/etcd-failure.ts";
import { createEtcdReader, type EtcdReader } from "../../io/etcd/etcd-reader.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { createTransformer } from "../../storage/encryption.ts";
import { findLivePrefix } from "../etcd/find-live-prefix.ts";
import { type ControlPlaneObjects, readControlPlaneObjects, type StoredValues } from "./control-plane-objects.ts";
import type { EtcdSource, SourceOptions, SourceReading } from "./recovery-source.ts";

/** A compaction may take the revision away while it is read; a cluster compacts every five minutes. */
const MOST_ATTEMPTS = 3;

/** Tries the endpoints in their order. Where none can be read, what is wrong with each of them is said. */
export async function readLiveEtcd(flags: EtcdFlags, options: SourceOptions): Promise<SourceReading> {
  const access = await prepareEtcdAccess(flags);
  const config = loadEncryptionConfig(options.encryptionConfig);
  const failures: MendError[] = [];
  for (const endpoint of access.endpoints) {
    const client = openEtcd(endpoint, access, options.signal);
    const findings = collectFindings();
    try {
      for (const { message } of failures) {
        findings.report({ level: "warning", code: "endpoint-failed", where: "etcd", text: message });
      }
      const read = await readMember(client, config, findings, options);
      return { ...read, findings: () => findings.list(), [Symbol.dispose]: () => {} };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof MendError) || !UNREACHABLE.has(error.code)) throw error;
      failures.push(await explainEtcdFailure(error, endpoint, access, options.now?.()));
    } finally {
      client.close();
    }
  }
  throw severalFailures(failures, access);
}

const UNREACHABLE: ReadonlySet<string> = new Set(["etcd-unreachable", "timeout", "tls-failed"]);

function severalFailures(failures: readonly MendError[], access: EtcdAccess): MendError {
  const [first] = failures;
  if (failures.length === 1) return defined(first);
  // The one that says most.
  const chosen = failures.find(({ code }) => code === "tls-failed") ?? defined(first);
  const list = failures.map(({ message }) => `\n  ${message.replaceAll("\n", "\n  ")}`).join("");
  return new MendError(chosen.code, `none of etcd's ${access.endpoints.length} servers can be read${list}`, {
    ...(chosen.hint === undefined ? {} : { hint: chosen.hint }),
    cause: chosen,
  });
}

async function readMember(
  client: EtcdClient,
  config: ReturnType<typeof loadEncryptionConfig>,
  findings: FindingCollector,
  options: SourceOptions,
): Promise<{ readonly source: EtcdSource; readonly found: ControlPlaneObjects }> {
  for (let attempt = 1; ; attempt++) {
    const { reader, version } = await openReader(client, findings, options);
    try {
      const etcdPrefix = await findLivePrefix(reader, options.etcdPrefix);
      const found = await readControlPlaneObjects(withProgress(reader, options), {
        etcdPrefix,
        transformer: createTransformer(config, etcdPrefix),
        namespace: options.namespace,
        report: findings.report,
      });
      const { endpoint, revision } = reader;
      return { source: { kind: "etcd", endpoint, version, revision, etcdPrefix }, found };
    } catch (error) {
      const wasCompacted = error instanceof MendError && error.code === "revision-compacted";
      if (!wasCompacted || options.atRevision !== undefined || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

/** Fixes the revision. A member without a quorum still gives what it has; how old that is, nobody knows. */
async function openReader(
  client: EtcdClient,
  findings: FindingCollector,
  { atRevision }: SourceOptions,
): Promise<{ readonly reader: EtcdReader; readonly version: string }> {
  const { version, leader, header } = await client.status();
  // A member that lags behind its leader knows only by asking it which revision is the newest.
  const agreed = leader === 0n ? undefined : await agreedRevision(client);
  if (agreed === undefined) {
    findings.report({
      level: "warning",
      code: "etcd-no-quorum",
      where: client.endpoint,
      text: "etcd has no leader that a majority follows: what this member has is read, and may lack the latest writes",
    });
  }
  const newest = agreed ?? header.revision;
  if (atRevision !== undefined && atRevision > newest) {
    throw new MendError("revision-in-future", `revision ${atRevision} is not there yet`, {
      where: client.endpoint,
      hint: `the newest revision is ${newest}`,
    });
  }
  return { reader: createEtcdReader(client, atRevision ?? newest, agreed === undefined), version };
}

/** Undefined where the member answers, and its cluster does not: the leader that it knows of has lost its majority. */
async function agreedRevision(client: EtcdClient): Promise<number | undefined> {
  try {
    return (await client.range(ANY_KEY)).header.revision;
  } catch (error) {
    if (error instanceof MendError && UNREACHABLE.has(error.code)) return undefined;
    throw error;
  }
}

const ANY_KEY = { key: Uint8Array.of(0), limit: 1, revision: 0, serializable: false, keysOnly: true };

function withProgress(reader: EtcdReader, { progress }: SourceOptions): StoredValues {
  let keys = 0;
  const counted = <T>(take: (found: T) => void) => {
    return (found: T): void => {
      keys++;
      if (keys % 1000 === 0) progress?.({ step: "reading", done: keys, unit: "keys" });
      take(found);
    };
  };
  return {
    readBelow: (prefix, take) => reader.readBelow(prefix, counted(take)),
    remote: { keysBelow: (prefix, take) => reader.keysBelow(prefix, counted(take)), read: reader.read },
  };
}
