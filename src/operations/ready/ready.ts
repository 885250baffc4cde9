/** `ready`: looks at the backups and at each control-plane node as the night would, before it comes. Changes nothing. */
import { existsSync, statfsSync } from "node:fs";
import { resolve } from "node:path";
import type { BackupFacts, NodeAgent, NodeReadiness, Readiness, ReadinessFacts } from "../../diagnosis/readiness.ts";
import { judgeReadiness } from "../../diagnosis/readiness.ts";
import { MendError } from "../../errors/errors.ts";
import { remoteFileSystem } from "../../io/files/durable/target.ts";
import { addressSource } from "../../io/network/address-source.ts";
import { CONTROL_PLANE_PATHS } from "../../io/node/control-plane-files.ts";
import { readContent } from "../../io/repository/repository.ts";
import { runRemote, type SshOptions } from "../../io/ssh/ssh.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { openForReading } from "../../snapshot/open-moment.ts";
import { listBackups } from "../backup/list.ts";
import { newerFiles } from "./newer-files.ts";

export interface ReadyOptions {
  readonly repository: string | undefined;
  readonly moments: MomentAccess;
  /** Addresses by the names of nodes; those whose files the repository holds where there is none, by their names. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly ssh: SshOptions;
  /** Words that run kubemend on a node. */
  readonly command: readonly string[];
  readonly limits: ReadinessFacts["limits"];
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What is wrong with the repository itself; else it could only not be reached now. */
const CERTAIN: ReadonlySet<string> = new Set(["repository-not-found", "repository-damaged", "identity-missing"]);
/** For one look at a node. */
const PROBE_MS = 30_000;
const MOST_LINES = 10_000;
/** Where a node is that must not be the only one with a backup of itself. */
const CONTROL_PLANE_FILE = "/etc/kubernetes/manifests/kube-apiserver.yaml";

export async function checkReadiness(options: ReadyOptions): Promise<Readiness> {
  const backup = await backupFacts(options);
  const named = [...options.nodes].map(([name, address]) => ({ name, address }));
  const known = backup === undefined || "error" in backup ? [] : backup.files.map(({ node }) => node);
  const targets = named.length > 0 ? named : known.map((name) => ({ name, address: name }));
  const files = backup === undefined || "error" in backup ? [] : backup.files;
  const keptAt = (name: string): number | undefined => files.find(({ node }) => node === name)?.time;
  const nodes = await Promise.all(targets.map((each) => askNode({ ...each, keptAt: keptAt(each.name) }, options)));
  options.signal.throwIfAborted();
  return judgeReadiness({ now: options.now(), backup, nodes, limits: options.limits });
}

async function backupFacts({ repository, moments }: ReadyOptions): Promise<ReadinessFacts["backup"]> {
  if (repository === undefined) return undefined;
  try {
    const list = await listBackups(repository, moments);
    const time = (text: string | null | undefined): number | null => (text ? Date.parse(text) : null);
    return {
      repository,
      place: placeOf(list.repository, moments.cwd),
      encrypted: list.encrypted,
      newest: time(list.spans.at(-1)?.toTime),
      verified: time(list.lastVerified),
      drilled: time(list.lastDrill),
      gaps: list.gaps.length,
      isEmpty: list.spans.length === 0,
      opens: await opens(repository, moments),
      files: list.nodes.map(({ node, time: since }) => ({ node, time: Date.parse(since) })),
    };
  } catch (error) {
    if (!(error instanceof MendError) || error.code === "internal") throw error;
    return { error: error.message, hint: error.hint, isCertain: CERTAIN.has(error.code) };
  }
}

function placeOf(url: string, cwd: string): BackupFacts["place"] {
  const isDirectory = !/^[a-z0-9]+:\/\//i.test(url) || url.startsWith("file://");
  if (!isDirectory) return "elsewhere";
  if (remoteFileSystem(statfsSync(resolve(cwd, url.replace(/^file:\/\//, ""))).type) !== undefined) return "elsewhere";
  return existsSync(CONTROL_PLANE_FILE) ? "here" : "unknown";
}

/** Whether the newest link can be read with the identity; undefined where there is none to try. */
async function opens(address: string, moments: MomentAccess): Promise<boolean | undefined> {
  const identity = moments.identityFile ?? moments.env.KUBEMEND_BACKUP_IDENTITY;
  if (identity === undefined || identity === "") return undefined;
  const { repository, links } = await openForReading(address, moments);
  try {
    const last = links.at(-1);
    if (last === undefined) return undefined;
    await readContent(repository, last);
    return true;
  } catch (error) {
    if (error instanceof MendError && error.code === "identity-missing") return false;
    throw error;
  } finally {
    await repository.store.close();
  }
}

async function askNode(
  { name, address, keptAt }: { readonly name: string; readonly address: string; readonly keptAt: number | undefined },
  { ssh, command, signal }: ReadyOptions,
): Promise<NodeReadiness> {
  const attempt = async (...words: readonly string[]): Promise<{ readonly text: string; readonly error?: string }> => {
    const lines: string[] = [];
    try {
      await runRemote(address, words, ssh, {
        input: [],
        output: (line) => void (lines.length < MOST_LINES && lines.push(line)),
        signal,
        timeoutMs: PROBE_MS,
      });
      return { text: lines.join("\n") };
    } catch (error) {
      if (!(error instanceof MendError) || (error.code !== "ssh-failed" && error.code !== "timeout")) throw error;
      return { text: lines.join("\n"), error: error.message };
    }
  };
  const node = {
    ...{ name, address, version: undefined, certificates: undefined, changedFiles: undefined, agent: undefined },
    addressBy: addressSource(address),
  };
  const { error: noAccess } = await attempt("true");
  if (noAccess !== undefined) return { ...node, reached: false, error: noAccess };
  const changes = keptAt === undefined ? undefined : await attempt("sh", "-c", newerFiles(CONTROL_PLANE_PATHS, keptAt));
  const changedFiles =
    changes?.error === undefined ? changes?.text.split("\n").filter((line) => line !== "") : undefined;
  const version = await attempt(...command, "--version");
  if (version.error !== undefined) return { ...node, changedFiles, reached: true, error: version.error };
  // It ends with 1 where one is troubled, and lists them all the same.
  const listed = await attempt(...command, "certificate", "list", "-o", "json");
  const agent = await attempt(...command, "checkpoint", "status", "-o", "json");
  return {
    ...node,
    changedFiles,
    agent: agentOf(agent.text),
    reached: true,
    error: undefined,
    version: version.text.trim(),
    certificates: troubledCertificates(listed.text),
  };
}

/** Undefined for what is no answer. */
function agentOf(text: string): NodeAgent | undefined {
  const { agent } = (parsed(text) ?? {}) as { agent?: { answers?: unknown; protects?: unknown } };
  if (agent?.answers === false) return "silent";
  if (agent?.answers !== true || agent.protects === undefined) return undefined;
  return agent.protects === "mend" ? "protects" : "runs";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined for what is no list. */
function troubledCertificates(text: string): readonly string[] | undefined {
  const { certificates } = (parsed(text) ?? {}) as { certificates?: unknown };
  if (!Array.isArray(certificates)) return undefined;
  return certificates.flatMap((each: { name?: unknown; state?: unknown }) =>
    each.state === "valid" ? [] : [`${String(each.name)} (${String(each.state)})`],
  );
}
