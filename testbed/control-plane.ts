/**
 * A control plane as plain processes: etcd, API server, controller manager and scheduler in a bed, answering tests on this machine's
 * loopback after some seconds. Nodes, hollow or real, are added to it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Api } from "./api.ts";
import { type Bed, createBed } from "./bed.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { apiServerFlags, controllerManagerFlags, schedulerFlags, toArguments } from "./flags.ts";
import { startHollowNode } from "./hollow-nodes.ts";
import { findKubernetes, type Kubernetes } from "./kubernetes.ts";
import { BRIDGE_ADDRESS, SERVICE_CIDR } from "./network.ts";
import { CLIENT_CA_PATH, KUBECONFIG_PATH, type Node, type NodeOptions, startNode } from "./node.ts";
import { Authority, kubeconfig, writeSigningKey } from "./pki.ts";
import { waitFor } from "./wait.ts";

const API_PORT = 6443;
const FIRST_SERVICE_ADDRESS = "10.96.0.1";

/** A machine of the bed to run the API server on, instead of the one that holds the bridge. */
export interface ApiServerHost {
  readonly name: string;
  readonly address: string;
}

export interface ControlPlaneOptions {
  readonly kubernetes?: Kubernetes;
  /** How many members etcd has: 1 unless told. */
  readonly members?: number;
  /** For each of them, such as `--quota-backend-bytes=…`. */
  readonly etcdFlags?: readonly string[];
  /** How long a silent node counts as healthy: the version's default unless told. */
  readonly nodeMonitorGraceSeconds?: number;
  /** Evict by time instead of by taints; for Kubernetes before 1.27. */
  readonly podEvictionTimeoutSeconds?: number;
  /** Of each client of controller manager and scheduler: their own defaults (20 and 50) unless told, too few for thousands of nodes. */
  readonly requestsPerSecond?: number;
  /** Leaves the bed running when this process ends. */
  readonly keep?: boolean;
  /** Which of the controllers run: all unless told. */
  readonly components?: readonly ("kube-controller-manager" | "kube-scheduler")[];
}

export class ControlPlane {
  readonly bed: Bed;
  readonly kubernetes: Kubernetes;
  readonly etcd: Etcd;
  readonly authority: Authority;
  readonly api: Api;
  /** The administrator's kubeconfig, for programs on this machine. */
  readonly kubeconfig: string;
  /** The API server inside the bed, as nodes see it. */
  readonly server: string;
  readonly nodes = new Map<string, Node>();
  #hollow = 0;
  readonly #startApiServer: () => unknown;

  constructor(
    parts: Pick<ControlPlane, "bed" | "kubernetes" | "etcd" | "authority" | "api" | "kubeconfig" | "server"> & {
      readonly startAgain: () => unknown;
    },
  ) {
    this.#startApiServer = parts.startAgain;
    this.bed = parts.bed;
    this.kubernetes = parts.kubernetes;
    this.etcd = parts.etcd;
    this.authority = parts.authority;
    this.api = parts.api;
    this.kubeconfig = parts.kubeconfig;
    this.server = parts.server;
  }

  /** Starts the API server again that was killed, and waits until it is ready. */
  async startApiServer(): Promise<void> {
    this.#startApiServer();
    await waitFor("the API server to be ready", () => this.api.get("/readyz").then((text) => text === "ok"));
  }

  /** Runs kubectl as the administrator and returns what it printed. */
  kubectl(...args: string[]): Promise<string> {
    const admin = join(this.authority.directory, "admin-inside.kubeconfig");
    const cache = this.bed.path("kubectl-cache"); // by address, which another cluster may have had
    return this.bed.run([this.kubernetes.program("kubectl"), `--kubeconfig=${admin}`, `--cache-dir=${cache}`, ...args]);
  }

  /** Writes a kubeconfig for a client of that name and those groups, whose API server is `server` (inside the bed unless told). */
  async issueKubeconfig(
    file: string,
    commonName: string,
    organizations: readonly string[] = [],
    server = this.server,
  ): Promise<string> {
    const client = await this.authority.issue(file, { commonName, organizations, use: "client" });
    const path = join(this.authority.directory, `${file}.kubeconfig`);
    writeFileSync(path, kubeconfig(server, this.authority, client), { mode: 0o600 });
    return path;
  }

