/**
 * Self-hosted etcd comes back in two steps, as in bootkube 0.8 (pkg/recovery/etcd_template.go): a boot member that
 * starts from the backup, and then the EtcdCluster recreated, whose first member joins the boot member, takes the data
 * over and sees it off.
 */
import type { SelfHostedEtcd } from "../controlplane/control-plane.ts";
import { ETCD_CLUSTER_GROUP, hostOf } from "../controlplane/self-hosted-etcd.ts";
import { isObject, objectOf } from "../kube/fields.ts";
import type { JsonObject } from "../kube/object.ts";
import { BOOTSTRAP_SECRETS_DIR, type BootEtcd } from "./fix-up.ts";

const CLIENT_PORT = 12379;
const PEER_PORT = 12380;
const MEMBER_NAME = "boot-etcd";

/** Where the backup is and how it is to be read. */
export interface EtcdBackup {
  /** Absolute, on the node that runs the boot member; not an archive. */
  readonly path: string;
  /** Whether the file ends in its SHA-256, as `etcdctl snapshot save` writes it: `etcdctl` then checks it once more. */
  readonly hasHash: boolean;
  /** The prefix in etcd, without a slash at the end. */
  readonly etcdPrefix: string;
  /** Makes the boot member's cluster another one than that which was lost, so that a survivor of it cannot join. */
  readonly clusterToken: string;
}

export function bootEtcdOf(etcd: SelfHostedEtcd): BootEtcd {
  const isTls = etcd.tls !== undefined;
  return { url: `${isTls ? "https" : "http"}://127.0.0.1:${CLIENT_PORT}`, isTls };
}

/** What `start` needs to know beyond the pod, which it does not run as it is: {@link RECOVERY_ANNOTATION} holds it as JSON. */
export interface EtcdRecovery {
  /** Absolute path of the backup. */
  readonly backup: string;
  readonly hasHash: boolean;
  readonly name: string;
  readonly peerUrl: string;
  readonly clusterToken: string;
  /** Keys of the EtcdCluster and its members' pods. */
  readonly leaveOut: readonly string[];
  /** Where else clients find the member. */
  readonly listen: readonly string[];
  readonly labels: { readonly [name: string]: string };
  /** What the permanent API server dials. */
  readonly servers: readonly string[];
}

export const RECOVERY_ANNOTATION = "kubemend/etcd-recovery";

function etcdRecovery(etcd: SelfHostedEtcd, backup: EtcdBackup, peerUrl: string): EtcdRecovery {
  const { etcdPrefix } = backup;
  return {
    backup: backup.path,
    hasHash: backup.hasHash,
    name: MEMBER_NAME,
    peerUrl,
    clusterToken: backup.clusterToken,
    leaveOut: [
      `${etcdPrefix}/${ETCD_CLUSTER_GROUP}/etcdclusters/${etcd.namespace}/${etcd.name}`,
      ...etcd.memberPods.map((name) => `${etcdPrefix}/pods/${etcd.namespace}/${name}`),
    ],
    listen: listenUrls(etcd),
    labels: etcd.memberLabels,
    servers: etcd.servers,
  };
}

/** Each port once: on all addresses where others than this machine's own programs may come, which with TLS is no harm. */
function listenUrls(etcd: SelfHostedEtcd): string[] {
  const scheme = etcd.tls === undefined ? "http" : "https";
  const urls = new Map<number, string>([[etcd.memberPort, `${scheme}://0.0.0.0:${etcd.memberPort}`]]);
  for (const server of etcd.servers.filter((url) => ["127.0.0.1", "localhost"].includes(hostOf(url)))) {
    const [, asked, port] = /^(https?):.*?:(\d+)\/?$/.exec(server) ?? [];
    if (port === undefined) continue;
    if (asked !== scheme) urls.set(Number(port), `${asked}://127.0.0.1:${port}`);
    else if (!urls.has(Number(port))) urls.set(Number(port), `${scheme}://127.0.0.1:${port}`);
  }
  return [...urls.values()];
}

/**
 * Restores the backup once, even when the pod starts again; then takes the old EtcdCluster and its members out of it before any API server
 * serves them, or etcd-operator would find that cluster dead and give it up.
 */
const RESTORE_SCRIPT = `if [ -e /var/etcd/restored ]; then exit 0; fi
rm -rf /var/etcd/data
etcdctl snapshot restore /var/etcd-backup/snapshot.db --data-dir=/var/etcd/data --name=${MEMBER_NAME} \\
  --initial-cluster="${MEMBER_NAME}=$PEER_URL" --initial-advertise-peer-urls="$PEER_URL" \\
  --initial-cluster-token="$CLUSTER_TOKEN" --skip-hash-check="$SKIP_HASH_CHECK"
etcd --name=${MEMBER_NAME} --data-dir=/var/etcd/data --listen-peer-urls=http://127.0.0.1:32380 \\
  --listen-client-urls=http://127.0.0.1:32379 --advertise-client-urls=http://127.0.0.1:32379 &
etcd_pid=$!
until etcdctl --endpoints=http://127.0.0.1:32379 endpoint health; do kill -0 $etcd_pid; sleep 1; done
etcdctl --endpoints=http://127.0.0.1:32379 del "$ETCD_CLUSTER_KEY"
etcdctl --endpoints=http://127.0.0.1:32379 del --prefix "$MEMBER_PODS_PREFIX"
kill $etcd_pid
wait $etcd_pid || true
touch /var/etcd/restored
`;

