/**
 * `node clean`: the runbook "cleaning up Kubernetes resources" on this machine. Everything is moved to a directory of
 * its own, which tells what happened and from which `undo-clean.ts` brings it back. Each step finds what is done
 * already, so that a run that was killed is finished by the next one.
 */

import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { type FileSystem, realFileSystem } from "../../io/files/durable/file-system.ts";
import { finishMove, isSameTree, isThere, moveAside } from "../../io/files/move-aside.ts";
import { checkSpace, lockCleaning, removeUnbegun, saveRecord } from "../../io/node/clean-directory.ts";
import type { NodeContainer, NodeContainers } from "../../io/node/containers.ts";
import { assertKubeletStopped, startKubelet, stopKubelet } from "../../io/node/kubelet-service.ts";
import { findKubelet } from "../../io/node/local-node.ts";
import { assertNothingMounted, unmountBelow } from "../../io/node/unmount.ts";
import { type CleanPlan, type CleanStep, type CleanStepName, planClean } from "../../nodes/clean-plan.ts";
import { type CleanMove, type CleanRecord, type EtcdBackup, RECORD_NAME } from "../../nodes/clean-record.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { archiveLogs } from "./archive-logs.ts";
import { backUpEtcd } from "./back-up-etcd.ts";
import { databasesIn, entriesOf } from "./clean-places.ts";
import { type CleanLocations, type NodeSurvey, surveyNode } from "./survey-node.ts";

export interface CleanOptions extends CleanLocations {
  /** Milliseconds since 1970, for the name of the directory. */
  readonly time: number;
  /** What was moved is deleted at the end; logs and etcd's backup stay. */
  readonly purge: boolean;
  readonly startKubelet: boolean;
  /** Goes on with an etcd database that does not verify; it is kept as it is. */
  readonly allowDamagedEtcd: boolean;
  /** What a container gets to end by itself. */
  readonly graceSeconds: number;
  readonly signal: AbortSignal;
  readonly report: (text: string) => void;
  readonly progress: ProgressSink;
  readonly fileSystem?: FileSystem;
}

export interface PreparedClean {
  readonly plan: CleanPlan;
  /** Whether an earlier run had begun this one. */
  readonly resumes: boolean;
  run(): Promise<CleanResult>;
  close(): void;
}

export interface CleanResult {
  readonly host: string;
  readonly directory: string;
  readonly steps: readonly CleanStepName[];
  /** The archive of the logs, or null where there were none. */
  readonly logs: string | null;
  readonly backups: readonly EtcdBackup[];
  readonly containers: readonly string[];
  readonly moves: readonly CleanMove[];
  readonly purged: boolean;
  /** The process that was started at the end, or null. */
  readonly kubelet: number | null;
}

/** How many containers are asked to end at a time. */
const AT_A_TIME = 8;

/** Looks at the node and plans. Nothing is changed until `run`. Throws what is in the way. */
export async function prepareClean(options: CleanOptions): Promise<PreparedClean> {
  const survey = await surveyNode(options.time, options, options.signal);
  const { directory, facts, resumes, containers } = survey;
  const { purge } = options;
  const plan = planClean(facts, { purge, startKubelet: options.startKubelet }, directory.path, (path) =>
    isElsewhere(path, directory.path),
  );
  return { plan, resumes, run: () => runClean(survey, plan, options), close: () => containers?.close() };
}