  /** Adds a real node and waits until it is Ready. */
  async addNode(name: string, options: NodeOptions = {}): Promise<Node> {
    const proxy = await this.issueKubeconfig(`${name}-proxy`, "system:kube-proxy");
    const node = await startNode(this.bed, this.kubernetes, name, {
      kubeProxyKubeconfig: readFileSync(proxy, "utf8"),
      ...options,
      files: { ...(await this.filesOfNode(name)), ...options.files },
    });
    this.nodes.set(name, node);
    if (options.kubelet !== false) await this.nodesReady([name]);
    return node;
  }

  /** What the kubelet of a node needs to join: its kubeconfig, and whose clients it is to believe. */
  async filesOfNode(name: string): Promise<Record<string, string>> {
    const kubelet = await this.issueKubeconfig(name, `system:node:${name}`, ["system:nodes"]);
    return { [CLIENT_CA_PATH]: this.authority.certificate, [KUBECONFIG_PATH]: readFileSync(kubelet, "utf8") };
  }

  /** Adds nodes that register and pretend to run pods. Returns their names; they are Ready. */
  async addHollowNodes(count: number, seconds = 60 + count * 2): Promise<string[]> {
    const names = Array.from({ length: count }, (_, i) => `hollow-${this.#hollow + i + 1}`);
    for (const name of names) await startHollowNode(this, name, ++this.#hollow);
    await this.nodesReady(names, seconds);
    return names;
  }

  /** Waits until nodes are Ready, by default all that are known to the API server. */
  async nodesReady(names: readonly string[], seconds = 90): Promise<void> {
    let missing: readonly string[] = names;
    await waitFor(
      `${names.length} nodes to be Ready`,
      async () => {
        const nodes = await this.api.list("/api/v1/nodes");
        const ready = new Set(
          nodes.filter((node) => conditionOf(node, "Ready") === "True").map(({ metadata }) => metadata.name),
        );
        missing = names.filter((name) => !ready.has(name));
        return missing.length === 0;
      },
      {
        seconds,
        everyMilliseconds: Math.min(5000, Math.max(250, 50 * names.length)), // the list of hundreds is long
        explain: () => {
          const programs = missing.flatMap((name) => [name, `${name}-kubelet`]); // a hollow node's has the node's name
          const more = missing.length > 20 ? ` and ${missing.length - 20} more` : "";
          return `not Ready: ${missing.slice(0, 20).join(", ")}${more}\n${this.logs(programs)}`;
        },
      },
    );
  }

  /** Waits until `count` pods of a namespace that match a label selector are Ready, and returns them. */
  // biome-ignore lint/suspicious/noExplicitAny: pods are plain objects here
  async podsReady(namespace: string, selector: string, count: number, seconds = 90): Promise<any[]> {
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`;
    return waitFor(
      `${count} pods "${selector}" in "${namespace}" to be Ready`,
      async () => {
        const pods = (await this.api.list(path)).filter(
          // After a restore, kubelets since 1.27 report pods as ended that the backup still wants: others take their places.
          ({ metadata, status }) => !metadata.deletionTimestamp && !["Succeeded", "Failed"].includes(status.phase),
        );
        const ready = pods.filter((pod) => conditionOf(pod, "Ready") === "True");
        return ready.length === count && pods.length === count ? pods : undefined;
      },
      {
        seconds,
        everyMilliseconds: 250,
        explain: () => this.kubectl("describe", "pods", "-n", namespace, "-l", selector),
      },
    );
  }

  /** The last lines of programs, the first few of those named. */
  logs(names: readonly string[]): string {
    return [...this.bed.processes.values()]
      .filter(({ name }) => names.includes(name))
      .slice(0, 4)
      .map((child) => `${child.name}:\n${child.lastLines()}`)
      .join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.api.close();
    this.bed.remove();
    return Promise.resolve();
  }
}

/** The status of a condition of a node or a pod: "True", "False", "Unknown", or undefined. */
// biome-ignore lint/suspicious/noExplicitAny: objects are plain here
export function conditionOf(object: any, type: string): string | undefined {
  return object.status?.conditions?.find((condition: { type: string }) => condition.type === type)?.status;
}

/** Starts a control plane in a new bed. The bed goes when it is disposed of, when this process ends, or at the next run. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const kubernetes = options.kubernetes ?? (await findKubernetes());
  const bed = createBed({ keep: options.keep === true });
  try {
    return await startControlPlaneIn(bed, kubernetes, options);
  } catch (error) {
    bed.remove();
    throw error;
  }
}

/** As {@link startControlPlane}, in a bed that is there, and with the API server on one of its nodes if one is given. */
export async function startControlPlaneIn(
  bed: Bed,
  kubernetes: Kubernetes,
  options: Pick<
    ControlPlaneOptions,
    | "members"
    | "etcdFlags"
    | "nodeMonitorGraceSeconds"
    | "podEvictionTimeoutSeconds"
    | "requestsPerSecond"
    | "components"
  >,
  host?: ApiServerHost,
): Promise<ControlPlane> {
  const etcd = await startEtcd(bed, options.members ?? 1, options.etcdFlags);
  const directory = bed.path("pki", "kubernetes");
  const authority = await Authority.create(directory, "kubernetes-ca");
  const serviceAccount = await writeSigningKey(directory, "service-account");
  const address = host?.address ?? BRIDGE_ADDRESS;
  const server = `https://${address}:${API_PORT}`;
  const kubelet = await authority.issue("kubelet-client", {
    commonName: "kube-apiserver-kubelet-client",
    organizations: ["system:masters"],
    use: "client",
  });
  const serving = await authority.issue("apiserver", {
    commonName: "kube-apiserver",
    use: "server",
    names: [
      ...[address, FIRST_SERVICE_ADDRESS, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default"],
      ...["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"],
    ],
  });
  const flags = apiServerFlags({
    advertiseAddress: address,
    port: API_PORT,
    etcdServers: etcd.endpoints,
    etcd: {
      ca: etcd.authority.certificatePath,
      certificate: etcd.client.certificatePath,
      key: etcd.client.keyPath,
    },
    clientCa: authority.certificatePath,
    serving: { certificate: serving.certificatePath, key: serving.keyPath },
    kubeletClient: { certificate: kubelet.certificatePath, key: kubelet.keyPath },
    serviceAccount: { publicKey: serviceAccount.publicPath, privateKey: serviceAccount.privatePath },
    serviceCidr: SERVICE_CIDR,
  });
  const startApiServer = () =>
    bed.start("kube-apiserver", [kubernetes.program("kube-apiserver"), ...toArguments(flags)], {
      ...(host !== undefined && { host: host.name }),
    });
  const apiServer = startApiServer();

  const port = await bed.forwarder.open(address, API_PORT);
  const admin = await authority.issue("admin", {
    commonName: "admin",
    organizations: ["system:masters"],
    use: "client",
  });
  const write = (file: string, url: string) => {
    writeFileSync(join(directory, file), kubeconfig(url, authority, admin), { mode: 0o600 });
    return join(directory, file);
  };
  write("admin-inside.kubeconfig", server);
  const plane = new ControlPlane({
    startAgain: startApiServer,
    bed,
    kubernetes,
    etcd,
    authority,
    server,
    kubeconfig: write("admin.kubeconfig", `https://127.0.0.1:${port}`),
    api: new Api({ port, ca: authority.certificate, cert: admin.certificate, key: admin.key }),
  });

  const components = options.components ?? ["kube-controller-manager", "kube-scheduler"];
  for (const name of components) {
    const config = await plane.issueKubeconfig(name, `system:${name}`);
    const flags =
      name === "kube-scheduler"
        ? schedulerFlags(config, options.requestsPerSecond)
        : controllerManagerFlags({
            kubeconfig: config,
            ca: { certificate: authority.certificatePath, key: authority.keyPath },
            serviceAccountPrivateKey: serviceAccount.privatePath,
            nodeMonitorGraceSeconds: options.nodeMonitorGraceSeconds,
            podEvictionTimeoutSeconds: options.podEvictionTimeoutSeconds,
            requestsPerSecond: options.requestsPerSecond,
          });
    bed.start(name, [kubernetes.program(name), ...toArguments(flags)], { restart: true });
  }
  await waitFor("the API server to be ready", () => plane.api.get("/readyz").then((text) => text === "ok"), {
    explain: () => apiServer.lastLines(),
  });
  if (!components.includes("kube-controller-manager")) return plane;
  await waitFor(
    "the default service account",
    () => plane.api.get("/api/v1/namespaces/default/serviceaccounts/default"),
    {
      explain: () => plane.logs(["kube-controller-manager"]),
    },
  );
  return plane;
}
