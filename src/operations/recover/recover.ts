/**
 * `recover`: from a backup of etcd, a live etcd or an API server to an asset dir that brings the control plane back.
 * The steps are in the order of `recoverControlPlane`; after the reading none of them knows where the objects came
 * from.
 */

import { realpath } from "node:fs/promises";
import { sep } from "node:path";
import { stringify } from "yaml";
import { type Rendering, renderBootstrap } from "../../bootstrap/render.ts";
import type { ControlPlane } from "../../controlplane/flavours/flavours.ts";
import { selectControlPlane } from "../../controlplane/select.ts";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { filesBeside, readKubeconfigFiles } from "../../io/api-server/kubeconfig.ts";
import { chooseContext, oneContext } from "../../io/api-server/kubeconfig-file.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import {
  checkAssetDir,
  type WriteAssetsOptions,
  type WrittenAssets,
  writeAssets,
} from "../../io/files/write-assets.ts";
import { type ClusterFlags, chooseKubeconfigs } from "../cluster-access/open-cluster.ts";
import type { RecoverySource, SourceChoice, SourceOptions, SourceReading } from "./recovery-source.ts";

/** Paths are absolute. */
export interface RecoverOptions extends SourceOptions {
  readonly source: SourceChoice;
  readonly recoveryDir: string;
  /** What the recovered control plane is reached with, where it was given. */
  readonly kubeconfig?: ClusterFlags | undefined;
  /** Write what can be recovered although the control plane needs more, or the snapshot is damaged. */
  readonly allowMissing: boolean;
  readonly force: boolean;
  /** When this run began, in milliseconds since the epoch. */
  readonly startedAt?: number | undefined;
  /** Render, and write nothing. */
  readonly dryRun: boolean;
}

export interface Recovery {
  readonly source: RecoverySource;
  readonly plane: ControlPlane;
  readonly rendering: Rendering;
  /** Undefined for a dry run. */
  readonly written: WrittenAssets | undefined;
  readonly findings: readonly Finding[];
}

const COMMAND = "recover";

export async function recoverControlPlane(options: RecoverOptions): Promise<Recovery> {
  const target: WriteAssetsOptions = {
    command: COMMAND,
    force: options.force,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.startedAt === undefined ? {} : { startedAt: options.startedAt }),
  };
  const kubeconfigs = options.kubeconfig === undefined ? [] : (chooseKubeconfigs(options.kubeconfig) ?? []);
  await checkInputsOutside(options, kubeconfigs);
  checkAssetDir(options.recoveryDir, target);
  const content = readKubeconfigText(kubeconfigs, options.kubeconfig?.context);

  using reading = await readSource(options);
  const { objects, sealed, podCount } = reading.found;
  const notFoundHint =
    reading.source.kind === "api-server"
      ? `check that this is the right cluster, or say where the components live with ${input("namespace")}`
      : undefined;
  const plane = selectControlPlane(objects, { namespace: options.namespace, sealed, podCount, notFoundHint });
  refuseDamage(reading, options);
  refuseMissing(plane, reading, options);

  const backup = plane.etcd === undefined ? undefined : reading.backupFor?.(plane.etcd);
  const kubeconfig = content === undefined ? undefined : new TextEncoder().encode(content);
  const rendering = renderBootstrap(plane, { kubeconfig, etcdBackup: backup?.backup });
  const assets = [...rendering.assets, ...(backup?.copy === undefined ? [] : [backup.copy])];
  const all = { ...rendering, assets: assets.sort((a, b) => (a.path < b.path ? -1 : 1)) };
  const written = options.dryRun ? undefined : await writeAssets(options.recoveryDir, all.assets, target);
  const findings = [
    ...reading.findings(),
    ...plane.findings,
    ...rendering.findings,
    ...kubeconfigFindings(content ?? ""),
  ];
  return { source: reading.source, plane, rendering: all, written, findings };
}

/** One file goes into the assets as it is; of several, what the context needs. Undefined where there is none. */
function readKubeconfigText(paths: readonly string[], context: string | undefined): string | undefined {
  if (paths.length < 2) return paths[0] === undefined ? undefined : readTextFile(paths[0]);
  const merged = readKubeconfigFiles(paths);
  return stringify(oneContext(merged, chooseContext(merged, context)));
}

