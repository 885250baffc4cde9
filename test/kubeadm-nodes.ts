/** Real control-plane nodes of kubeadm, as files: see `fixtures/kubeadm-k136-nodes`. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

type Files = Readonly<Record<string, string | { readonly link: string }>>;

export interface KubeadmNode {
  readonly kubernetesDir: string;
  readonly kubeletDir: string;
  /** The flags that name the two. */
  readonly flags: readonly string[];
}

/** Writes the files of a node, `m1` or `m2`, below a directory. */
export function writeNode(node: "m1" | "m2", directory: string): KubeadmNode {
  const packed = readFileSync(join(import.meta.dirname, "fixtures/kubeadm-k136-nodes/nodes.json.gz"));
  const files = JSON.parse(gunzipSync(packed).toString("utf8")) as Files;
  for (const [path, content] of Object.entries(files)) {
    if (!path.startsWith(`${node}/`)) continue;
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof content === "string") writeFileSync(file, content, { mode: path.endsWith(".crt") ? 0o644 : 0o600 });
    else symlinkSync(content.link, file);
  }
  const kubernetesDir = join(directory, node, "etc/kubernetes");
  const kubeletDir = join(directory, node, "var/lib/kubelet");
  return { kubernetesDir, kubeletDir, flags: [`--kubernetes-dir=${kubernetesDir}`, `--kubelet-dir=${kubeletDir}`] };
}
