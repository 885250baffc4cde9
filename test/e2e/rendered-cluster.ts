/** A machine and an etcd, and assets rendered for them: what `kubemend start` begins with. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { Api } from "../../testbed/api.ts";
import { type Bed, createBed, FIRST_NODE_NUMBER } from "../../testbed/bed.ts";
import { type Etcd, startEtcd } from "../../testbed/etcd.ts";
import { hyperkubeImage } from "../../testbed/images.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { addressOf, POD_CIDR, SERVICE_CIDR } from "../../testbed/network.ts";
import { BOOTSTRAP_KUBECONFIG_PATH, CLIENT_CA_PATH, type Node, startNode } from "../../testbed/node.ts";
import { type RunResult, run } from "../../testbed/processes.ts";

export const KUBEMEND = [process.execPath, join(import.meta.dirname, "../../src/cli/main.ts")];

export interface RenderedCluster {
  readonly bed: Bed;
  readonly etcd: Etcd;
  readonly node: Node;
  readonly assetDir: string;
  /** The API server on the node, with the administrator's credentials. */
  readonly api: Api;
  /** Runs `kubemend start` on the node, from the rendered assets. */
  start(...flags: string[]): Promise<RunResult>;
  startFrom(assetDir: string, ...flags: string[]): Promise<RunResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function renderedCluster(
  kubernetes: Kubernetes,
  options: { readonly kubelet?: boolean } = {},
): Promise<RenderedCluster> {
  const bed = createBed();
  try {
    const etcd = await startEtcd(bed, 1);
    const assetDir = bed.path("assets");
    const address = addressOf(FIRST_NODE_NUMBER);
    await run([
      ...KUBEMEND,
      "render",
      `--asset-dir=${assetDir}`,
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
    ]);
    tameProxy(join(assetDir, "manifests/kube-proxy.yaml"));
    const read = (path: string) => readFileSync(join(assetDir, path), "utf8");
    const node = await startNode(bed, kubernetes, "node1", {
      joinsByToken: true,
      images: [hyperkubeImage(kubernetes)],
      files: { [CLIENT_CA_PATH]: read("tls/ca.crt"), [BOOTSTRAP_KUBECONFIG_PATH]: read("auth/kubeconfig-kubelet") },
      ...options,
    });
    const port = await bed.forwarder.open(address, 6443);
    const api = new Api({ port, ca: read("tls/ca.crt"), cert: read("tls/admin.crt"), key: read("tls/admin.key") });
    const startFrom = (directory: string, ...flags: string[]) =>
      node.runForResult([...KUBEMEND, "start", `--asset-dir=${directory}`, ...flags], { timeoutSeconds: 400 });
    return {
      bed,
      etcd,
      node,
      assetDir,
      api,
      start: (...flags) => startFrom(assetDir, ...flags),
      startFrom,
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

/** The machine's connection tracking is not a node's to configure here. */
function tameProxy(path: string): void {
  const manifest = parse(readFileSync(path, "utf8"));
  manifest.spec.template.spec.containers[0].command.push("--conntrack-max-per-core=0");
  writeFileSync(path, stringify(manifest));
}