async function runClean(survey: NodeSurvey, plan: CleanPlan, options: CleanOptions): Promise<CleanResult> {
  const { directory } = survey;
  const { record } = directory;
  const fs = options.fileSystem ?? realFileSystem;
  checkSpace(directory.path, plan.needs);
  const isWork = plan.steps.length > 0 || survey.resumes;
  const lock = lockCleaning(fs, join(directory.path, ".."));
  let kubelet: number | null = null;
  try {
    removeUnbegun(fs, dirname(directory.path));
    if (isWork) await saveRecord(fs, directory);
    for (const { from, to } of record.moves) finishMove(fs, from, to);
    for (const step of plan.steps) {
      options.signal.throwIfAborted();
      const started = await doStep(step, survey, fs, options);
      if (started !== undefined) kubelet = started;
    }
    if (isWork) {
      record.state = "done";
      await saveRecord(fs, directory);
    }
  } catch (error) {
    reportState(survey, options);
    throw error;
  } finally {
    lock[Symbol.dispose]();
  }
  return {
    host: record.host,
    directory: directory.path,
    steps: plan.steps.map(({ step }) => step),
    logs: record.logs?.archive ?? null,
    backups: record.backups,
    containers: record.containers,
    moves: record.moves,
    purged: record.purged,
    kubelet,
  };
}

/** Returns the kubelet's process id from the step that starts it. */
async function doStep(
  step: CleanStep,
  survey: NodeSurvey,
  fs: FileSystem,
  options: CleanOptions,
): Promise<number | undefined> {
  const { directory, containers, kubelet } = survey;
  const { path, record } = directory;
  const { report, signal } = options;
  if (step.step !== "archive-logs" && step.step !== "stop-kubelet" && step.step !== "start-kubelet") {
    assertKubeletStopped();
  }
  switch (step.step) {
    case "archive-logs":
      record.logs = await archiveLogs(fs, survey.logs, step.to, options);
      await saveRecord(fs, directory);
      report(`archived ${record.logs.files} container logs to "${step.to}"`);
      return undefined;
    case "stop-kubelet":
      await stopKubelet(defined(kubelet), signal);
      report(`stopped the kubelet (${step.kubelet})`);
      return undefined;
    case "stop-containers": {
      const running = (await defined(containers).list()).filter((each) => each.running);
      await each(running, signal, (one) => defined(containers).stop(one, options.graceSeconds));
      report(`stopped ${count(running.filter(({ sandbox }) => !sandbox).length, "container")} of ${step.runtime}`);
      return undefined;
    }
    case "back-up-etcd":
      for (const database of record.places.etcd.flatMap((found) => databasesIn(found.directory))) {
        if (!step.database.split(", ").includes(database)) continue;
        const backup = await backUpEtcd(fs, database, join(path, "etcd-backup"), record.backups, options);
        record.backups = [...record.backups.filter(({ file }) => file !== backup.file), backup];
        await saveRecord(fs, directory);
        report(
          `backed up "${database}" to "${backup.file}": revision ${backup.revision}, ${count(backup.objects, "object")}`,
        );
      }
      return undefined;
    case "remove-containers": {
      const list = await defined(containers).list();
      const titles = list.filter(({ sandbox }) => !sandbox).map(({ title }) => title);
      record.containers = [...new Set([...record.containers, ...titles])].sort();
      await saveRecord(fs, directory);
      await each(list, signal, (one) => defined(containers).remove(one));
      report(`removed ${count(titles.length, "container")} of ${count(list.length - titles.length, "pod")}`);
      return undefined;
    }
    case "move-manifests":
      await move(survey, fs, "manifests", record.places.manifests, "manifests", true, options);
      report(`moved ${count(step.entries, "static pod manifest")} out of "${step.directory}"`);
      return undefined;
    case "move-pods": {
      const unmounted = await unmountBelow(record.places.pods, signal);
      if (unmounted > 0) report(`unmounted ${count(unmounted, "volume")} of pods`);
      await move(survey, fs, "pods", record.places.pods, "pods", true, options);
      report(`moved the state of ${count(step.entries, "pod")} out of "${step.directory}"`);
      return undefined;
    }
    case "move-etcd": {
      const at = record.places.etcd.findIndex((found) => found.directory === step.directory);
      checkBackedUp(record, step.directory);
      await move(survey, fs, "etcd", step.directory, `etcd-${at}`, defined(record.places.etcd[at]).whole, options);
      report(`moved etcd's data out of "${step.directory}"`);
      return undefined;
    }
    case "purge":
      assertNothingMounted(join(path, "moved"), true);
      record.purged = true;
      await saveRecord(fs, directory);
      fs.remove(join(path, "moved"));
      report("deleted what was moved");
      return undefined;
    case "start-kubelet": {
      const pid = await startKubelet(defined(record.kubelet ?? undefined), join(path, "kubelet.log"));
      report(`started the kubelet (process ${pid})`);
      return pid;
    }
  }
}