export function bootstrapEtcdPod(etcd: SelfHostedEtcd, backup: EtcdBackup): JsonObject {
  const scheme = etcd.tls === undefined ? "http" : "https";
  const address = etcd.bootServiceIp.includes(":") ? `[${etcd.bootServiceIp}]` : etcd.bootServiceIp;
  const peerUrl = `${scheme}://${address}:${PEER_PORT}`;
  const data = { name: "etcd", mountPath: "/var/etcd" };
  const annotations = { [RECOVERY_ANNOTATION]: JSON.stringify(etcdRecovery(etcd, backup, peerUrl)) };
  const environment = {
    ETCDCTL_API: "3",
    PEER_URL: peerUrl,
    CLUSTER_TOKEN: backup.clusterToken,
    SKIP_HASH_CHECK: String(!backup.hasHash),
    ETCD_CLUSTER_KEY: `${backup.etcdPrefix}/${ETCD_CLUSTER_GROUP}/etcdclusters/${etcd.namespace}/${etcd.name}`,
    MEMBER_PODS_PREFIX: `${backup.etcdPrefix}/pods/${etcd.namespace}/${etcd.name}-`,
  };
  const restore = {
    name: "restore",
    image: etcd.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-ec", RESTORE_SCRIPT],
    env: Object.entries(environment).map(([name, value]) => ({ name, value: value.replaceAll("$", "$$$$") })),
    volumeMounts: [data, { name: "backup", mountPath: "/var/etcd-backup/snapshot.db", readOnly: true }],
  };
  const member = {
    name: "etcd",
    image: etcd.image,
    imagePullPolicy: "IfNotPresent",
    command: [
      "etcd",
      `--name=${MEMBER_NAME}`,
      "--data-dir=/var/etcd/data",
      `--listen-client-urls=${scheme}://0.0.0.0:${CLIENT_PORT}`,
      `--listen-peer-urls=${scheme}://0.0.0.0:${PEER_PORT}`,
      `--advertise-client-urls=${scheme}://${address}:${CLIENT_PORT}`,
      ...(etcd.tls === undefined ? [] : TLS_FLAGS),
    ],
    volumeMounts: etcd.tls === undefined ? [data] : [data, { name: "secrets", mountPath: SECRETS, readOnly: true }],
  };
  const secrets = { name: "secrets", hostPath: { path: `${BOOTSTRAP_SECRETS_DIR}/etcd`, type: "Directory" } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "bootstrap-etcd", namespace: etcd.namespace, labels: { "k8s-app": MEMBER_NAME }, annotations },
    spec: {
      // The members that etcd-operator starts are known by names of the cluster's own DNS.
      dnsPolicy: "ClusterFirstWithHostNet",
      hostNetwork: true,
      // Seen off by the new members it ends with success, and stays ended.
      restartPolicy: "OnFailure",
      securityContext: { runAsUser: 0 },
      initContainers: [restore],
      containers: [member],
      volumes: [
        { name: "etcd", emptyDir: {} },
        { name: "backup", hostPath: { path: backup.path, type: "File" } },
        ...(etcd.tls === undefined ? [] : [secrets]),
      ],
    },
  };
}

const SECRETS = "/etc/kubernetes/secrets/etcd";
const TLS_FLAGS = [
  "--client-cert-auth=true",
  `--trusted-ca-file=${SECRETS}/server-ca.crt`,
  `--cert-file=${SECRETS}/server.crt`,
  `--key-file=${SECRETS}/server.key`,
  "--peer-client-cert-auth=true",
  `--peer-trusted-ca-file=${SECRETS}/peer-ca.crt`,
  `--peer-cert-file=${SECRETS}/peer.crt`,
  `--peer-key-file=${SECRETS}/peer.key`,
];

/** The service that the new members reach the boot member by. */
export function bootstrapEtcdService(etcd: SelfHostedEtcd): JsonObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "bootstrap-etcd-service", namespace: etcd.namespace },
    spec: {
      selector: { "k8s-app": MEMBER_NAME },
      clusterIP: etcd.bootServiceIp,
      ports: [
        { name: "client", port: CLIENT_PORT, protocol: "TCP" },
        { name: "peers", port: PEER_PORT, protocol: "TCP" },
      ],
    },
  };
}

/** The EtcdCluster to be recreated: its definition without its state, and with the boot member to take over from. */
export function migrateEtcdCluster(etcd: SelfHostedEtcd): JsonObject {
  const address = etcd.bootServiceIp.includes(":") ? `[${etcd.bootServiceIp}]` : etcd.bootServiceIp;
  const bootMemberClientEndpoint = `${etcd.tls === undefined ? "http" : "https"}://${address}:${CLIENT_PORT}`;
  const selfHosted = isObject(etcd.spec.selfHosted) ? objectOf(etcd.spec.selfHosted) : {};
  return {
    apiVersion: etcd.apiVersion,
    kind: "EtcdCluster",
    metadata: { name: etcd.name, namespace: etcd.namespace },
    spec: { ...etcd.spec, selfHosted: { bootMemberClientEndpoint, ...selfHosted } },
  };
}
