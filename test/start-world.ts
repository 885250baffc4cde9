/**
 * A machine and a cluster for `start`, without a kubelet: files are real, requests go over HTTP to a stand-in API
 * server, and what a kubelet and the controllers would do is done here as soon as the files or the objects say so. Real
 * ones are in `test/e2e/start.test.ts`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";
import { readYaml } from "../src/kube/read-yaml.ts";
import type { StartMachine } from "../src/operations/start/machine.ts";
import type { StartOptions } from "../src/operations/start/start-options.ts";
import { ApiServerStandIn, type StandInAnswer, type StandInRequest, status } from "./api-server-stand-in.ts";
import { node, object, workload } from "./cluster-objects.ts";

const COMPONENTS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
const LEADERS = ["kube-controller-manager", "kube-scheduler"];
export const NODE = "m1";
/**
 * The world's clock continues by this at each of its beats, so that waits of minutes end in a moment, and later where the
 * machine is slow.
 */
const BEAT_MS = 20;
const TIME_PER_BEAT_MS = 800;
const LEASE_MS = 15_000;

export interface StartWorldOptions {
  /** Objects that the cluster has when it comes up again, beside its nodes. */
  readonly objects?: readonly KubeObject[];
  /** Permanent components that never run. */
  readonly broken?: readonly string[];
  /** How long after the beginning the controllers make the permanent pods, by the world's clock. */
  readonly slowMs?: number;
  /** Asked before the cluster answers. */
  readonly answer?: (request: StandInRequest, world: StartWorld) => StandInAnswer | undefined;
  readonly machine?: Partial<StartMachine> | undefined;
  /** Whether an API server answers before the start. */
  readonly isUp?: boolean;
}

export class StartWorld {
  readonly story: string[] = [];
  readonly manifests: string;
  readonly secretsDir: string;
  readonly #directory: string;
  readonly #options: StartWorldOptions;
  /** When those who lead here renewed their leases last, by the world's clock. */
  readonly #renewed = new Map<string, number>();
  #server: ApiServerStandIn | undefined;
  #beat: NodeJS.Timeout | undefined;
  #beats = 0;

  private constructor(directory: string, options: StartWorldOptions) {
    this.#directory = directory;
    this.#options = options;
    this.manifests = join(directory, "manifests");
    this.secretsDir = join(directory, "kubernetes", "bootstrap-secrets");
  }