function kubeconfigFindings(content: string): Finding[] {
  const files = filesBeside(content);
  if (files.length === 0) return [];
  const text = `names files beside it, which are not copied along: ${files.join(", ")}`;
  return [{ level: "warning", code: "kubeconfig-names-files", where: "auth/kubeconfig", text }];
}

/** Each source's code is loaded when it is asked for. */
async function readSource(options: RecoverOptions): Promise<SourceReading> {
  const { source } = options;
  switch (source.kind) {
    case "backup":
      return (await import("./read-backup.ts")).readBackup(source.path, options.recoveryDir, options);
    case "etcd":
      return (await import("./read-live-etcd.ts")).readLiveEtcd(source.access, options);
    case "api-server":
      return (await import("./read-api-server.ts")).readApiServer(source.cluster, options);
  }
}

/** An input inside the directory that is about to be replaced would be lost with it. */
async function checkInputsOutside(options: RecoverOptions, kubeconfigs: readonly string[]): Promise<void> {
  const directory = await resolved(options.recoveryDir);
  for (const path of [...inputsOf(options.source), ...kubeconfigs, options.encryptionConfig]) {
    if (path === undefined || !(await resolved(path)).startsWith(directory + sep)) continue;
    throw new MendError("usage", `"${path}" lies inside the recovery dir "${options.recoveryDir}"`, {
      hint: `copy it somewhere else, or choose another ${input("recoveryDir")}`,
    });
  }
}

function inputsOf(source: SourceChoice): readonly (string | undefined)[] {
  if (source.kind === "backup") return [source.path];
  return source.kind === "etcd" ? [source.access.cacert, source.access.cert, source.access.key] : [];
}

async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path; // Not there: whoever opens it will say so.
  }
}

/** How a source is called in a sentence, where it is, and what to try when it does not hold what is needed. */
const SOURCES = {
  backup: [
    "snapshot",
    `try an older snapshot or ${input("atRevision")}, or pass ${input("allowMissing")} to recover the rest`,
  ],
  etcd: [
    "etcd",
    `try an earlier ${input("atRevision")} or a backup, or pass ${input("allowMissing")} to recover the rest`,
  ],
  "api-server": [
    "API server",
    `try a backup with ${input("etcdBackupFile")}, or pass ${input("allowMissing")} to recover the rest`,
  ],
} as const;

function placeOf(source: RecoverySource): string {
  return source.kind === "backup" ? source.path : source.kind === "etcd" ? source.endpoint : source.server;
}

function refuseDamage({ findings, source }: SourceReading, options: RecoverOptions): void {
  const errors = findings().filter((finding) => finding.level === "error");
  if (errors.length === 0 || options.allowMissing) return;
  const [first] = errors;
  const [name] = SOURCES[source.kind];
  const verify =
    source.kind === "backup" ? "see all of it with snapshot verify and try another backup" : "try a backup";
  throw new MendError(
    "snapshot-damaged",
    `the ${name} is damaged in ${errors.length} places, first at ${defined(first).where}: ${defined(first).text}`,
    { where: placeOf(source), hint: `${verify}; ${input("allowMissing")} recovers what can be read` },
  );
}

/** Everything that is missing, at once. Keys that were not given come first: with them the rest may be there. */
function refuseMissing(plane: ControlPlane, { source }: SourceReading, options: RecoverOptions): void {
  const { missing } = plane;
  if (missing.length === 0 || options.allowMissing) return;
  const list = missing.map((each) => `\n  ${each.text}`).join("");
  const encrypted = missing.filter((each) => each.reason === "encrypted").length;
  const where = placeOf(source);
  if (encrypted > 0) {
    throw new MendError(
      "encryption-key-missing",
      `the control plane needs ${encrypted} objects that are encrypted${list}`,
      {
        where,
        hint: `pass the API server's EncryptionConfiguration, with these keys, as ${input("encryptionConfig")}`,
      },
    );
  }
  const [name, hint] = SOURCES[source.kind];
  throw new MendError(
    "control-plane-incomplete",
    `the control plane needs ${missing.length === 1 ? "something" : `${missing.length} things`} that this ${name} does not hold${list}`,
    { where, hint },
  );
}
