/** `certificate renew all`: every certificate and kubeconfig of this node whose authority's key is here, in one go. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CertificatePlaces, type ListedCertificate, listCertificates, noKubernetes } from "./list-certificates.ts";
import { type Renewed, renewCertificates } from "./renew-certificates.ts";

export interface RenewAllOptions extends CertificatePlaces {
  /** Undefined: as long as the old one was valid, and a year at least. */
  readonly days: number | undefined;
  readonly dryRun: boolean;
  readonly now: number;
}

export interface RenewedAll {
  readonly renewed: readonly Renewed[];
  readonly skipped: readonly Skipped[];
  /** What does not take a new certificate up by itself, a sentence each. */
  readonly restarts: readonly string[];
}

interface Skipped {
  readonly file: string;
  readonly why: string;
  /** Whether nothing is amiss: the kubelet renews its own. */
  readonly isFine: boolean;
}

export async function renewAll(options: RenewAllOptions): Promise<RenewedAll> {
  const { certificates, hasKubernetes } = listCertificates(options, options.now);
  if (!hasKubernetes) throw noKubernetes(options);
  const skipped: Skipped[] = [];
  const files: string[] = [];
  for (const each of certificates) {
    const reason = whyNot(each);
    if (reason === undefined) files.push(each.file);
    else skipped.push({ file: each.file, ...reason });
  }
  const { days, dryRun, now } = options;
  const authorityDirs = ["pki", "pki/etcd"].map((each) => join(options.kubernetesDir, each));
  const given = { files, authority: undefined, authorityDirs, key: undefined };
  const renewed = await renewCertificates({ ...given, days, dryRun, now });
  return { renewed, skipped, restarts: renewed.length === 0 ? [] : restartsFor(certificates, files) };
}

function whyNot({
  name,
  state,
  authority,
  externallyManaged,
  file,
}: ListedCertificate): Omit<Skipped, "file"> | undefined {
  const failed = (why: string) => ({ why, isFine: false });
  if (name === "kubelet-serving" || authority === null) {
    return { why: "the kubelet makes it itself when it is started", isFine: true };
  }
  if (state === "missing") return existsSync(file) ? undefined : failed("it is missing: see certificate issue");
  if (state === "unreadable") return failed("it cannot be read: move it away, and see certificate issue");
  if (state === "wrong-authority") return failed(`it was not signed by "${authority}" of this node`);
  if (externallyManaged) {
    const way = name === "kubelet.conf" && state === "expired" ? ": see certificate list" : "";
    return failed(`the key of its authority "${authority}" is not here${way}`);
  }
  if (name === "kubelet.conf" && state !== "expired") {
    return { why: "the kubelet renews it itself while it is valid", isFine: true };
  }
  return undefined;
}

/** API servers since 1.17 and etcd read a new certificate by themselves; what is a client with a kubeconfig reads it when it is started. */
function restartsFor(certificates: readonly ListedCertificate[], files: readonly string[]): string[] {
  const renewed = (name: string) => certificates.some((each) => each.name === name && files.includes(each.file));
  const static_ = [
    "controller-manager.conf",
    "scheduler.conf",
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "etcd-server",
    "etcd-peer",
  ];
  return [
    ...(static_.some(renewed)
      ? [
          "the control plane's static pods: move their manifests out of the manifest directory, wait 20 s, and move them back",
        ]
      : []),
    ...(renewed("kubelet.conf") ? ["the kubelet"] : []),
    ...(renewed("admin.conf") ? ["copies of admin.conf, such as ~/.kube/config, are to be replaced"] : []),
  ];
}