  static async open(directory: string, options: StartWorldOptions = {}): Promise<StartWorld> {
    const world = new StartWorld(directory, options);
    mkdirSync(world.manifests, { recursive: true });
    mkdirSync(join(directory, "kubernetes"), { recursive: true });
    world.#server = await ApiServerStandIn.start(directory, {
      version: "v1.30.2",
      objects: [
        { ...node(NODE), status: { conditions: [{ type: "Ready", status: "True" }] } },
        object("coordination.k8s.io/v1", "Lease", `kube-node-lease/${NODE}`),
        object("v1", "Namespace", "kube-system"),
        ...(options.objects ?? []),
      ],
      answer: (request) => options.answer?.(request, world) ?? world.#answer(request),
    });
    world.#writeAssets();
    world.#beat = setInterval(() => world.#live(), BEAT_MS);
    return world;
  }

  close(): void {
    clearInterval(this.#beat);
    this.server.close();
  }

  get server(): ApiServerStandIn {
    if (this.#server === undefined) throw new Error("the world is not open");
    return this.#server;
  }

  /** How long the world has been there, by its own clock. */
  get #age(): number {
    return this.#beats * TIME_PER_BEAT_MS;
  }

  readonly now = (): number => Date.UTC(2026, 10, 29) + this.#age;

  options(change: Partial<StartOptions> = {}): StartOptions {
    return {
      machine: this.machine,
      assetDir: join(this.#directory, "assets"),
      podManifestPath: this.manifests,
      secretsDir: this.secretsDir,
      requiredPods: undefined,
      strict: false,
      timeoutMs: 300_000,
      signal: AbortSignal.timeout(50_000),
      now: this.now,
      report: (text) => this.story.push(text),
      ...change,
    };
  }

  get machine(): StartMachine {
    return {
      hostname: NODE,
      findKubelet: () => ({
        pid: 1,
        nodeName: NODE,
        rootDirectory: "/var/lib/kubelet",
        staticPods: this.manifests,
        runtimeEndpoint: undefined,
      }),
      isSameDirectory: (a, b) => a === b,
      runningContainers: () => new Set([...this.#temporary(), ...this.#permanent()].map(containerId)),
      staticPodContainers: (_, mirrorPod) => [containerId(mirrorPod)],
      staticPodLog: () => ["serving"],
      podLog: () => undefined,
      hasLogged: (_, mirrorPod) => this.#temporary().includes(mirrorPod) && this.#leads(mirrorPod),
      programRuns: () => false,
      listenerOf: () => undefined,
      ownAddresses: () => new Set(["10.0.0.1"]),
      absentImages: async () => ["hyperkube:v1"],
      dials: async () => true,
      etcdPlaces: () => {
        throw new Error("these assets bring no etcd back");
      },
      ...this.#options.machine,
    };
  }

  #writeAssets(): void {
    const assets = join(this.#directory, "assets");
    for (const folder of ["auth", "bootstrap-manifests", "manifests", "tls"])
      mkdirSync(join(assets, folder), { recursive: true });
    writeFileSync(join(assets, "auth/kubeconfig"), readFileSync(this.server.kubeconfig));
    writeFileSync(join(assets, "tls/token.csv"), "secret\n");
    for (const component of COMPONENTS) {
      const { template } = workload(component).spec as { template: JsonObject };
      const pod = object("v1", "Pod", `kube-system/bootstrap-${component}`, { spec: template.spec });
      writeFileSync(join(assets, `bootstrap-manifests/bootstrap-${component}.json`), JSON.stringify(pod));
      writeFileSync(join(assets, `manifests/${component}.json`), JSON.stringify(workload(component)));
    }
  }

  /** The names of the mirror pods whose manifests the kubelet has. */
  #temporary(): string[] {
    return readdirSync(this.manifests)
      .filter((name) => !name.startsWith("."))
      .flatMap((name) => {
        const path = join(this.manifests, name);
        const pod = existsSync(path) ? (readYaml(readFileSync(path, "utf8")) as Partial<KubeObject> | null) : null;
        // The kubelet passes over a file that is no pod.
        return pod?.metadata === undefined ? [] : [`${pod.metadata.name}-${NODE}`];
      });
  }

  #permanent(): string[] {
    const { broken = [] } = this.#options;
    return COMPONENTS.filter((name) => this.#isWanted(name) && !broken.includes(name)).map((name) => `${name}-1`);
  }

  #isWanted(component: string): boolean {
    const kind = component === "kube-apiserver" ? "DaemonSet" : "Deployment";
    const found = this.server.get(kind, `kube-system/${component}`);
    const isTime = this.#age >= (this.#options.slowMs ?? 0);
    return isTime && found !== undefined && (found.spec as JsonObject).replicas !== 0;
  }

  #leads(holder: string): boolean {
    return LEADERS.some((name) => {
      const lease = this.server.get("Lease", `kube-system/${name}`);
      return (lease?.spec as JsonObject | undefined)?.holderIdentity === `${NODE}_${holder}`;
    });
  }

  /** What the kubelet, the controllers and the leaders do at every moment. */
  #live(): void {
    const { broken = [] } = this.#options;
    const renewTime = new Date(Date.now() + ++this.#beats).toISOString();
    this.server.put(object("coordination.k8s.io/v1", "Lease", `kube-node-lease/${NODE}`, { spec: { renewTime } }));
    for (const component of COMPONENTS) {
      const isThere = this.server.get("Pod", `kube-system/${component}-1`) !== undefined;
      if (this.#isWanted(component) && !isThere) this.server.put(runningPod(component, !broken.includes(component)));
    }
    for (const component of LEADERS) {
      const holder = [...this.#temporary(), ...this.#permanent()].find((name) => name.includes(component));
      const lease = this.server.get("Lease", `kube-system/${component}`);
      const held = (lease?.spec as JsonObject | undefined)?.holderIdentity;
      // The temporary one leads as long as it runs; whoever comes next waits until the lease is given up, or has run out.
      const isFree = typeof held !== "string" || this.#age - (this.#renewed.get(held) ?? this.#age) > LEASE_MS;
      if (holder === undefined || (held !== `${NODE}_${holder}` && !isFree)) continue;
      this.#renewed.set(`${NODE}_${holder}`, this.#age);
      const spec = { holderIdentity: `${NODE}_${holder}`, leaseDurationSeconds: 15, renewTime };
      this.server.put(object("coordination.k8s.io/v1", "Lease", `kube-system/${component}`, { spec }));
    }
  }

  #answer({ method, path, body }: StandInRequest): StandInAnswer | undefined {
    const isUp = this.#options.isUp === true || this.#temporary().length > 0 || this.#permanent().length > 0;
    if (!isUp) return status(503, "ServiceUnavailable", "nothing listens");
    if (path === "/readyz") return { status: 200, body: { ok: true } };
    if (path === "/apis/apps/v1") return { status: 200, body: resources("apps/v1", ["DaemonSet", "Deployment"]) };
    if (path === "/apis/coordination.k8s.io")
      return {
        status: 200,
        body: {
          kind: "APIGroup",
          name: "coordination.k8s.io",
          versions: [{ version: "v1", groupVersion: "coordination.k8s.io/v1" }],
        },
      };
    if (method !== "POST" || body === undefined || path.endsWith("reviews")) return undefined;
    const made = body as KubeObject;
    const place = `${made.metadata.namespace ?? "default"}/${made.metadata.name}`;
    if (this.server.get(made.kind, place) !== undefined) return status(409, "AlreadyExists", `${place} is there`);
    return { status: 201, body: this.server.put(made) };
  }
}

function resources(groupVersion: string, kinds: readonly string[]): JsonObject {
  const all = kinds.map((kind) => ({ name: `${kind.toLowerCase()}s`, kind, namespaced: true }));
  return { kind: "APIResourceList", groupVersion, resources: all };
}

export function containerId(pod: string): string {
  return createHash("sha256").update(pod).digest("hex");
}

export function runningPod(component: string, isReady: boolean, nodeName = NODE): KubeObject {
  const name = `${component}-1`;
  const state = isReady ? { running: {} } : { waiting: { reason: "ImagePullBackOff", message: "no such image" } };
  return object("v1", "Pod", `kube-system/${name}`, {
    metadata: {
      uid: `uid-${nodeName}-${name}`,
      ownerReferences: [{ kind: "ReplicaSet", name: component, uid: "rs" }],
    } as never,
    spec: { nodeName, containers: [{ name: component }] },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
      containerStatuses: [{ name: component, ready: isReady, state, containerID: `containerd://${containerId(name)}` }],
    },
  });
}
