/**
 * A node: a machine made of namespaces. It has a network of its own with no way out but the bed's bridge, its own
 * processes, its own disk (a directory whose parts lie over /etc, /var/lib/kubelet and the like), containerd, a
 * kubelet, and it can be rebooted, killed, cut off and wiped.
 */
import { accessSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Bed, removeDirectory } from "./bed.ts";
import { makeCgroups } from "./cgroups.ts";
import { kubeletConfig, kubeletFlags, toArguments } from "./flags.ts";
import { buildImage, type ImageRecipe, type OwnImage, PAUSE, WEB } from "./images.ts";
import type { Kubernetes } from "./kubernetes.ts";
import { removeCgroups } from "./leftovers.ts";
import { addHost, addressOf, type HostAddress, POD_CIDR, podCidrOf, removeHost, setCable } from "./network.ts";
import {
  type BedProcess,
  childrenOf,
  marked,
  type RunOptions,
  type RunResult,
  run,
  runForResult,
} from "./processes.ts";
import { GiveUp, waitFor } from "./wait.ts";

/** Where the kubelet's kubeconfig is on a node. */
export const KUBECONFIG_PATH = "/etc/kubernetes/kubeconfig";
/** Where the kubelet's first kubeconfig is, on a node that joins by a token. */
export const BOOTSTRAP_KUBECONFIG_PATH = "/etc/kubernetes/kubeconfig-bootstrap";
/** Whose client certificates the kubelet accepts. */
export const CLIENT_CA_PATH = "/etc/kubernetes/ca.crt";
export const STATIC_PODS_PATH = "/etc/kubernetes/manifests";
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";

/** Shown to the node as its own, writable, over what this machine has there. */
const OVERLAID = ["/etc", "/var/log", "/opt", "/root"];
/** Empty on a new disk. containerd's must not lie on an overlay: its containers are overlays themselves. */
const OWN = [
  "/var/lib/kubelet",
  "/var/lib/containerd",
  "/var/lib/etcd",
  "/var/etcd",
  "/var/lib/cni",
  "/var/lib/kubemend",
];

export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly string[];
  /** Images to have besides those for pause and the web server. */
  readonly images?: readonly (ImageRecipe | OwnImage)[];
  /** Files to write before the kubelet first starts, by their path on the node. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether kube-proxy runs, as a process with this kubeconfig's text. */
  readonly kubeProxyKubeconfig?: string;
  /** The port of the kubelet's read-only service; 0, none, unless told. */
  readonly readOnlyPort?: number;
  /** Whether the kubelet joins by {@link BOOTSTRAP_KUBECONFIG_PATH}. */
  readonly joinsByToken?: boolean;
  /** Whether the kubelet starts with the node: true unless told. */
  readonly kubelet?: boolean;
}

export class Node {
  readonly name: string;
  readonly address: string;
  /** The addresses of its pods. */
  readonly podCidr: string;
  readonly bed: Bed;
  readonly #kubernetes: Kubernetes;
  readonly #host: HostAddress;
  readonly #options: NodeOptions;
  /** The process that all others of the node descend from or are adopted by. */
  #init = 0;
  #proxyKubeconfig: string | undefined;
  #kubeletAtBoot: boolean;
  readonly #services = new Map<string, readonly string[]>();

  constructor(bed: Bed, kubernetes: Kubernetes, host: HostAddress, options: NodeOptions) {
    this.bed = bed;
    this.name = host.name;
    this.address = addressOf(host.number);
    this.podCidr = podCidrOf(host.number);
    this.#kubernetes = kubernetes;
    this.#host = host;
    this.#options = options;
    this.#proxyKubeconfig = options.kubeProxyKubeconfig;
    this.#kubeletAtBoot = options.kubelet !== false;
  }

  get running(): boolean {
    return this.#process("machine")?.running === true;
  }

  /** Whether the kubelet was started and not stopped. */
  get kubelet(): BedProcess | undefined {
    return this.#process("kubelet");
  }

