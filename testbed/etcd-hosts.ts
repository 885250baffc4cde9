/**
 * Hosts whose etcd is a service of their own, as kubeadm's external etcd: each a machine with etcd, its file of
 * variables, and as much of systemd as says where its data is, stops it and starts it.
 */
import type { Bed } from "./bed.ts";
import type { Kubernetes } from "./kubernetes.ts";
import { type Node, startNode } from "./node.ts";
import { Authority } from "./pki.ts";
import { programOnPath } from "./requirements.ts";
import { waitFor } from "./wait.ts";

export const EXTERNAL_PKI = "/etc/kubernetes/pki/external-etcd";
const DATA_DIR = "/var/lib/etcd/data";

export interface EtcdHosts {
  readonly hosts: readonly Node[];
  /** What a control-plane node needs, by path: kubeadm is told of them. */
  readonly clientFiles: Readonly<Record<string, string>>;
}

/** Makes the hosts `e1`, `e2`, …, and waits until their etcd serves. */
export async function startEtcdHosts(bed: Bed, kubernetes: Kubernetes, size: number): Promise<EtcdHosts> {
  const authority = await Authority.create(bed.path("pki", "external-etcd"), "etcd-ca");
  const names = Array.from({ length: size }, (_, i) => `e${i + 1}`);
  const hosts: Node[] = [];
  for (const name of names) hosts.push(await startNode(bed, kubernetes, name, { kubelet: false }));
  const peers = hosts.map(({ name, address }) => `${name}=https://${address}:2380`).join(",");
  for (const host of hosts) {
    const { name, address } = host;
    const about = { commonName: name, use: "peer", names: [address, "127.0.0.1", "localhost", name] } as const;
    const { certificate, key } = await authority.issue(name, about);
    const variables = {
      NAME: name,
      DATA_DIR,
      INITIAL_CLUSTER: peers,
      INITIAL_CLUSTER_TOKEN: bed.id,
      LISTEN_CLIENT_URLS: `https://${address}:2379`,
      ADVERTISE_CLIENT_URLS: `https://${address}:2379`,
      LISTEN_PEER_URLS: `https://${address}:2380`,
      INITIAL_ADVERTISE_PEER_URLS: `https://${address}:2380`,
      CLIENT_CERT_AUTH: "true",
      PEER_CLIENT_CERT_AUTH: "true",
      ...Object.fromEntries(
        ["", "PEER_"].flatMap((kind) => [
          [`${kind}CERT_FILE`, "/etc/etcd/server.crt"],
          [`${kind}KEY_FILE`, "/etc/etcd/server.key"],
          [`${kind}TRUSTED_CA_FILE`, "/etc/etcd/ca.crt"],
        ]),
      ),
    };
    const lines = Object.entries(variables).map(([variable, value]) => `ETCD_${variable}="${value}"\n`);
    await host.write("/etc/etcd/etcd.env", lines.join(""));
    await host.write("/etc/etcd/server.crt", certificate);
    await host.write("/etc/etcd/server.key", key);
    await host.write("/etc/etcd/ca.crt", authority.certificate);
    await host.write("/opt/testbed/etcd.sh", SUPERVISOR);
    await host.write("/opt/testbed/bin/systemctl", SYSTEMCTL);
    await host.run(["chmod", "-R", "0755", "/opt/testbed"]);
    host.startService("etcd", ["sh", "/opt/testbed/etcd.sh", programOnPath("etcd") ?? "etcd"]);
  }
  const client = await authority.issue("apiserver-etcd-client", { commonName: "kube-apiserver", use: "client" });
  const clientFiles = {
    [`${EXTERNAL_PKI}/ca.crt`]: authority.certificate,
    [`${EXTERNAL_PKI}/client.crt`]: client.certificate,
    [`${EXTERNAL_PKI}/client.key`]: client.key,
  };
  const access = [
    `--cacert=${authority.certificatePath}`,
    `--cert=${client.certificatePath}`,
    `--key=${client.keyPath}`,
  ];
  const endpoints = `--endpoints=${endpointsOf(hosts).join(",")}`;
  const health = ["etcdctl", endpoints, ...access, "--command-timeout=2s", "endpoint", "health"];
  await waitFor("the hosts' etcd to serve", () => bed.run(health, { env: { ETCDCTL_API: "3" } }), { seconds: 60 });
  return { hosts, clientFiles };
}

export function endpointsOf(hosts: readonly Node[]): string[] {
  return hosts.map(({ address }) => `https://${address}:2379`);
}

/** The data dir's parent belongs to nobody else here: root runs it. */
const SUPERVISOR = `mkdir -p /run/systemd/system
rm -f /run/etcd.stopped
while :; do
  if [ -e /run/etcd.stopped ]; then sleep 0.2; continue; fi
  (set -a; . /etc/etcd/etcd.env; exec "$1") &
  echo $! >/run/etcd.pid
  wait $! || true
  rm -f /run/etcd.pid
  sleep 1
done
`;

const SYSTEMCTL = `#!/bin/sh
# As much of systemctl as kubemend asks of it, for one unit: etcd.
while case "\${1:-}" in -*) true ;; *) false ;; esac; do shift; done
verb="\${1:-}"; shift || true
while case "\${1:-}" in -*) true ;; *) false ;; esac; do shift; done
unit="\${1:-}"; unit="\${unit%.service}"
pid() { cat /run/etcd.pid 2>/dev/null; }
if [ "$unit" != etcd ]; then [ "$verb" = show ] && echo "LoadState=not-found" && exit 0; exit 5; fi
case "$verb" in
  show) echo "LoadState=loaded
ActiveState=$([ -n "$(pid)" ] && echo active || echo inactive)
MainPID=$(pid || echo 0)
User=
Group=
WorkingDirectory=
Environment=
EnvironmentFiles=/etc/etcd/etcd.env (ignore_errors=no)
ExecStart={ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd ; ignore_errors=no ; pid=0 }" ;;
  start) rm -f /run/etcd.stopped ;;
  stop) touch /run/etcd.stopped; p="$(pid)"; [ -z "$p" ] || { kill "$p"; while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; } ;;
  *) exit 1 ;;
esac
`;
