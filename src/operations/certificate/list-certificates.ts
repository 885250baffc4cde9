/**
 * Every certificate and kubeconfig of this node, as kubeadm lays them out: what for, by which authority, until when,
 * and what is wrong with it.
 */
import type { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import {
  AUTHORITIES,
  type AuthorityName,
  CERTIFICATES,
  KUBECONFIGS,
  KUBELET_CONFIG,
  KUBELET_PURPOSE,
} from "../../certificates/kubeadm.ts";
import { MendError } from "../../errors/errors.ts";
import {
  belongsTogether,
  certificateOf,
  kubeconfigCertificates,
  missingCertificateFiles,
} from "../../io/files/certificate-files.ts";

export interface CertificatePlaces {
  /** `/etc/kubernetes` unless set otherwise. */
  readonly kubernetesDir: string;
  /** `/var/lib/kubelet` unless set otherwise. */
  readonly kubeletDir: string;
}

export type CertificateState =
  | "valid"
  /** Within 30 days. */
  | "expires"
  | "expired"
  | "not-yet-valid"
  | "missing"
  | "unreadable"
  /** Its private key is missing, or of another certificate. */
  | "key-missing"
  | "key-mismatch"
  /** The authority that is here did not sign it. */
  | "wrong-authority";

export interface ListedCertificate {
  readonly name: string;
  readonly file: string;
  readonly purpose: string;
  readonly state: CertificateState;
  /** Null where there is none to be read, as the next two. */
  readonly subject: string | null;
  /** RFC 3339. */
  readonly notAfter: string | null;
  readonly names: readonly string[];
  /** The authority that signs it on this node; null for one that signs itself. */
  readonly authority: AuthorityName | null;
  /** Whether that authority's key is not here, so that it cannot be renewed here. */
  readonly externallyManaged: boolean;
}

interface ListedAuthority {
  readonly name: AuthorityName;
  readonly file: string;
  readonly state: CertificateState;
  readonly notAfter: string | null;
  readonly hasKey: boolean;
  /** What it means that it cannot sign; null where it can. */
  readonly loss: string | null;
}

export interface CertificateList {
  readonly certificates: readonly ListedCertificate[];
  readonly authorities: readonly ListedAuthority[];
  /** The key that signs the tokens of service accounts. */
  readonly serviceAccountKey: { readonly file: string; readonly state: "present" | "missing" | "not-here" };
  /** Whether anything of Kubernetes is on this machine; without it the lists are empty. */
  readonly hasKubernetes: boolean;
}

const SOON_MS = 30 * 86_400_000;

export function listCertificates(places: CertificatePlaces, now: number): CertificateList {
  const at = (path: string) => join(places.kubernetesDir, path);
  if (!hasKubernetes(places)) {
    const serviceAccountKey = { file: at("pki/sa.key"), state: "not-here" } as const;
    return { certificates: [], authorities: [], serviceAccountKey, hasKubernetes: false };
  }
  const authorities = AUTHORITIES.map((each): ListedAuthority => {
    const certificate = certificateOf(at(each.certificate));
    const hasKey = existsSync(at(each.key));
    const fits = certificate === undefined || !hasKey ? undefined : belongsTogether(certificate, at(each.key));
    const state = fits === false ? "key-mismatch" : stateOf(certificate, at(each.certificate), now);
    return {
      name: each.name,
      file: at(each.certificate),
      state,
      notAfter: certificate === undefined ? null : certificate.validToDate.toISOString(),
      hasKey,
      loss: hasKey && certificate !== undefined && state !== "expired" && fits !== false ? null : each.loss,
    };
  });
  const signs = new Map(AUTHORITIES.map((each) => [each.name, certificateOf(at(each.certificate))]));
  const keyOf = new Map(authorities.map(({ name, hasKey }) => [name, hasKey]));

  const listed = (
    given: Pick<ListedCertificate, "name" | "file" | "purpose" | "authority">,
    certificate: X509Certificate | undefined,
    key?: string,
  ): ListedCertificate => ({
    ...given,
    state:
      keyState(certificate, key) ?? signedState(certificate, given, signs) ?? stateOf(certificate, given.file, now),
    subject: certificate?.subject?.replaceAll("\n", ", ") ?? null,
    notAfter: certificate === undefined ? null : certificate.validToDate.toISOString(),
    names: namesOf(certificate),
    externallyManaged: given.authority !== null && keyOf.get(given.authority) !== true,
  });
  const role = roleOf(places);
  const certificates = CERTIFICATES.filter(
    ({ name }) => role.isControlPlaneNode && (role.hasEtcd || !/^etcd-/.test(name)),
  ).map(({ name, certificate, key, purpose, authority }) =>
    listed({ name, file: at(certificate), purpose, authority }, certificateOf(at(certificate)), at(key)),
  );
  const configs = KUBECONFIGS.filter(
    ({ file, onFirstNodeOnly }) => existsSync(at(file)) || (role.isControlPlaneNode && onFirstNodeOnly !== true),
  ).map(({ file, purpose }) =>
    listed({ name: file, file: at(file), purpose, authority: "ca" }, kubeconfigCertificates(at(file))[0]?.certificate),
  );
  return {
    certificates: [...configs, ...certificates, ...kubelets(places, listed), ...others(places, listed)],
    authorities: authorities.filter(
      ({ name }) => name === "ca" || (role.isControlPlaneNode && (role.hasEtcd || name !== "etcd-ca")),
    ),
    serviceAccountKey: {
      file: at("pki/sa.key"),
      state: !role.isControlPlaneNode ? "not-here" : existsSync(at("pki/sa.key")) ? "present" : "missing",
    },
    hasKubernetes: true,
  };
}

export function noKubernetes({ kubernetesDir }: CertificatePlaces): MendError {
  return new MendError("not-found", "there is no Kubernetes on this machine", {
    where: kubernetesDir,
    hint: "run it on a node, or copy the authorities with their keys to pki first",
  });
}

/** Whether a node was ever set up here. A kubelet that was only installed brings an empty directory of manifests along. */
function hasKubernetes({ kubernetesDir, kubeletDir }: CertificatePlaces): boolean {
  const { isControlPlaneNode, hasEtcd } = roleOf({ kubernetesDir, kubeletDir });
  const isThere = (path: string) => existsSync(join(kubernetesDir, path));
  const isNode = [KUBELET_CONFIG, "bootstrap-kubelet.conf", ...AUTHORITIES.map(({ certificate }) => certificate)].some(
    isThere,
  );
  const hasKubelet = ["config.yaml", "kubeadm-flags.env", "pki"].some((path) => existsSync(join(kubeletDir, path)));
  return (
    isControlPlaneNode ||
    hasEtcd ||
    isNode ||
    hasKubelet ||
    fileNames(kubernetesDir).some((name) => name.endsWith(".conf"))
  );
}

/** A worker has no more than its kubelet's, and where etcd is elsewhere there is nothing of its own here. */
function roleOf({ kubernetesDir }: CertificatePlaces): {
  readonly isControlPlaneNode: boolean;
  readonly hasEtcd: boolean;
} {
  const isThere = (path: string) => existsSync(join(kubernetesDir, path));
  const ofControlPlaneNode = [
    ...AUTHORITIES.map(({ key }) => key),
    ...CERTIFICATES.map(({ certificate }) => certificate),
    ...KUBECONFIGS.filter(({ calls }) => calls === "own").map(({ file }) => file),
    ...["pki/sa.key", "manifests/kube-apiserver.yaml"],
  ];
  const ofEtcd = ["pki/etcd/ca.key", "pki/etcd/server.crt", "pki/etcd/peer.crt", "manifests/etcd.yaml"];
  return { isControlPlaneNode: ofControlPlaneNode.some(isThere), hasEtcd: ofEtcd.some(isThere) };
}

/**
 * The kubelet's current certificate. The link to it is absolute, and of another machine's disk leads nowhere: then it
 * is the file of that name beside it.
 */
function kubeletClientFile({ kubeletDir }: CertificatePlaces): string | undefined {
  const current = join(kubeletDir, "pki/kubelet-client-current.pem");
  if (existsSync(current)) return current;
  try {
    const beside = join(kubeletDir, "pki", basename(readlinkSync(current)));
    return existsSync(beside) ? beside : undefined;
  } catch {
    return undefined; // no link
  }
}

type List = (
  given: Pick<ListedCertificate, "name" | "file" | "purpose" | "authority">,
  certificate: X509Certificate | undefined,
  key?: string,
) => ListedCertificate;

function kubelets(places: CertificatePlaces, listed: List): ListedCertificate[] {
  const { kubernetesDir, kubeletDir } = places;
  const config = join(kubernetesDir, KUBELET_CONFIG);
  const client = kubeletClientFile(places);
  const serving = join(kubeletDir, "pki/kubelet.crt");
  // kubelet.conf names the PEM file by an absolute path, which may be another machine's.
  const embedded = kubeconfigCertificates(config)[0]?.certificate;
  const certificate = (client === undefined ? undefined : certificateOf(client)) ?? embedded;
  const lost = certificate === undefined ? missingCertificateFiles(config)[0] : undefined;
  const given = { name: KUBELET_CONFIG, file: client ?? lost ?? config, purpose: KUBELET_PURPOSE };
  return [
    listed({ ...given, authority: "ca" }, certificate),
    ...(existsSync(serving)
      ? [
          listed(
            {
              name: "kubelet-serving",
              file: serving,
              purpose: "the kubelet, to the API server's calls",
              authority: null,
            },
            certificateOf(serving),
          ),
        ]
      : []),
  ];
}

/** Kubeconfigs that an administrator has put beside kubeadm's. */
function others({ kubernetesDir }: CertificatePlaces, listed: List): ListedCertificate[] {
  const known = new Set([...KUBECONFIGS.map(({ file }) => file), KUBELET_CONFIG, "bootstrap-kubelet.conf"]);
  return fileNames(kubernetesDir)
    .filter((file) => /\.(?:conf|kubeconfig)$/.test(file) && !known.has(file))
    .flatMap((file) => {
      const [found] = kubeconfigCertificates(join(kubernetesDir, file));
      if (found === undefined) return [];
      return [
        listed(
          { name: file, file: join(kubernetesDir, file), purpose: "a kubeconfig", authority: "ca" },
          found.certificate,
        ),
      ];
    });
}

function fileNames(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function stateOf(certificate: X509Certificate | undefined, file: string, now: number): CertificateState {
  if (certificate === undefined) return existsSync(file) ? "unreadable" : "missing";
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (now > to) return "expired";
  if (now < from) return "not-yet-valid";
  return to - now < SOON_MS ? "expires" : "valid";
}

function keyState(certificate: X509Certificate | undefined, key: string | undefined): CertificateState | undefined {
  if (certificate === undefined || key === undefined) return undefined;
  if (!existsSync(key)) return "key-missing";
  return belongsTogether(certificate, key) === false ? "key-mismatch" : undefined;
}

function signedState(
  certificate: X509Certificate | undefined,
  { authority }: Pick<ListedCertificate, "authority">,
  signs: ReadonlyMap<AuthorityName, X509Certificate | undefined>,
): CertificateState | undefined {
  const signer = authority === null ? undefined : signs.get(authority);
  if (certificate === undefined || signer === undefined) return undefined;
  return certificate.checkIssued(signer) && certificate.verify(signer.publicKey) ? undefined : "wrong-authority";
}

function namesOf(certificate: X509Certificate | undefined): string[] {
  const text = certificate?.subjectAltName ?? "";
  return text === "" ? [] : text.split(", ").map((name) => name.replace(/^(?:DNS|IP Address):/, ""));
}
