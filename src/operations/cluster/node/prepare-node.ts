/**
 * Gives this node the files that its control plane needs and that are missing: those that were sent, and what the
 * authorities make whose keys are there. What was there before is kept with the operation, and noted before anything is
 * written.
 */

import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { stringify } from "yaml";
import { SHARED_FILES } from "../../../certificates/kubeadm-certs.ts";
import type { BackupIdentity } from "../../../cluster/backup-facts.ts";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { KUBELET_CONFIGURATION, KUBERNETES } from "../../../cluster/node-needs.ts";
import { writeStaged } from "../../../io/agent/write-staged.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { findRuntimeEndpoint } from "../../../io/node/container-runtime.ts";
import { hasKubeletUnit, restartKubelet } from "../../../io/node/kubelet-service.ts";
import { findKubelet } from "../../../io/node/local-node.ts";
import { newOwner } from "../../../io/node/own-identity.ts";
import { objectOf, textOf } from "../../../kube/fields.ts";
import type { JsonObject } from "../../../kube/object.ts";
import { readYaml } from "../../../kube/read-yaml.ts";
import { issueCertificates } from "../../certificate/issue-certificates.ts";
import { operationDirectory, writeJournal } from "./journal.ts";

/** A file as it travels; `content` in base64. */
export interface SentFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface PrepareRequest {
  readonly id: string;
  readonly files: readonly SentFile[];
  /** For whom certificates are made. */
  readonly identity: BackupIdentity;
  /** Whether any are to be made or renewed. */
  readonly issue: boolean;
}

interface PrepareOptions {
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
  readonly now: number;
  /** Where kubeadm's files and the kubelet's are; another place for tests. */
  readonly kubernetesDir?: string;
  readonly kubeletDir?: string;
  /** Where journals are. */
  readonly root?: string;
}

const KUBELET = "/var/lib/kubelet";
const KUBELET_FLAGS = "/var/lib/kubelet/kubeadm-flags.env";
const DAYS = 365;
/** A certificate that is there stays, whoever signed it, unless it is over or its key is gone. */
const MADE = ["missing", "key-missing", "expired"] as const;
/** Since then the kubelet's configuration says where the runtime listens. */
const ENDPOINT_IN_CONFIGURATION_SINCE = 27;

export async function prepareNode(
  journal: NodeJournal,
  { files, identity, issue: isToIssue }: PrepareRequest,
  options: PrepareOptions,
): Promise<NodeJournal> {
  const { report, signal, kubernetesDir = KUBERNETES, kubeletDir = KUBELET, root } = options;
  let noted = journal;
  const place = async (file: SentFile): Promise<void> => {
    if (existsSync(file.path)) return; // placed by a run that was cut off, or it has come meanwhile
    noted = await note(noted, [file.path], root);
    await writeSent(file);
  };
  for (const file of files) await place(ownKubelet(file, identity));
  const isOwn = files.some(({ path }) => path === KUBELET_CONFIGURATION) && !existsSync(KUBELET_FLAGS);
  if (isOwn) await place(kubeletFlags(identity));

  const issue = {
    ...{ kubernetesDir, kubeletDir, names: [], given: identity, days: DAYS, states: MADE, now: options.now },
  };
  const planned = isToIssue ? (await issueCertificates({ ...issue, dryRun: true })).issued : [];
  noted = await note(
    noted,
    planned.map(({ file }) => file),
    root,
  );
  const issued = isToIssue ? (await issueCertificates({ ...issue, dryRun: false })).issued : [];
  if (files.length > 0) report(`placed ${files.map(({ path }) => path).join(", ")}`);
  if (issued.length > 0) report(`made ${[...new Set(issued.map(({ name }) => name))].join(", ")}`);
  noted = await writeJournal({ ...noted, state: "prepared", made: noted.made.map(withHash) }, root);

  const concernsKubelet = noted.made.some(
    ({ path }) => path.startsWith(kubeletDir) || basename(path) === "kubelet.conf",
  );
  const isDown = findKubelet() === undefined;
  if (isDown ? await hasKubeletUnit() : concernsKubelet) {
    report(`${isDown ? "starting" : "restarting"} the kubelet`);
    await restartKubelet(join(operationDirectory(journal.id, root), "kubelet.log"), signal);
  }
  return noted;
}

/**
 * What {@link prepareNode} made stays beside its place, under a name that ends in the operation's, and what was there
 * before comes back from its copy. A file that has changed since stays. Copied, not moved: the two places may be on
 * different file systems.
 */
