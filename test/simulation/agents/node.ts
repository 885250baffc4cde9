/**
 * A simulated node: a kubelet that runs static pods from its directory and the pods that an API server gave it, and the
 * containers that it runs. All API servers of a node take the same port: a second one ends at once.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CHECKPOINT_OF_ANNOTATION } from "../../../src/checkpoint/checkpoint.ts";
import type { RuntimePod } from "../../../src/checkpoint/observe.ts";
import { staticPodNameOf } from "../../../src/checkpoint/parent.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import type { ClusterState } from "./cluster-state.ts";
import { Disk } from "./disk.ts";
import { virtualNow } from "./virtual-time.ts";

interface RunPod {
  readonly key: string;
  readonly pod: KubeObject;
  readonly isStatic: boolean;
  /** When its container runs; undefined between two attempts. */
  startedAt: number | undefined;
  attempt: number;
  nextAt: number;
}

/** From the start of its container until an API server serves, and how long it waits for etcd before it gives up. */
const SERVES_AFTER_MS = 8000;
const GIVES_UP_AFTER_MS = 40_000;
const BROKEN_ENDS_AFTER_MS = 3000;
const PORT_TAKEN_ENDS_AFTER_MS = 1500;
const FIRST_BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 300_000;

export class SimulatedNode {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  readonly disk: Disk;
  isUp = true;
  isCut = false;
  hasEtcd = true;
  hasKubelet = true;
  /** Whether the container runtime answers. */
  hasRuntime = true;
  /** What the node's wall clock is off by, in milliseconds. */
  clockOff = 0;
  readonly #cluster: ClusterState;
  #pods = new Map<string, RunPod>();
  /** What the kubelet has heard of an API server; nothing after it was started, until it hears something. */
  #heard: readonly KubeObject[] | undefined;
  readonly #keys = new WeakMap<KubeObject, string>();
  #read: { readonly changes: number; readonly pods: readonly KubeObject[] } | undefined;

  constructor(cluster: ClusterState, index: number, directory: string, disk = new Disk()) {
    this.#cluster = cluster;
    this.disk = disk;
    this.name = `m${index + 1}`;
    this.address = `10.0.0.${index + 1}`;
    this.directory = directory;
    mkdirSync(join(directory, "manifests"), { recursive: true });
  }

  loseMemory(): void {
    this.#pods.clear();
    this.#heard = undefined;
  }

  /** What runs at first: the kubelet has heard of its pods. */
  begin(): void {
    this.#heard = this.#cluster.objectsOn(this.name);
  }

  restartKubelet(): void {
    this.#heard = undefined;
  }

  loseDisk(): void {
    rmSync(this.directory, { recursive: true });
    mkdirSync(join(this.directory, "manifests"), { recursive: true });
  }

  manifests(): readonly KubeObject[] {
    if (this.#read?.changes !== this.disk.changes)
      this.#read = { changes: this.disk.changes, pods: this.#readManifests() };
    return this.#read.pods;
  }

  #readManifests(): KubeObject[] {
    const directory = join(this.directory, "manifests");
    const names = readdirSync(directory).filter((name) => !name.startsWith("."));
    return names.map((name) => JSON.parse(readFileSync(join(directory, name), "utf8")) as KubeObject);
  }

  runsApiServer(): boolean {
    return this.#running().some(({ startedAt = Infinity }) => virtualNow() - startedAt >= SERVES_AFTER_MS);
  }

  #running(): RunPod[] {
    return this.isUp ? [...this.#pods.values()].filter(({ startedAt }) => startedAt !== undefined) : [];
  }