/** Moves the entries of a directory. What will be where is on the disk before the first is moved. */
async function move(
  { directory }: NodeSurvey,
  fs: FileSystem,
  what: CleanMove["what"],
  from: string,
  name: string,
  whole: boolean,
  { signal }: CleanOptions,
): Promise<void> {
  const { path, record } = directory;
  const target = join(path, "moved", name);
  fs.makeDirectory(target, 0o700);
  for (const entry of entriesOf(from, whole))
    await planMove(record, what, join(from, entry), join(target, entry), signal);
  await saveRecord(fs, directory);
  for (const each of record.moves) {
    if (each.what !== what || join(each.from, "..") !== from) continue;
    signal.throwIfAborted();
    finishMove(fs, each.from, each.to);
    if (!isThere(each.from) && !isThere(each.to)) continue; // it went by itself, or was moved and taken away since
    if (isThere(each.from)) assertNothingMounted(each.from, true);
    if (isThere(each.from) && isThere(each.to) && !(await isSameTree(each.from, each.to, signal))) continue; // the next move takes it
    await moveAside(fs, each.from, each.to, signal);
  }
}

/** A name that an earlier run has moved, and that is there again with something else in it, gets a place of its own. */
async function planMove(
  record: CleanRecord,
  what: CleanMove["what"],
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  let place = to;
  for (let i = 2; ; i++) {
    const known = record.moves.some((each) => each.to === place);
    if (!known) break;
    if (!isThere(place) || (await isSameTree(from, place, signal))) return;
    place = `${to}~${i}`;
  }
  record.moves.push({ what, from, to: place });
}

function checkBackedUp(record: CleanRecord, directory: string): void {
  for (const database of databasesIn(directory)) {
    if (record.backups.some((backup) => backup.database === database)) continue;
    throw new MendError("data-dir-in-use", `"${database}" has appeared since the backup`, {
      where: database,
      hint: "end the etcd that writes it, then run this again",
    });
  }
}

/** All of them, and says how many they were. */
export async function stopAndRemove(
  containers: NodeContainers,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<string> {
  const list = await containers.list();
  await each(
    list.filter(({ running }) => running),
    signal,
    (one) => containers.stop(one, graceSeconds),
  );
  await each(list, signal, (one) => containers.remove(one));
  return `stopped and removed ${count(list.filter(({ sandbox }) => !sandbox).length, "container")} of ${containers.runtime}`;
}

/** Containers before the sandboxes that hold them, several at a time. */
async function each(
  list: readonly NodeContainer[],
  signal: AbortSignal,
  act: (one: NodeContainer) => Promise<void>,
): Promise<void> {
  for (const sandbox of [false, true]) {
    const pending = list.filter((one) => one.sandbox === sandbox);
    const worker = async (): Promise<void> => {
      for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
        signal.throwIfAborted();
        await act(one);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  }
}

function reportState({ directory }: NodeSurvey, { report }: CleanOptions): void {
  const { path, record } = directory;
  if (!isThere(join(path, RECORD_NAME))) return;
  const isStopped = record.kubelet !== null && findKubelet() === undefined;
  report(
    `not finished${isStopped ? ", and the kubelet is stopped" : ""}: kubemend node clean continues, kubemend ` +
      `node clean ${input("undo")} takes back what was moved`,
  );
}

function isElsewhere(a: string, b: string): boolean {
  return deviceOf(a) !== deviceOf(b);
}

/** Of the nearest parent that exists. */
function deviceOf(path: string): number {
  let there = path;
  while (!existsSync(there)) there = dirname(there);
  return statSync(there).dev;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
