/**
 * What `node clean` is going to do on this node, as data: the steps of the runbook in their order, with their sizes.
 * Whatever there is nothing to do for is not in it.
 */

/** What was found on the node. Sizes are bytes. */
export interface CleanFacts {
  readonly host: string;
  /** How the kubelet runs, in words; undefined where it does not. */
  readonly kubelet: string | undefined;
  /** Whether it can be started: it runs, or an earlier run that did not end stopped it. */
  readonly kubeletStarts: string | undefined;
  readonly logs: FileSet & { readonly archived: boolean };
  /** The runtime's containers, sandboxes aside; undefined where no runtime was found. */
  readonly containers: ContainerFacts | undefined;
  readonly manifests: FileSet;
  readonly pods: FileSet & { readonly mounts: number };
  readonly etcd: readonly EtcdFacts[];
  /** What an earlier run that did not end has moved already. */
  readonly moved: FileSet;
}

export interface FileSet {
  readonly directory: string;
  /** Names in the directory. */
  readonly entries: number;
  readonly bytes: number;
}

export interface ContainerFacts {
  /** Such as `containerd v1.6.20`. */
  readonly runtime: string;
  readonly running: number;
  readonly containers: number;
  readonly pods: number;
}

export interface EtcdFacts extends FileSet {
  /** Whether it has a database that is not backed up yet, and how large that is. */
  readonly database: { readonly path: string; readonly bytes: number; readonly backedUp: boolean } | undefined;
}

export interface CleanChoices {
  readonly purge: boolean;
  /** Whether the kubelet is started again at the end. */
  readonly startKubelet: boolean;
}

export type CleanStep =
  | ({ readonly step: "archive-logs"; readonly to: string } & FileSet)
  | { readonly step: "stop-kubelet"; readonly kubelet: string }
  | { readonly step: "stop-containers"; readonly runtime: string; readonly running: number; readonly pods: number }
  | { readonly step: "back-up-etcd"; readonly database: string; readonly bytes: number }
  | { readonly step: "remove-containers"; readonly runtime: string; readonly containers: number; readonly pods: number }
  | ({ readonly step: "move-manifests" } & FileSet)
  | ({ readonly step: "move-pods"; readonly mounts: number } & FileSet)
  | ({ readonly step: "move-etcd" } & FileSet)
  | { readonly step: "purge"; readonly entries: number; readonly bytes: number }
  | { readonly step: "start-kubelet"; readonly kubelet: string };

export type CleanStepName = CleanStep["step"];

export interface CleanPlan {
  readonly host: string;
  /** Where everything goes. */
  readonly directory: string;
  readonly steps: readonly CleanStep[];
  /** Bytes that are written: the archive at most as large as the logs, the backup, and copies between file systems. */
  readonly needs: number;
}

/** The order is the runbook's, but that etcd is backed up once it has stopped, and before anything goes. */
export function planClean(
  facts: CleanFacts,
  choices: CleanChoices,
  directory: string,
  isElsewhere: (path: string) => boolean,
): CleanPlan {
  const { containers, logs, manifests, pods } = facts;
  const etcd = facts.etcd.filter(({ entries }) => entries > 0);
  const backups = etcd.flatMap(({ database }) => (database === undefined || database.backedUp ? [] : [database]));
  const moving: FileSet[] = [manifests, pods, ...etcd].filter(({ entries }) => entries > 0);
  const anyContainer = containers !== undefined && (containers.containers > 0 || containers.pods > 0);
  // Without these there is nothing to clean: a healthy kubelet is not stopped for a look at its logs.
  const anything = moving.length > 0 || anyContainer || facts.moved.entries > 0;
  const steps: CleanStep[] = [];
  if (anything) {
    if (!logs.archived && logs.entries > 0)
      steps.push({ step: "archive-logs", ...fileSet(logs), to: `${directory}/containerlogs.tgz` });
    if (facts.kubelet !== undefined) steps.push({ step: "stop-kubelet", kubelet: facts.kubelet });
    if (anyContainer) {
      const { runtime, running } = containers;
      if (running > 0) steps.push({ step: "stop-containers", runtime, running, pods: containers.pods });
    }
    for (const { path, bytes } of backups) steps.push({ step: "back-up-etcd", database: path, bytes });
    if (anyContainer) {
      const { runtime } = containers;
      steps.push({
        step: "remove-containers",
        runtime,
        containers: containers.containers,
        pods: containers.pods,
      });
    }
    if (manifests.entries > 0) steps.push({ step: "move-manifests", ...fileSet(manifests) });
    if (pods.entries > 0) steps.push({ step: "move-pods", ...fileSet(pods), mounts: pods.mounts });
    for (const each of etcd) steps.push({ step: "move-etcd", ...fileSet(each) });
    if (choices.purge) steps.push(purge([...moving, facts.moved]));
  }
  if (choices.startKubelet && facts.kubeletStarts !== undefined && (anything || facts.kubelet === undefined)) {
    steps.push({ step: "start-kubelet", kubelet: facts.kubeletStarts });
  }
  const written = moving.filter((each) => isElsewhere(each.directory)).map(({ bytes }) => bytes);
  const archive = steps.some(({ step }) => step === "archive-logs") ? logs.bytes : 0;
  const needs = [...written, ...backups.map(({ bytes }) => bytes), archive].reduce((sum, bytes) => sum + bytes, 0);
  return { host: facts.host, directory, steps, needs };
}

function fileSet({ directory, entries, bytes }: FileSet): FileSet {
  return { directory, entries, bytes };
}

function purge(sets: readonly FileSet[]): CleanStep {
  const sum = (of: (set: FileSet) => number): number => sets.reduce((all, set) => all + of(set), 0);
  return { step: "purge", entries: sum(({ entries }) => entries), bytes: sum(({ bytes }) => bytes) };
}
