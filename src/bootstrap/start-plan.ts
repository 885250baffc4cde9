/**
 * What `start` is to put on the node and to create, read from an asset dir; and everything that is wrong with it,
 * before anything is touched.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { ComponentName } from "../kube/component.ts";
import { containerIndexOf, programOf } from "../kube/component.ts";
import { flagValue } from "../kube/container-flags.ts";
import { isObject, objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR } from "./fix-up.ts";
import { manifestYaml } from "./manifest.ts";
import { creationOrder, type ManifestObject, parseManifest } from "./manifest-objects.ts";
import { dialOnlyRecoveredEtcd, isBootstrapEtcd, type RecoveredEtcd, recoveredEtcd } from "./recovered-etcd.ts";

/** A file of the asset dir. */
export interface AssetFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly isExecutable: boolean;
}

export interface StartPlan {
  /** For the kubelet's manifest directory, by file name. */
  readonly pods: readonly BootstrapManifest[];
  /** For `/etc/kubernetes/bootstrap-secrets`, by path below it. */
  readonly secrets: readonly AssetFile[];
  /** Where the assets bring etcd back, too. */
  readonly etcd: EtcdPlan | undefined;
  /** To create, in order. */
  readonly objects: readonly ManifestObject[];
}

export interface EtcdPlan extends RecoveredEtcd {
  /** By path below {@link RECOVERED_ETCD_SECRETS}. */
  readonly secrets: readonly AssetFile[];
}

export interface BootstrapManifest {
  readonly fileName: string;
  readonly bytes: Uint8Array;
  readonly pod: KubeObject;
  readonly component: ComponentName | undefined;
  /** What an API server listens on. */
  readonly port: number | undefined;
}

const DEFAULT_SECURE_PORT = 6443;
const MIGRATION = "etcd/migrate-etcd-cluster.json";
const ETCD_SERVICE = "etcd/bootstrap-etcd-service.json";
const decoder = new TextDecoder();

/** Throws `config-invalid` with all that is wrong. */
export function planStart(files: readonly AssetFile[], now: Date): StartPlan {
  const problems: string[] = [];
  const collect = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      problems.push(error.message);
      return undefined;
    }
  };
  const under = (folder: string) =>
    files
      .filter(({ path }) => path.startsWith(`${folder}/`))
      .map((file) => ({ ...file, path: file.path.slice(folder.length + 1) }));
  const kubeconfig = files.find(({ path }) => path === "auth/kubeconfig");
  if (kubeconfig === undefined) problems.push("auth/kubeconfig is missing");
  const secrets = [...under("tls"), ...(kubeconfig === undefined ? [] : [{ ...kubeconfig, path: "kubeconfig" }])];
  const isManifest = ({ path }: AssetFile) =>
    /\.(ya?ml|json)$/.test(path) && !path.split("/").some((part) => part.startsWith("."));
  const all = under("bootstrap-manifests")
    .filter(isManifest)
    .flatMap((file) => collect(() => bootstrapManifest(file)) ?? []);
  const boot = all.find(({ pod }) => isBootstrapEtcd(pod));
  const member = boot === undefined ? undefined : collect(() => recoveredEtcd(boot.pod));
  const pods = all.filter((each) => each !== boot).map((each) => dialing(each, member));
  if (boot === undefined && files.some(({ path }) => path === MIGRATION)) {
    problems.push(`${MIGRATION} is there, and bootstrap-manifests/ has no etcd that says how it is restored`);
  }
  if (pods.length === 0 && problems.length === 0) problems.push("bootstrap-manifests/ has no pods");
  for (const { pod, fileName } of all) {
    for (const path of secretPaths(pod)) {
      if (secrets.some((file) => file.path === path || file.path.startsWith(`${path}/`))) continue;
      problems.push(
        `bootstrap-manifests/${fileName} needs ${path === "kubeconfig" ? "auth/kubeconfig" : `tls/${path}`}, which is missing`,
      );
    }
  }
  problems.push(...certificateProblems(secrets, now));
  const objects = files
    .filter((file) => (file.path.startsWith("manifests/") && isManifest(file)) || file.path === ETCD_SERVICE)
    .flatMap((file) => collect(() => parseManifest(file.path, decoder.decode(file.bytes))) ?? []);
  if (problems.length > 0) {
    throw new MendError("config-invalid", `the asset dir cannot be started:\n${[...new Set(problems)].join("\n")}`, {
      hint: "render or recover it again",
    });
  }
  const etcd = member === undefined ? undefined : { ...member, secrets: member.hasTls ? under("tls/etcd") : [] };
  return { pods, secrets, etcd, objects: creationOrder(objects) };
}

function dialing(manifest: BootstrapManifest, etcd: RecoveredEtcd | undefined): BootstrapManifest {
  if (etcd === undefined || manifest.component !== "kube-apiserver") return manifest;
  const pod = dialOnlyRecoveredEtcd(manifest.pod, etcd.ports);
  return { ...manifest, pod, bytes: new TextEncoder().encode(manifestYaml(pod)) };
}

function bootstrapManifest(file: AssetFile): BootstrapManifest {
  const path = `bootstrap-manifests/${file.path}`;
  const [first, ...more] = parseManifest(path, decoder.decode(file.bytes));
  if (first === undefined || more.length > 0 || first.object.kind !== "Pod" || file.path.includes("/")) {
    throw new MendError("config-invalid", `"${path}" is not the manifest of one pod`);
  }
  const spec = objectOf(first.object.spec);
  const component = objectsOf(spec.containers)
    .map(programOf)
    .find((found) => found !== undefined);
  const container = component === undefined ? undefined : objectsOf(spec.containers)[containerIndexOf(component, spec)];
  const port =
    component === "kube-apiserver"
      ? Number(flagValue(defined(container), "secure-port") ?? DEFAULT_SECURE_PORT)
      : undefined;
  return { fileName: file.path, bytes: file.bytes, pod: first.object, component, port };
}

/** Paths below the secrets directory that a pod mounts. */
function secretPaths(pod: KubeObject): string[] {
  return objectsOf(objectOf(pod.spec).volumes).flatMap((volume: JsonObject) => {
    const path = isObject(volume.hostPath) ? textOf(volume.hostPath.path) : "";
    return path.startsWith(`${BOOTSTRAP_SECRETS_DIR}/`) ? [path.slice(BOOTSTRAP_SECRETS_DIR.length + 1)] : [];
  });
}

/** A control plane whose certificate has expired starts, and then nobody can talk to it: better to be warned now. */
function certificateProblems(secrets: readonly AssetFile[], now: Date): string[] {
  return secrets
    .filter(({ path }) => path.endsWith(".crt"))
    .flatMap(({ path, bytes }) => {
      let certificate: X509Certificate;
      try {
        certificate = new X509Certificate(bytes);
      } catch {
        return [`tls/${path} is no certificate`];
      }
      const day = (date: Date) => date.toISOString().slice(0, 10);
      if (certificate.validToDate < now)
        return [`the certificate tls/${path} expired on ${day(certificate.validToDate)}`];
      if (certificate.validFromDate > now) {
        return [
          `the certificate tls/${path} is valid from ${day(certificate.validFromDate)} on: is this machine's clock right?`,
        ];
      }
      const key = secrets.find((file) => file.path === path.replace(/\.crt$/, ".key"));
      return key === undefined || belongs(certificate, key.bytes)
        ? []
        : [`tls/${path.replace(/\.crt$/, ".key")} is not the key of tls/${path}`];
    });
}

function belongs(certificate: X509Certificate, key: Uint8Array): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(Buffer.from(key)));
  } catch {
    return false;
  }
}
