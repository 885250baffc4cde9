/**
 * What a control-plane node needs on its disk that etcd does not hold, and from where each file that is missing comes
 * back: the files that a backup agent stored, secret `kubeadm-certs`, another control-plane node, the authority whose
 * key is there, the backup's own config maps. What comes from nowhere is named, with how to get it.
 */
import { CERTIFICATES, KUBECONFIGS, KUBELET_CONFIG } from "../certificates/kubeadm.ts";
import { SHARED_FILES } from "../certificates/kubeadm-certs.ts";

export const KUBERNETES = "/etc/kubernetes";
export const KUBELET_CONFIGURATION = "/var/lib/kubelet/config.yaml";

/** Where the content of a file comes from. */
type FileOrigin =
  | { readonly from: "repository" | "kubeadm-certs" | "backup" }
  /** From a control-plane node that has it: these files are the same on all. */
  | { readonly from: "node"; readonly node: string }
  /** Made again, by the authority whose key is there. */
  | { readonly from: "authority" };

export type PlannedFile = FileOrigin & { readonly path: string };

export interface NeedsInput {
  readonly node: string;
  /** Files that the node's static pods name, by the backup. */
  readonly named: readonly string[];
  /** All that are missing of these and of {@link wantedFiles}. */
  readonly missing: readonly string[];
  /** What a backup agent stored of this node. */
  readonly stored: ReadonlySet<string>;
  /** Paths that secret `kubeadm-certs` has, where its key was given. */
  readonly certs: ReadonlySet<string>;
  /** Shared files of the other nodes of the plan, by node. */
  readonly elsewhere: ReadonlyMap<string, readonly string[]>;
  /** Paths that config maps of the backup have: public certificates of authorities, the kubelets' common configuration. */
  readonly inBackup: ReadonlySet<string>;
}

export interface NodeNeeds {
  readonly files: readonly PlannedFile[];
  /** Sentences about what no source has and nothing works without. */
  readonly lacking: readonly string[];
  /** Sentences about what no source has and the control plane starts without. */
  readonly unmade: readonly string[];
}

/** Besides what static pods name: what the kubelet and the proofs of a restore need, and the authorities' keys. */
export function wantedFiles(named: readonly string[]): string[] {
  const ours = [
    ...SHARED_FILES.map((file) => `pki/${file}`),
    ...KUBECONFIGS.filter(({ onFirstNodeOnly }) => !onFirstNodeOnly).map(({ file }) => file),
    KUBELET_CONFIG,
  ];
  // An etcd of another machine has nothing here.
  const isEtcds = (path: string) => path.startsWith("pki/etcd/");
  const hasEtcd = named.some((path) => path.startsWith(`${KUBERNETES}/pki/etcd/`));
  const below = ours.filter((path) => hasEtcd || !isEtcds(path)).map((path) => `${KUBERNETES}/${path}`);
  return [...new Set([...named, ...below, KUBELET_CONFIGURATION])].sort();
}

export function planFiles(input: NeedsInput): NodeNeeds {
  const { missing, named, node } = input;
  const files: PlannedFile[] = [];
  const left: string[] = [];
  for (const path of missing) {
    const origin = copyOf(path, input);
    if (origin === undefined) left.push(path);
    else files.push({ path, ...origin });
  }
  const willBeThere = (path: string) => !missing.includes(path) || files.some((file) => file.path === path);
  const lacking: string[] = [];
  const unmade: string[] = [];
  for (const path of left) {
    const signer = signerOf(path);
    if (signer?.every(willBeThere) === true) {
      files.push({ path, from: "authority" });
      continue;
    }
    const sentence = `node "${node}": ${path} is missing${howToGet(
      path,
      signer?.find((each) => !willBeThere(each)),
    )}`;
    const isNeeded = named.includes(path) || !isSpare(path);
    (isNeeded ? lacking : unmade).push(sentence);
  }
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), lacking, unmade };
}

function copyOf(path: string, input: NeedsInput): FileOrigin | undefined {
  if (input.stored.has(path)) return { from: "repository" };
  if (isShared(path)) {
    const holder = [...input.elsewhere].find(([, paths]) => paths.includes(path))?.[0];
    if (holder !== undefined) return { from: "node", node: holder };
    if (input.certs.has(path)) return { from: "kubeadm-certs" };
  }
  return input.inBackup.has(path) ? { from: "backup" } : undefined;
}

/** Authority's certificate and key of what kubeadm's certificates and kubeconfigs are; undefined for other files. */
function signerOf(path: string): readonly string[] | undefined {
  const name = path.slice(KUBERNETES.length + 1);
  if (name === "pki/sa.pub") return [`${KUBERNETES}/pki/sa.key`];
  const certificate = CERTIFICATES.find((each) => each.certificate === name || each.key === name);
  const isConfig = KUBECONFIGS.some(({ file }) => file === name) || name === KUBELET_CONFIG;
  const authority = certificate?.authority ?? (isConfig ? "ca" : undefined);
  if (authority === undefined) return undefined;
  const place = authority === "etcd-ca" ? "etcd/ca" : authority;
  return [`${KUBERNETES}/pki/${place}.crt`, `${KUBERNETES}/pki/${place}.key`];
}

function isShared(path: string): boolean {
  return SHARED_FILES.some((file) => path === `${KUBERNETES}/pki/${file}`);
}

/** Keys that sign certificates and nothing that runs reads, as long as no certificate has to be made. */
function isSpare(path: string): boolean {
  return isShared(path);
}

function howToGet(path: string, signer: string | undefined): string {
  if (isShared(path)) {
    const isToken = /\/sa\.(?:key|pub)$/.test(path);
    const remade = isToken
      ? "a new pair works too, and makes every token of a service account invalid"
      : "else make a new authority (kubeadm init phase certs), which every node and kubeconfig that trusts the old one must get";
    return (
      ": copy it from a control-plane node, a disk or a backup of one, or give kubeadm's certificate key if " +
      `its secret kubeadm-certs is in the backup; ${remade}`
    );
  }
  if (signer !== undefined) return `, and it cannot be made without ${signer}: copy one of the two from a backup`;
  if (path === KUBELET_CONFIGURATION) return ": the backup has no ConfigMap kubelet-config: copy it from another node";
  return ": nothing but a backup of the node has it: copy it from there, or from another control-plane node";
}
