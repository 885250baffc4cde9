/**
 * What a text calls an input of an operation: `pass ${input("etcdPrefix")}`. How a user gives it, by a flag or by an
 * option of the library, is not known here: the command line writes its flag in place of the name. The marks around a
 * name are noncharacters of Unicode, which no other text has.
 */
const INPUTS = [
  "allow",
  "allowControlPlaneLoss",
  "allowDamagedEtcd",
  "allowMissing",
  "api",
  "apiServerAltNames",
  "apiServers",
  "assetDir",
  "atRevision",
  "bumpRevision",
  "caCert",
  "caKey",
  "cacert",
  "cert",
  "certificateDays",
  "cluster",
  "commandTimeout",
  "compact",
  "containerRuntimeEndpoint",
  "context",
  "dataDir",
  "deleteEmptydirData",
  "encryptionConfig",
  "endpoints",
  "etcdBackupFile",
  "etcdCaPath",
  "etcdCertificatePath",
  "etcdDataDir",
  "etcdPrefix",
  "etcdPrivateKeyPath",
  "etcdServers",
  "exclude",
  "force",
  "forceDeletePods",
  "identity",
  "ignoreDaemonsets",
  "image",
  "initialAdvertisePeerUrls",
  "initialCluster",
  "initialClusterToken",
  "insecureDiscovery",
  "insecureSkipTlsVerify",
  "keepEtcd",
  "keepIn",
  "key",
  "kubeconfig",
  "kubeletDir",
  "kubernetesVersion",
  "logDir",
  "markCompacted",
  "metricsAddress",
  "name",
  "namespace",
  "networkProvider",
  "node",
  "nodeCommand",
  "nodeName",
  "outputFile",
  "password",
  "passwordFile",
  "peerUrls",
  "physical",
  "podCidr",
  "podManifestPath",
  "protectManifests",
  "recoveryDir",
  "remove",
  "replace",
  "restoredFrom",
  "selector",
  "serviceCidr",
  "set",
  "skipContainers",
  "skipHashCheck",
  "survivorWalDir",
  "takenFrom",
  "timeout",
  "to",
  "toRevision",
  "undo",
  "user",
  "walDir",
  "watch",
  "without",
  "workDir",
] as const;

export type Input = (typeof INPUTS)[number];

const OPEN = "\ufdd0";
const CLOSE = "\ufdd1";
const MARKED = new RegExp(`${OPEN}(${INPUTS.join("|")})${CLOSE}`, "g");

/** The name of an input, marked as one. */
export function input(name: Input): string {
  return `${OPEN}${name}${CLOSE}`;
}

/** The text with `nameOf` each input in place of its marked name. */
export function withInputs(text: string, nameOf: (input: Input) => string): string {
  return text.includes(OPEN) ? text.replace(MARKED, (_, name: Input) => nameOf(name)) : text;
}

/** The text with the names alone, for users of the library: `pass etcdPrefix`. */
export function plainText(text: string): string {
  return withInputs(text, (name) => name);
}