export async function takeFilesBack({ id, made }: NodeJournal, report: (text: string) => void): Promise<void> {
  for (const { path, kept, sha256 } of [...made].reverse()) {
    realFileSystem.remove(draftOf(path)); // of a run that was killed while it wrote
    const isThere = existsSync(path);
    if (isThere && kept !== null && hashOf(path) === hashOf(kept)) continue; // it is back already
    if (isThere && sha256 !== null && hashOf(path) !== sha256) {
      report(`${path} has changed since, and stays`);
      continue;
    }
    if (isThere) realFileSystem.rename(path, `${path}.undone-${id}`);
    if (kept !== null) await copyFile(kept, path);
    realFileSystem.syncDirectory(dirname(path));
  }
}

/** With its mode and owner; whole, or not at all. */
async function copyFile(from: string, to: string): Promise<void> {
  const { uid, gid, mode } = statSync(from);
  const draft = draftOf(to);
  realFileSystem.remove(draft);
  const owner = { mode: mode & 0o7777, ...newOwner({ uid, gid }) };
  await writeStaged(realFileSystem, draft, { path: to, bytes: readFileSync(from), ...owner });
}

/** Of the files that all control-plane nodes share, those that are asked for. */
export function readShared(paths: readonly string[]): SentFile[] {
  const shared = SHARED_FILES.map((file) => join(KUBERNETES, "pki", file));
  return paths
    .filter((path) => shared.includes(path) && existsSync(path))
    .map((path) => ({ path, content: readFileSync(path).toString("base64"), mode: sharedMode(path), uid: 0, gid: 0 }));
}

/** As kubeadm writes them. */
export function sharedMode(path: string): number {
  return path.endsWith(".crt") ? 0o644 : 0o600;
}

/** Keeps what is there now, before it is replaced. What was noted first counts. */
async function note(journal: NodeJournal, paths: readonly string[], root?: string): Promise<NodeJournal> {
  const fresh = [...new Set(paths)].filter((path) => !journal.made.some((each) => each.path === path));
  if (fresh.length === 0) return journal;
  const directory = join(operationDirectory(journal.id, root), "files");
  realFileSystem.makeDirectory(directory, 0o700);
  const made = [...journal.made];
  for (const path of fresh) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    const kept = stat === undefined ? null : join(directory, `${made.length}-${basename(path)}`);
    if (kept !== null && stat !== undefined) {
      const { uid, gid, mode } = stat;
      realFileSystem.remove(`${kept}.draft`);
      const owner = { mode: mode & 0o7777, ...newOwner({ uid, gid }) };
      await writeStaged(realFileSystem, `${kept}.draft`, { path: kept, bytes: readFileSync(path), ...owner });
    }
    made.push({ path, kept, sha256: null });
  }
  return writeJournal({ ...journal, made }, root);
}

async function writeSent({ path, content, mode, uid, gid }: SentFile): Promise<void> {
  if (!existsSync(dirname(path))) realFileSystem.makeDirectory(dirname(path), 0o755);
  const draft = draftOf(path);
  realFileSystem.remove(draft);
  const bytes = Buffer.from(content, "base64");
  await writeStaged(realFileSystem, draft, { path, bytes, mode, ...newOwner({ uid, gid }) });
}

function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.kubemend`);
}

/** The common configuration leaves to each node where its container runtime listens. */
function ownKubelet(file: SentFile, { minor = 0 }: BackupIdentity): SentFile {
  if (file.path !== KUBELET_CONFIGURATION || minor < ENDPOINT_IN_CONFIGURATION_SINCE) return file;
  const config = objectOf(readYaml(Buffer.from(file.content, "base64").toString()) as JsonObject);
  const endpoint = findRuntimeEndpoint(undefined);
  if (textOf(config.containerRuntimeEndpoint) !== "" || endpoint === undefined) return file;
  const text = stringify({ ...config, containerRuntimeEndpoint: endpoint }, { lineWidth: 0 });
  return { ...file, content: Buffer.from(text).toString("base64") };
}

function kubeletFlags({ node, minor = 0 }: BackupIdentity): SentFile {
  const endpoint = findRuntimeEndpoint(undefined);
  const words = [
    ...(minor < ENDPOINT_IN_CONFIGURATION_SINCE && endpoint !== undefined
      ? ["--container-runtime=remote", `--container-runtime-endpoint=${endpoint}`]
      : []),
    ...(node === undefined || node === hostname().toLowerCase() ? [] : [`--hostname-override=${node}`]),
  ];
  const text = `KUBELET_KUBEADM_ARGS="${words.join(" ")}"\n`;
  return { path: KUBELET_FLAGS, content: Buffer.from(text).toString("base64"), mode: 0o644, uid: 0, gid: 0 };
}

function withHash(made: NodeJournal["made"][number]): NodeJournal["made"][number] {
  return { ...made, sha256: existsSync(made.path) ? hashOf(made.path) : null };
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