  /** Once a second: the kubelet's loop, and what becomes of the containers. */
  tick(): void {
    if (!this.isUp) return;
    this.#endContainers();
    if (!this.hasKubelet || !this.hasRuntime) return;
    const api = this.#cluster.reachedFrom(this);
    if (api !== undefined) this.#heard = this.#cluster.objectsOn(this.name);
    const wanted = new Map<string, { readonly pod: KubeObject; readonly isStatic: boolean }>();
    for (const pod of this.manifests()) wanted.set(this.#keyOf(pod), { pod, isStatic: true });
    for (const pod of this.#heard ?? []) wanted.set(pod.metadata.uid ?? "", { pod, isStatic: false });
    for (const [key, { isStatic }] of this.#pods) {
      // What an API server gave stays until one has been heard again.
      if (!wanted.has(key) && (isStatic || this.#heard !== undefined)) this.#pods.delete(key);
    }
    for (const [key, { pod, isStatic }] of wanted) {
      const known = this.#pods.get(key) ?? {
        key,
        pod,
        isStatic,
        startedAt: undefined,
        attempt: 0,
        nextAt: virtualNow(),
      };
      this.#pods.set(key, known);
      if (known.startedAt !== undefined || virtualNow() < known.nextAt) continue;
      if (isStatic && !this.#hasVolumes(pod)) continue;
      known.startedAt = virtualNow();
      known.attempt++;
    }
    if (api === undefined) return;
    for (const { key, isStatic, startedAt, attempt } of this.#pods.values()) {
      if (isStatic) continue;
      const isReady = startedAt !== undefined && virtualNow() - startedAt >= SERVES_AFTER_MS;
      this.#cluster.report(key, isReady, Math.max(0, attempt - 1));
    }
  }

  /** A static pod is another one when anything in its manifest changes. */
  #keyOf(pod: KubeObject): string {
    const key = this.#keys.get(pod) ?? `static ${JSON.stringify(pod)}`;
    this.#keys.set(pod, key);
    return key;
  }

  /** Directories that a static pod mounts, as the kubelet asks for them before it starts a container. */
  #hasVolumes(pod: KubeObject): boolean {
    const { volumes = [] } = pod.spec as { volumes?: readonly { hostPath?: { path: string } }[] };
    return volumes.every(({ hostPath }) => hostPath === undefined || existsSync(hostPath.path));
  }

  #endContainers(): void {
    const [first] = this.#running().toSorted((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
    for (const run of this.#running()) {
      const age = virtualNow() - (run.startedAt ?? 0);
      const isBroken = isBrokenPod(run.pod);
      const endsAfter = isBroken ? BROKEN_ENDS_AFTER_MS : run !== first ? PORT_TAKEN_ENDS_AFTER_MS : Infinity;
      if (age >= endsAfter || (age >= GIVES_UP_AFTER_MS && !this.#cluster.hasQuorum(this))) this.#end(run);
    }
  }

  #end(run: RunPod): void {
    const ran = virtualNow() - (run.startedAt ?? 0);
    run.startedAt = undefined;
    const backoff = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(8, run.attempt - 1));
    if (ran > 2 * LONGEST_BACKOFF_MS) run.attempt = 1;
    run.nextAt = virtualNow() + (ran > 2 * LONGEST_BACKOFF_MS ? FIRST_BACKOFF_MS : backoff);
  }

  /** The process of some API server dies. */
  killContainer(): void {
    const [run] = this.#running();
    if (run !== undefined) this.#end(run);
  }

  /** As the container runtime lists them. */
  runtimePods(): RuntimePod[] {
    return [...this.#pods.values()].map(({ key, pod, isStatic, startedAt, attempt }) => {
      const { namespace = "", name, uid = key, labels = {}, annotations = {} } = pod.metadata;
      const id = `${isStatic ? annotations[CHECKPOINT_OF_ANNOTATION] : uid}-${attempt}`;
      return {
        namespace,
        name: isStatic ? staticPodNameOf(name, this.name) : name,
        uid: isStatic ? `static-${name}` : uid,
        ready: true,
        labels,
        annotations: isStatic ? { ...annotations, "kubernetes.io/config.source": "file" } : annotations,
        containers: attempt === 0 ? [] : [{ id, name: "kube-apiserver", attempt, running: startedAt !== undefined }],
      };
    });
  }
}

function isBrokenPod({ spec }: KubeObject): boolean {
  const { containers } = spec as { containers: readonly { image: string }[] };
  return containers.some(({ image }) => image.endsWith("-broken"));
}
