/** A machine and an etcd, and assets rendered for them: what `kubemend start` begins with. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { Api } from "../../testbed/api.ts";
import { type Bed, createBed, FIRST_NODE_NUMBER } from "../../testbed/bed.ts";
import { type Etcd, startEtcd } from "../../testbed/etcd.ts";
import { hyperkubeImage, type ImageRecipe } from "../../testbed/images.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { addressOf, POD_CIDR, SERVICE_CIDR } from "../../testbed/network.ts";
import {
  BOOTSTRAP_KUBECONFIG_PATH,
  CLIENT_CA_PATH,
  KUBECONFIG_PATH,
  type Node,
  type NodeOptions,
  startNode,
} from "../../testbed/node.ts";
import { type RunResult, run } from "../../testbed/processes.ts";

export const KUBEMEND = [process.execPath, join(import.meta.dirname, "../../src/cli/main.ts")];

export interface RenderedCluster {
  readonly bed: Bed;
  readonly etcd: Etcd;
  /** The master: the last one where it was replaced. */
  readonly node: Node;
  readonly assetDir: string;
  /** The API server on the node, with the administrator's credentials. */
  readonly api: Api;
  /** Renders another cluster for the same machine and etcd. Returns its asset dir. */
  render(name: string): Promise<string>;
  /** Runs `kubemend start` on the node, from the rendered assets. */
  start(...flags: string[]): Promise<RunResult>;
  startFrom(assetDir: string, ...flags: string[]): Promise<RunResult>;
  /** Destroys the master, and puts a new machine with another name in its place, at the same address. */
  replaceControlPlaneNode(name: string): Promise<Node>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RenderedClusterOptions extends Pick<NodeOptions, "kubelet"> {
  readonly images?: readonly ImageRecipe[];
  /** The kubelet has the administrator's credentials, and asks for no certificate of its own. */
  readonly admitted?: boolean;
}

export async function renderedCluster(
  kubernetes: Kubernetes,
  options: RenderedClusterOptions = {},
): Promise<RenderedCluster> {
  const { images = [], admitted = false, ...more } = options;
  const bed = createBed();
  try {
    const etcd = await startEtcd(bed, 1);
    const address = addressOf(FIRST_NODE_NUMBER);
    const render = async (name: string) => {
      const directory = bed.path(name);
      await run([...KUBEMEND, "render", `--asset-dir=${directory}`, ...renderFlags(kubernetes, etcd, address)]);
      tameProxy(join(directory, "manifests/kube-proxy.yaml"));
      return directory;
    };
    const assetDir = await render("assets");
    const read = (path: string) => readFileSync(join(assetDir, path), "utf8");
    const addControlPlaneNode = (name: string) =>
      startNode(bed, kubernetes, name, {
        joinsByToken: !admitted,
        images: [hyperkubeImage(kubernetes), ...images],
        files: {
          [CLIENT_CA_PATH]: read("tls/ca.crt"),
          ...(admitted
            ? { [KUBECONFIG_PATH]: read("auth/kubeconfig") }
            : { [BOOTSTRAP_KUBECONFIG_PATH]: read("auth/kubeconfig-kubelet") }),
        },
        ...more,
      });
    let node = await addControlPlaneNode("node1");
    const port = await bed.forwarder.open(address, 6443);
    const api = new Api({ port, ca: read("tls/ca.crt"), cert: read("tls/admin.crt"), key: read("tls/admin.key") });
    const startFrom = (directory: string, ...flags: string[]) =>
      node.runForResult([...KUBEMEND, "start", `--asset-dir=${directory}`, ...flags], { timeoutSeconds: 400 });
    return {
      bed,
      etcd,
      get node() {
        return node;
      },
      assetDir,
      api,
      render,
      start: (...flags) => startFrom(assetDir, ...flags),
      startFrom,
      async replaceControlPlaneNode(name) {
        await node.kill();
        bed.releaseLastHost();
        node = await addControlPlaneNode(name);
        return node;
      },
      [Symbol.asyncDispose]() {
        api.close();
        bed.remove();
        return Promise.resolve();
      },
    };
  } catch (error) {
    bed.remove();
    throw error;
  }
}

function renderFlags(kubernetes: Kubernetes, etcd: Etcd, address: string): string[] {
  return [
    `--api-servers=https://${address}:6443`,
    `--api-server-alt-names=IP=${address},IP=127.0.0.1`,
    `--etcd-servers=${etcd.endpoints.join(",")}`,
    `--etcd-ca-path=${etcd.authority.certificatePath}`,
    `--etcd-certificate-path=${etcd.client.certificatePath}`,
    `--etcd-private-key-path=${etcd.client.keyPath}`,
    `--pod-cidr=${POD_CIDR}`,
    `--service-cidr=${SERVICE_CIDR}`,
    `--kubernetes-version=${kubernetes.version}`,
    `--image=kubernetes=${hyperkubeImage(kubernetes).name}`,
    "--network-provider=none",
    "--no-checkpointer",
  ];
}

/** The machine's connection tracking is not a node's to configure here. */
function tameProxy(path: string): void {
  const manifest = parse(readFileSync(path, "utf8"));
  manifest.spec.template.spec.containers[0].command.push("--conntrack-max-per-core=0");
  writeFileSync(path, stringify(manifest));
}
