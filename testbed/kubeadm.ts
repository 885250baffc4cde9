/**
 * A cluster made by the real kubeadm: control-plane nodes of static pods with stacked etcd, and workers, each a machine
 * of its own. kubeadm finds what it expects of a host: images under its own names, a kubelet that a supervisor starts
 * once its configuration is there, and a `systemctl` that steers it.
 */
import { existsSync, mkdirSync } from "node:fs";
import { chmod, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { Api, type ApiObject } from "./api.ts";
import { type Bed, createBed } from "./bed.ts";
import { EXTERNAL_PKI, endpointsOf, startEtcdHosts } from "./etcd-hosts.ts";
import { ETCD, hyperkubeImage, PAUSE } from "./images.ts";
import { cacheDirectory, fillOnce, findKubernetes, type Kubernetes, KubernetesMissing } from "./kubernetes.ts";
import { POD_CIDR, SERVICE_CIDR } from "./network.ts";
import { CONTAINERD_SOCKET, type Node, startNode } from "./node.ts";
import { run } from "./processes.ts";
import { waitFor } from "./wait.ts";

/** A kubeadm of the same version: a program, or one that is packed with xz. Else `kubeadm` in the directory of Kubernetes' programs. */
const KUBEADM_VARIABLE = "KUBEMEND_KUBEADM";
/** Each control-plane node finds itself under this name, as behind a load balancer that is always up. */
const ENDPOINT = "control-plane.testbed";
const CERTIFICATE_KEY = "0123456789abcdef".repeat(4);
const TOKEN = "abcdef.0123456789abcdef";
/** What a shell on a node finds first: `systemctl` and `sudo`. */
const NODE_PATH = "/opt/testbed/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const ADMIN_CONF = "/etc/kubernetes/admin.conf";

export interface KubeadmOptions {
  readonly kubernetes?: Kubernetes;
  /** 1 unless told. */
  readonly controlPlanes?: number;
  /** None unless told. */
  readonly workers?: number;
  /** So many hosts of an external etcd, in the place of the control-plane nodes' own. */
  readonly etcdHosts?: number;
}

export class KubeadmCluster {
  readonly bed: Bed;
  readonly kubernetes: Kubernetes;
  readonly controlPlanes: Node[] = [];
  readonly workers: Node[] = [];
  /** Of an external etcd. */
  readonly etcdHosts: Node[] = [];
  #clientFiles: Readonly<Record<string, string>> = {};
  readonly #kubeadm: string;
  #api: Api | undefined;

  constructor(bed: Bed, kubernetes: Kubernetes, kubeadm: string) {
    this.bed = bed;
    this.kubernetes = kubernetes;
    this.#kubeadm = kubeadm;
  }

  get nodes(): readonly Node[] {
    return [...this.controlPlanes, ...this.workers];
  }

  get usesExternalEtcd(): boolean {
    return this.etcdHosts.length > 0;
  }

  /** The API server of the first control-plane node, from this machine, as its administrator. */
  get api(): Api {
    if (this.#api === undefined) throw new Error("kubeadm init has not run");
    return this.#api;
  }

  async startEtcdHosts(size: number): Promise<void> {
    const { hosts, clientFiles } = await startEtcdHosts(this.bed, this.kubernetes, size);
    this.etcdHosts.push(...hosts);
    this.#clientFiles = clientFiles;
  }

  async init(): Promise<void> {
    const node = await this.#addNode("m1", undefined);
    this.controlPlanes.push(node);
    for (const [path, text] of Object.entries(this.#clientFiles)) await node.write(path, text);
    await node.write("/etc/kubeadm.yaml", initConfiguration(this.kubernetes, node, endpointsOf(this.etcdHosts)));
    await this.#run(node, ["init", "--config=/etc/kubeadm.yaml", "--upload-certs", "--skip-phases=addon/coredns"]);
    this.#api = await this.apiOf(node);
  }

  /** The API server of one node, with the administrator's certificate that is on it. */
  async apiOf(node: Node): Promise<Api> {
    const config = parse(await node.read(ADMIN_CONF));
    const text = (base64: string) => Buffer.from(base64, "base64").toString();
    return new Api({
      port: await this.bed.forwarder.open(node.address, 6443),
      ca: text(config.clusters[0].cluster["certificate-authority-data"]),
      cert: text(config.users[0].user["client-certificate-data"]),
      key: text(config.users[0].user["client-key-data"]),
    });
  }

  /**
   * Starts an ssh server on every node. Returns the words of a client that gets in as root, to be run in the bed's own
   * network: see {@link Bed.run}.
   */
  async startSsh(): Promise<readonly string[]> {
    const key = this.bed.path("ssh", "id_ed25519");
    mkdirSync(this.bed.path("ssh"), { recursive: true, mode: 0o700 });
    if (!existsSync(key)) await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
    for (const node of [...this.nodes, ...this.etcdHosts])
      if (node.service("sshd") === undefined) await letIn(node, await readFile(`${key}.pub`, "utf8"));
    const client = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "User=root"];
    return ["ssh", "-F", "none", "-i", key, ...client.flatMap((option) => ["-o", option])];
  }

  async joinControlPlane(): Promise<Node> {
    const node = await this.#join(`m${this.controlPlanes.length + 1}`, true);
    this.controlPlanes.push(node);
    await setEndpoint(node, node.address);
    return node;
  }

  async joinWorker(): Promise<Node> {
    const node = await this.#join(`w${this.workers.length + 1}`, false);
    this.workers.push(node);
    return node;
  }

  /**
   * A new machine in the place of a node that is gone: its name and its address, an empty disk, and ssh where the
   * others have it. kubeadm has not run there.
   */
  async newMachine(node: Node): Promise<void> {
    await node.loseDisk();
    const living = this.controlPlanes.find((each) => each !== node && each.running);
    await this.#prepare(node, living?.address ?? node.address);
    await node.run(["mkdir", "-p", "/run/systemd/system"]); // kubelet.service is installed, and waits for its files
    if (node.service("sshd") !== undefined)
      await letIn(node, await readFile(this.bed.path("ssh", "id_ed25519.pub"), "utf8"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#api?.close();
    this.bed.remove();
    return Promise.resolve();
  }

  async #join(name: string, isControlPlane: boolean): Promise<Node> {
    const [first] = this.controlPlanes as [Node];
    const node = await this.#addNode(name, first.address);
    await node.write("/etc/kubeadm.yaml", joinConfiguration(this.kubernetes, node, isControlPlane));
    await this.#run(node, ["join", "--config=/etc/kubeadm.yaml"]);
    return node;
  }

  async #addNode(name: string, endpoint: string | undefined): Promise<Node> {
    const options = {
      kubelet: false,
      images: [hyperkubeImage(this.kubernetes), ETCD],
      files: Object.fromEntries(standIns(this.kubernetes.program("kubelet"), this.#kubeadm, `/${this.bed.id}/${name}`)),
    };
    const node = await startNode(this.bed, this.kubernetes, name, options);
    await this.#prepare(node, endpoint ?? node.address);
    node.startService("kubelet", ["sh", "/opt/testbed/kubelet.sh"]);
    return node;
  }

  /** A machine on which kubeadm may run. */
  async #prepare(node: Node, endpoint: string): Promise<void> {
    await node.run(["chmod", "-R", "0755", "/opt/testbed"]);
    await node.run(["mkdir", "-p", "/etc/systemd/system"]);
    await setEndpoint(node, endpoint);
    await this.#nameImages(node);
  }

  /** kubeadm's own names for the images that the bed has. */
  async #nameImages(node: Node): Promise<void> {
    const version = `--kubernetes-version=${this.kubernetes.version}`;
    const list = await run([this.#kubeadm, "config", "images", "list", version]);
    for (const name of list.split("\n").filter((line) => line.includes("/"))) {
      const image = /\/etcd:/.test(name) ? ETCD.name : /\/pause:/.test(name) ? PAUSE.name : undefined;
      const source = image ?? (/\/kube-/.test(name) ? hyperkubeImage(this.kubernetes).name : undefined);
      if (source === undefined) continue; // CoreDNS, which nothing here needs
      await node.run(["ctr", "--address", CONTAINERD_SOCKET, "-n", "k8s.io", "images", "tag", source, name]);
    }
  }

  async #run(node: Node, words: readonly string[]): Promise<void> {
    const command = ["env", `PATH=${NODE_PATH}`, this.#kubeadm, ...words, "--ignore-preflight-errors=all", "--v=1"];
    const { code, stdout, stderr } = await node.runForResult(command, { timeoutSeconds: 400 });
    if (code === 0) return;
    const lines = `${stdout}\n${stderr}`.trim().split("\n").slice(-60).join("\n");
    throw new Error(
      `kubeadm ${words[0]} on ${node.name} ended with ${code}:\n${lines}\n${node.kubelet?.lastLines(20)}`,
    );
  }
}

/** Makes the cluster and waits until its nodes are Ready and the API server knows their static pods. */
export async function startKubeadm(options: KubeadmOptions = {}): Promise<KubeadmCluster> {
  const kubernetes = options.kubernetes ?? (await findKubernetes());
  const kubeadm = await findKubeadm(kubernetes);
  const cluster = new KubeadmCluster(await createBed(), kubernetes, kubeadm);
  try {
    if (options.etcdHosts !== undefined) await cluster.startEtcdHosts(options.etcdHosts);
    await cluster.init();
    for (let i = 1; i < (options.controlPlanes ?? 1); i++) await cluster.joinControlPlane();
    for (let i = 0; i < (options.workers ?? 0); i++) await cluster.joinWorker();
    await nodesReady(cluster);
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

async function nodesReady(cluster: KubeadmCluster, seconds = 180): Promise<void> {
  const names = cluster.nodes.map((node) => node.name).sort();
  await waitFor(
    `nodes ${names.join(", ")} to be Ready`,
    async () => {
      const nodes = await cluster.api.list("/api/v1/nodes");
      const ready = nodes.filter(({ status }) =>
        status.conditions.some((each: ApiObject) => each.type === "Ready" && each.status === "True"),
      );
      const found = ready.map(({ metadata }) => metadata.name as string).sort();
      const pods = await cluster.api.list("/api/v1/namespaces/kube-system/pods");
      const mirrored = new Set(pods.map(({ metadata }) => metadata.name as string));
      const four = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
      const components = cluster.usesExternalEtcd ? four.slice(1) : four;
      const all = cluster.controlPlanes.flatMap(({ name }) => components.map((each) => `${each}-${name}`));
      return found.join() === names.join() && all.every((name) => mirrored.has(name));
    },
    { seconds },
  );
}

/** Throws KubernetesMissing, which says what to do. */
async function findKubeadm(kubernetes: Kubernetes, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const named = env[KUBEADM_VARIABLE] ?? join(kubernetes.directory, "kubeadm");
  const found = await stat(named).catch(() => undefined);
  if (found === undefined) {
    throw new KubernetesMissing(`there is no kubeadm: set ${KUBEADM_VARIABLE} to one of version ${kubernetes.version}`);
  }
  if (!named.endsWith(".xz")) return named;
  const key = `${found.size}-${Math.round(found.mtimeMs)}`;
  const directory = await fillOnce(join(cacheDirectory(), `kubeadm-${key}`), async (draft) => {
    await run(["sh", "-ec", 'xz --decompress --stdout "$1" >"$2"', "sh", named, join(draft, "kubeadm")]);
    await chmod(join(draft, "kubeadm"), 0o755);
  });
  return join(directory, "kubeadm");
}

/** Where the node finds the API server, now and after each boot. */
async function setEndpoint(node: Node, address: string): Promise<void> {
  await node.write("/opt/testbed/endpoint", `${address} ${ENDPOINT}\n`);
  await node.run(["sh", "-ec", NAME_ENDPOINT]);
}

const NAME_ENDPOINT =
  `grep -v ' ${ENDPOINT}$' /etc/hosts >/etc/hosts.new || true; cat /opt/testbed/endpoint >>/etc/hosts.new; cat ` +
  "/etc/hosts.new >/etc/hosts";

/** Starts an ssh server that lets the owner of a key in as root. */
async function letIn(node: Node, authorized: string): Promise<void> {
  await node.write("/root/.ssh/authorized_keys", authorized);
  await node.run(["sh", "-ec", "mkdir -p /etc/ssh; ssh-keygen -A"]);
  if (node.service("sshd") !== undefined) return; // it starts again until its keys are there
  const settings = [
    "PermitRootLogin=yes",
    "UsePAM=no",
    "StrictModes=no",
    `SetEnv=PATH=${NODE_PATH}`,
    "MaxStartups=100",
  ];
  const words = ["/usr/sbin/sshd", "-D", "-e", ...settings.flatMap((setting) => ["-o", setting])];
  node.startService("sshd", ["sh", "-c", 'mkdir -p /run/sshd; exec "$@"', "sh", ...words]);
}

function initConfiguration(kubernetes: Kubernetes, node: Node, endpoints: readonly string[]): string {
  const [caFile, certFile, keyFile] = ["ca.crt", "client.crt", "client.key"].map((name) => `${EXTERNAL_PKI}/${name}`);
  const documents = [
    {
      apiVersion: api(kubernetes),
      kind: "InitConfiguration",
      certificateKey: CERTIFICATE_KEY,
      bootstrapTokens: [
        { token: TOKEN, ttl: "24h0m0s", usages: ["signing", "authentication"], groups: [BOOTSTRAPPERS] },
      ],
      localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 },
      nodeRegistration: registration(kubernetes, node),
    },
    {
      apiVersion: api(kubernetes),
      kind: "ClusterConfiguration",
      kubernetesVersion: kubernetes.version,
      networking: { podSubnet: POD_CIDR, serviceSubnet: SERVICE_CIDR },
      controlPlaneEndpoint: `${ENDPOINT}:6443`,
      apiServer: { certSANs: ["127.0.0.1"] }, // for the way in from tests
      ...(endpoints.length > 0 && { etcd: { external: { endpoints, caFile, certFile, keyFile } } }),
    },
    {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      cgroupDriver: "cgroupfs",
      failSwapOn: false,
      enforceNodeAllocatable: [],
      evictionHard: { "memory.available": "20Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
      fileCheckFrequency: "2s",
      imageGCHighThresholdPercent: 100,
      nodeStatusUpdateFrequency: "3s",
      oomScoreAdj: 0,
      resolvConf: "/etc/resolv.conf",
      // A kubelet that does not know its disk yet would turn etcd's pod away for good: it asks for some of it.
      ...(kubernetes.minor >= 25
        ? { localStorageCapacityIsolation: false }
        : { featureGates: { LocalStorageCapacityIsolation: false } }),
      ...(kubernetes.minor >= 31 && { failCgroupV1: false }),
    },
    {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      conntrack: { maxPerCore: 0, min: 0 },
      mode: "iptables",
    },
  ];
  return documents.map((document) => stringify(document)).join("---\n");
}

const BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token";

function joinConfiguration(kubernetes: Kubernetes, node: Node, isControlPlane: boolean): string {
  return stringify({
    apiVersion: api(kubernetes),
    kind: "JoinConfiguration",
    discovery: {
      bootstrapToken: { token: TOKEN, apiServerEndpoint: `${ENDPOINT}:6443`, unsafeSkipCAVerification: true },
    },
    nodeRegistration: registration(kubernetes, node),
    ...(isControlPlane && {
      controlPlane: {
        certificateKey: CERTIFICATE_KEY,
        localAPIEndpoint: { advertiseAddress: node.address, bindPort: 6443 },
      },
    }),
  });
}

function api({ minor }: Kubernetes): string {
  return `kubeadm.k8s.io/${minor >= 31 ? "v1beta4" : minor >= 22 ? "v1beta3" : "v1beta2"}`;
}

function registration({ minor }: Kubernetes, node: Node): Record<string, unknown> {
  const flags = { "node-ip": node.address, "hostname-override": node.name };
  return {
    name: node.name,
    criSocket: `unix://${CONTAINERD_SOCKET}`,
    kubeletExtraArgs: minor >= 31 ? Object.entries(flags).map(([name, value]) => ({ name, value })) : flags,
  };
}

/**
 * Paths on the node with their text: the kubelet's supervisor, and what steers it. The kubelets of one machine must not
 * take each other's pods for leftovers: each has a root of its own.
 */
function standIns(kubelet: string, kubeadm: string, cgroupRoot: string): [string, string][] {
  const supervisor = `# Starts the kubelet once kubeadm has written its configuration, and again when it ends, as its unit in systemd does.
rm -f /run/kubelet.stopped
if [ -e /opt/testbed/endpoint ]; then ${NAME_ENDPOINT}; fi
while :; do
  if [ -e /run/kubelet.stopped ] || [ ! -e /var/lib/kubelet/config.yaml ]; then sleep 0.3; continue; fi
  KUBELET_KUBEADM_ARGS=
  [ -e /var/lib/kubelet/kubeadm-flags.env ] && . /var/lib/kubelet/kubeadm-flags.env
  '${kubelet}' --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \\
    --config=/var/lib/kubelet/config.yaml --cgroup-root='${cgroupRoot}' $KUBELET_KUBEADM_ARGS &
  echo $! >/run/kubelet.pid
  wait $! || true
  rm -f /run/kubelet.pid
  sleep 1
done
`;
  const systemctl = `#!/bin/sh
# As much of systemctl as kubeadm and kubemend ask of it, for one unit: kubelet.
while case "\${1:-}" in -*) true ;; *) false ;; esac; do shift; done
verb="\${1:-}"; shift || true
property=; value=
while case "\${1:-}" in -*) true ;; *) false ;; esac; do
  case "$1" in --value) value=1 ;; --property=*) property="\${1#*=}" ;; esac
  shift
done
unit="\${1:-}"; unit="\${unit%.service}"
pid() { cat /run/kubelet.pid 2>/dev/null; }
describe() {
  [ "$unit" = kubelet ] || { echo "LoadState=not-found
ActiveState=inactive"; return; }
  echo "LoadState=loaded
ActiveState=$([ -n "$(pid)" ] && echo active || echo inactive)
MainPID=$(pid || echo 0)"
}
case "$verb" in
  daemon-reload|enable|disable) exit 0 ;;
  show) if [ -n "$value" ]; then describe | sed -n "s/^$property=//p"; else describe; fi; exit 0 ;;
  list-unit-files|list-units|cat) [ "$unit" = kubelet ] || exit 1; echo "kubelet.service enabled"; exit 0 ;;
esac
[ "$unit" = kubelet ] || exit 5
case "$verb" in
  start) rm -f /run/kubelet.stopped ;;
  stop) touch /run/kubelet.stopped; p="$(pid)"; [ -z "$p" ] || { kill "$p"; while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; } ;;
  restart) rm -f /run/kubelet.stopped; p="$(pid)"; [ -z "$p" ] || { kill "$p"; while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; } ;;
  is-active) [ -n "$(pid)" ] && echo active || { echo inactive; exit 3; } ;;
  is-enabled) echo enabled ;;
  *) exit 1 ;;
esac
`;
  return [
    ["/opt/testbed/kubelet.sh", supervisor],
    ["/opt/testbed/bin/systemctl", systemctl],
    ["/opt/testbed/bin/kubelet", `#!/bin/sh\nexec '${kubelet}' "$@"\n`],
    ["/opt/testbed/bin/crictl", "#!/bin/sh\nexit 0\n"], // kubeadm asks it whether the images are there, which they are
    ["/opt/testbed/bin/sudo", '#!/bin/sh\nexec "$@"\n'],
    ["/opt/testbed/bin/kubeadm", `#!/bin/sh\nexec '${kubeadm}' "$@"\n`],
  ];
}
