/** `serve`: a read-only API server on a snapshot. */

import { basename } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { writeKubeconfig } from "../../io/serve/kubeconfig-file.ts";
import { isLoopback, listen } from "../../io/serve/two-protocol-server.ts";
import type { KeyspaceHistory } from "../../kubeapi/history.ts";
import { parseSpan } from "../../kubeapi/moment.ts";
import { type RunningContentIndex, startContentIndex } from "../../snapshot/index-contents.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { verifySnapshot } from "../snapshot/verify.ts";
import { createUpgrade } from "./answer-socket.ts";
import { type BackupOptions, watchBackup } from "./backup-facts.ts";
import { createHandler } from "./handle-request.ts";
import { createIdentity, type Identity } from "./identity.ts";
import { kubeconfigText, type ServedMoment } from "./kubeconfig.ts";
import { type HistoryOptions, openHistory, upTo } from "./open-history.ts";
import { createWorlds, type Worlds } from "./worlds.ts";

export interface ServeOptions extends HistoryOptions {
  readonly atRevision?: number;
  readonly host: string;
  readonly port: number;
  readonly showSecrets: boolean;
  /** Where to write the kubeconfig; a temporary file unless given. */
  readonly kubeconfig?: string;
  readonly now: () => number;
  /** Puts what users type in place of the names of inputs in texts. */
  readonly inUserTerms: (text: string) => string;
}

export interface Serving {
  /** Such as `https://127.0.0.1:40123`. */
  readonly server: string;
  /** The page, with the token that it takes once. */
  readonly page: string;
  readonly kubeconfig: string;
  readonly contexts: readonly string[];
  readonly revision: number;
  readonly firstRevision: number;
  readonly lastRevision: number;
  readonly kubernetesVersion: string | undefined;
  /** What was found wrong with the file while it was read. */
  readonly findings: Snapshot["findings"];
  close(): Promise<void>;
}

/** Moments that get a context of their own, where the history reaches back that far. */
const SPANS = ["1m", "10m", "1h", "1d"];

/** Opens the snapshot and listens. Whoever calls closes it. */
export async function startServing(path: string, options: ServeOptions): Promise<Serving> {
  const { host, now } = options;
  const snapshot = await openSnapshot(path, options);
  try {
    const opening = openHistory(snapshot, options);
    opening.catch(() => {}); // awaited next
    const identity = await createIdentity(host, now()); // while threads read the file
    const { history: whole, prefix, timeline } = await opening;
    const revision = options.atRevision ?? whole.lastRevision;
    checkRevision(revision, whole, path);
    const history = upTo(whole, revision);
    const name = contextName(path);
    const description = `a backup (${basename(path)})`;
    const encryption = loadEncryptionConfig(options.encryptionConfig);
    const verify: BackupOptions["verify"] = (signal, onProgress) =>
      verifySnapshot(path, {
        ...options,
        ...(encryption === undefined ? {} : { encryption }),
        etcdPrefix: prefix,
        signal,
        sparesCaller: true, // this thread answers requests
        progress: ({ done, total }) => onProgress(total === undefined || total === 0 ? 0 : done / total),
      });
    const { moments, encryptionConfig, etcdPrefix } = options;
    const facts = watchBackup(snapshot, {
      path,
      now: now(),
      lastRevision: whole.lastRevision,
      reading: { directory: moments?.cwd ?? "", encryptionConfig, etcdPrefix, identity: moments?.identityFile },
      verify,
    });
    const { showSecrets } = options;
    let contents: RunningContentIndex | undefined;
    const worlds = createWorlds({
      history,
      prefix,
      showSecrets,
      description,
      now,
      backup: facts.read,
      inUserTerms: options.inUserTerms,
      startContents: () => (contents ??= startContentIndex(snapshot, timeline)),
    });
    const close = async () => {
      await contents?.stop();
      await facts.stop();
      snapshot[Symbol.dispose]();
    };
    return { ...(await open(identity, worlds, revision, name, options, close)), findings: snapshot.findings };
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

async function open(
  identity: Identity,
  worlds: Worlds,
  revision: number,
  name: string,
  options: ServeOptions,
  closeBackup: () => Promise<void>,
): Promise<Omit<Serving, "findings">> {
  const { host } = options;
  const { history } = worlds;
  const handling = { worlds, revision, token: identity.token, name };
  const listening = await listen({
    host,
    port: options.port,
    certificatePem: identity.certificatePem,
    privateKeyPem: identity.privateKeyPem,
    handle: createHandler(handling),
    upgrade: createUpgrade(handling),
  });
  const address = `${clientHost(host)}:${listening.port}`;
  const server = `https://${address}`;
  const moments = servedMoments(worlds, revision, name);
  try {
    const file = writeKubeconfig(kubeconfigText(server, identity, moments), options.kubeconfig);
    return {
      server,
      page: `${isLoopback(host) ? "http" : "https"}://${address}/ui/?token=${identity.token}`,
      kubeconfig: file.path,
      contexts: moments.map((moment) => moment.name),
      revision,
      firstRevision: history.firstRevision,
      lastRevision: history.lastRevision,
      kubernetesVersion: worlds.at(revision).version,
      async close() {
        file.remove();
        await listening.close();
        await closeBackup();
      },
    };
  } catch (error) {
    await listening.close();
    throw error;
  }
}

/** What clients on this machine dial where a server listens on all addresses. */
function clientHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host.includes(":") ? `[${host === "::" ? "::1" : host}]` : host;
}

function checkRevision(revision: number, { firstRevision, lastRevision }: KeyspaceHistory, where: string): void {
  const hint = `the backup holds revisions ${firstRevision} to ${lastRevision}`;
  if (revision > lastRevision)
    throw new MendError("revision-in-future", `revision ${revision} is not in the backup yet`, { where, hint });
  if (revision < firstRevision)
    throw new MendError("revision-compacted", `revision ${revision} was compacted away`, { where, hint });
}

/** The file's name, without what says that it is a backup. */
function contextName(path: string): string {
  const name = basename(path)
    .replace(/\.(gz|zst|zip|tgz|tar)$/i, "")
    .replace(/\.(db|snap|snapshot|bak)$/i, "");
  return name.replace(/[^A-Za-z0-9._-]/g, "-") || "backup";
}

function servedMoments(worlds: Worlds, revision: number, name: string): readonly ServedMoment[] {
  const { history } = worlds;
  const moments: ServedMoment[] = [{ name, path: "" }];
  const clock = worlds.clock();
  const end = clock.timeOf(revision);
  if (end === undefined) return moments;
  for (const span of SPANS) {
    const at = clock.revisionAt(end - defined(parseSpan(span)));
    if (at === undefined || at < history.firstRevision || at >= revision) continue;
    moments.push({ name: `${name}@${span}`, path: `/at/${at}` });
  }
  return moments;
}