  /** Runs a program on the node and returns what it printed; throws when it fails. */
  run(command: readonly string[], options: RunOptions = {}): Promise<string> {
    return run([...this.#enter(), ...command], marked(this.bed.id, options));
  }

  /** Runs a program on the node and returns how it came out. */
  runForResult(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return runForResult([...this.#enter(), ...command], marked(this.bed.id, options));
  }

  /** Where a running node's path is for a program of this machine, sockets included. */
  outsidePath(path: string): string {
    return `/proc/${this.#init}/root${path}`;
  }

  read(path: string): Promise<string> {
    return this.run(["cat", path]);
  }

  /** Writes a file on the node, staged and renamed, with mode 0600, as a kubelet that watches the place would like it. */
  async write(path: string, text: string): Promise<void> {
    const script =
      'umask 077; mkdir -p "$(dirname "$1")"; draft="$(dirname "$1")/.$(basename "$1").draft"; cat >"$draft"; mv "$draft" "$1"';
    await this.run(["sh", "-ec", script, "sh", path], { input: text });
  }

  /** The running containers, as `crictl ps` would tell: "pod namespace/pod name/container". */
  async containers(): Promise<string[]> {
    const list = await this.run(["ctr", "--address", CONTAINERD_SOCKET, "-n", "k8s.io", "tasks", "list"]);
    const running = list.split("\n").filter((line) => line.includes("RUNNING"));
    const names = await Promise.all(running.map((line) => this.#containerName(line.split(/\s+/)[0]!)));
    return names.filter((name) => name !== undefined).sort();
  }

  /** Ends the containers of that name, or all of them with what holds the pods' namespaces. Without a kubelet they stay away. */
  async killContainers(name?: string): Promise<void> {
    const ctr = ["ctr", "--address", CONTAINERD_SOCKET, "-n", "k8s.io", "tasks"];
    const list = await this.run([...ctr, "list", "-q"]);
    for (const id of list.split("\n").filter(Boolean)) {
      const isMeant = name === undefined || (await this.#containerName(id))?.endsWith(`/${name}`) === true;
      if (isMeant) await this.runForResult([...ctr, "kill", "-s", "KILL", id]);
    }
  }

  async #containerName(id: string): Promise<string | undefined> {
    const { code, stdout } = await this.runForResult([
      "ctr",
      "--address",
      CONTAINERD_SOCKET,
      "-n",
      "k8s.io",
      "containers",
      "info",
      id,
    ]);
    if (code !== 0) return undefined; // it has just gone
    const labels = JSON.parse(stdout).Labels ?? {};
    if (labels["io.cri-containerd.kind"] !== "container") return undefined;
    return ["pod.namespace", "pod.name", "container.name"].map((key) => labels[`io.kubernetes.${key}`]).join("/");
  }

  /** The power goes: every process ends, memory is lost, the disk stays. */
  async kill(): Promise<void> {
    await this.#process("machine")?.kill();
    for (const name of ["containerd", "kubelet", "kube-proxy", ...this.#services.keys()]) {
      await this.#process(name)?.kill();
    }
    removeHost(this.bed, this.#host);
    removeCgroups(`${this.bed.id}/${this.name}`);
  }

  /** The power comes back: containerd starts, then the kubelet, from what the disk has. */
  async start(): Promise<void> {
    await this.#boot();
    if (this.#kubeletAtBoot) this.startKubelet();
  }

  async reboot(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Replaces the machine with a new one of the same name: images and {@link NodeOptions.files} as at first, nothing else. */
  async loseDisk(): Promise<void> {
    if (this.running) await this.kill();
    removeDirectory(this.#path("disk"));
    await this.start();
  }

  /** Pulls the network cable. What runs on the node continues. */
  partition(): void {
    setCable(this.bed, this.#host, false);
  }

  heal(): void {
    setCable(this.bed, this.#host, true);
  }

  /** Starts the kubelet, now and at every boot from now on. `supervised`: it is started again when it ends, as by systemd. */
  startKubelet(supervised = true): void {
    this.#kubeletAtBoot = true;
    const flags = kubeletFlags(this.#kubernetes.minor, {
      name: this.name,
      address: this.address,
      kubeconfig: KUBECONFIG_PATH,
      bootstrapKubeconfig: this.#options.joinsByToken === true ? BOOTSTRAP_KUBECONFIG_PATH : undefined,
      config: this.#path("kubelet.yaml"),
      runtimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
      labels: this.#options.labels ?? {},
      taints: this.#options.taints ?? [],
    });
    this.#start("kubelet", [this.#kubernetes.program("kubelet"), ...toArguments(flags)], supervised);
  }

  /** Starts a program, now and at every boot, and again when it ends, as a unit of systemd. */
  startService(name: string, command: readonly string[]): BedProcess {
    this.#services.set(name, command);
    return this.#start(name, command, true);
  }

  /** Ends a service, which then stays away. */
  async stopService(name: string): Promise<void> {
    this.#services.delete(name);
    await this.#process(name)?.stop();
  }

  /** Ends a service at once, as a crash does; it starts again. */
  async killService(name: string): Promise<void> {
    const command = this.#services.get(name);
    if (command === undefined) throw new Error(`there is no service "${name}"`);
    await this.#process(name)?.kill();
    this.#start(name, command, true);
  }

  service(name: string): BedProcess | undefined {
    return this.#process(name);
  }

  /** Ends the kubelet. Containers continue. */
  async stopKubelet(): Promise<void> {
    await this.#process("kubelet")?.stop();
  }

  async #boot(): Promise<void> {
    makeCgroups(`${this.bed.id}/${this.name}`);
    addHost(this.bed, this.#host, this.bed.hosts);
    const fresh = this.#makeDisk();
    const booted = this.#path("booted");
    rmSync(booted, { force: true });
    const namespaces = [
      "--mount",
      "--propagation=private",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      "--ipc",
      "--uts",
    ];
    const enter = [
      "nsenter",
      `--net=/run/netns/${this.bed.namespace(this.name)}`,
      "--",
      "unshare",
      ...namespaces,
      "--",
    ];
    const machine = this.bed.startIn(`${this.name}-machine`, enter, ["sh", this.#path("boot.sh")], false);
    await this.#until("to boot", machine, () => exists(booted));
    this.#init = childrenOf(machine.pid)[0] ?? 0;
    const containerd = this.#start("containerd", ["containerd", "--config", this.#path("containerd.toml")], false);
    const ctr = ["ctr", "--address", CONTAINERD_SOCKET];
    await this.#until(
      "to run containerd",
      containerd,
      async () => (await this.runForResult([...ctr, "version"])).code === 0,
    );
    if (fresh) {
      for (const recipe of [PAUSE, WEB, ...(this.#options.images ?? [])]) {
        const { archive } = await buildImage(recipe);
        await this.run([...ctr, "-n", "k8s.io", "images", "import", archive]);
      }
      for (const [path, text] of Object.entries(this.#options.files ?? {})) await this.write(path, text);
    }
    if (this.#proxyKubeconfig !== undefined) this.startKubeProxy(this.#proxyKubeconfig);
    for (const [service, command] of this.#services) this.#start(service, command, true);
  }

  /** Starts kube-proxy as a process, now and at every boot. */
  startKubeProxy(kubeconfig: string): void {
    this.#proxyKubeconfig = kubeconfig;
    const path = this.#path("kube-proxy.kubeconfig");
    writeFileSync(path, kubeconfig, { mode: 0o600 });
    const flags = toArguments({
      "bind-address": this.address, // or it waits, ever longer, until the node is registered, to learn it
      "cluster-cidr": POD_CIDR,
      "conntrack-max-per-core": 0, // this machine's limits are not the node's to set
      "hostname-override": this.name,
      kubeconfig: path,
      "proxy-mode": "iptables",
    });
    this.#start("kube-proxy", [this.#kubernetes.program("kube-proxy"), ...flags], true);
  }

  /** Makes the disk and the files that the node starts from. Returns whether the disk is new. */
  #makeDisk(): boolean {
    const fresh = !exists(this.#path("disk"));
    for (const path of OVERLAID) {
      mkdirSync(this.#path("disk", path, "changes"), { recursive: true });
      mkdirSync(this.#path("disk", path, "work"), { recursive: true });
    }
    for (const path of OWN) mkdirSync(this.#path("disk", path), { recursive: true, mode: 0o700 });
    mkdirSync(this.#path("cni"), { recursive: true });
    const config = kubeletConfig(this.#kubernetes.minor, {
      clientCa: CLIENT_CA_PATH,
      cgroupRoot: `/${this.bed.id}/${this.name}`,
      staticPods: STATIC_PODS_PATH,
      resolvConf: this.#path("resolv.conf"),
      readOnlyPort: this.#options.readOnlyPort ?? 0,
      rotateCertificates: this.#options.joinsByToken === true,
    });
    writeFileSync(this.#path("kubelet.yaml"), stringify(config));
    writeFileSync(this.#path("resolv.conf"), "");
    writeFileSync(this.#path("boot.sh"), this.#bootScript());
    writeFileSync(this.#path("containerd.toml"), containerdConfig(this.#path("cni")));
    writeFileSync(this.#path("cni", "10-bridge.conflist"), JSON.stringify(cniConfig(this.podCidr)));
    return fresh;
  }

  #bootScript(): string {
    const mounts = [
      "mount -t tmpfs -o mode=755 tmpfs /run",
      ...OVERLAID.flatMap((path) => {
        const [changes, work] = [this.#path("disk", path, "changes"), this.#path("disk", path, "work")];
        return `mount -t overlay -o lowerdir=${path},upperdir=${changes},workdir=${work} overlay ${path}`;
      }),
      ...OWN.map((path) => `mkdir -p ${path}; mount --bind ${this.#path("disk", path)} ${path}`),
      "mount --make-rshared /var/lib/kubelet",
      `mkdir -p /run/lock ${STATIC_PODS_PATH}`,
    ];
    return `set -e
${mounts.join("\n")}
rm -f /etc/resolv.conf /etc/hosts
: >/etc/resolv.conf
printf '127.0.0.1 localhost\\n${this.address} ${this.name}\\n' >/etc/hosts
hostname ${this.name}
touch ${this.#path("booted")}
# As the first process it adopts orphans: waiting takes them in when they end.
while :; do sleep 2147483647 & wait; done
`;
  }

  #start(name: string, command: readonly string[], restart: boolean): BedProcess {
    return this.bed.startIn(`${this.name}-${name}`, this.#enter(), command, restart);
  }

  #process(name: string): BedProcess | undefined {
    return this.bed.processes.get(`${this.name}-${name}`);
  }

  #enter(): string[] {
    return ["nsenter", `--target=${this.#init}`, "--mount", "--net", "--pid", "--ipc", "--uts", "--"];
  }

  #path(...parts: string[]): string {
    return this.bed.path("nodes", this.name, ...parts);
  }

  #until(what: string, child: BedProcess, look: () => boolean | Promise<boolean>): Promise<true> {
    return waitFor(
      `node "${this.name}" ${what}`,
      async () => {
        if (await look()) return true;
        if (!child.running) throw new GiveUp(`node "${this.name}" fails ${what}:\n${child.lastLines()}`);
        return false;
      },
      { seconds: 30, explain: () => child.lastLines() },
    );
  }
}

/** Makes a node in a bed and starts it. It needs no control plane: the kubelet is started again until its kubeconfig is there. */
export async function startNode(
  bed: Bed,
  kubernetes: Kubernetes,
  name: string,
  options: NodeOptions = {},
): Promise<Node> {
  const host = bed.takeHost(name, true);
  const node = new Node(bed, kubernetes, host, options);
  await node.start();
  return node;
}

function containerdConfig(cni: string): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE.name}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cni}"
`;
}

function cniConfig(podCidr: string): unknown {
  return {
    cniVersion: "0.4.0",
    name: "testbed",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        hairpinMode: true,
        ipam: { type: "host-local", ranges: [[{ subnet: podCidr }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The path of a file that the node has written, seen from this machine. Only for reading. */
export function diskPath(node: Node, path: string): string {
  const overlaid = OVERLAID.find((each) => path.startsWith(`${each}/`));
  const onDisk = overlaid === undefined ? path : join(overlaid, "changes", path.slice(overlaid.length));
  return join(node.bed.path("nodes", node.name, "disk"), onDisk);
}
