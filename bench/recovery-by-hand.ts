/**
 * What people do by hand when the etcd of all control-plane nodes is lost, as Kubernetes' and etcd's documentation say
 * it, but for the time that a person takes to read, to think and to type: node after node over ssh, each command as
 * soon as the one before has ended, and what has to be waited for is looked at every 5 s.
 *
 * usage: recovery-by-hand.ts KUBECTL BACKUP SSH NAME=ADDRESS...   (SSH: the words of the client, with spaces between)
 */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 5000;
const [kubectlProgram = "", backup = "", ssh = "", ...rest] = process.argv.slice(2);
const nodes = rest.map((each) => each.split("=") as [name: string, address: string]);
const token = `restored-${Date.now()}`;
const cluster = nodes.map(([name, address]) => `${name}=https://${address}:2380`).join(",");
const MANIFESTS = "/etc/kubernetes/manifests";
const PKI = "/etc/kubernetes/pki/etcd";

function on(address: string, command: string, stdin?: string): Promise<{ code: number; stdout: string }> {
  const [program = "ssh", ...words] = ssh.split(" ");
  const child = spawn(program, [...words, address, command], { stdio: ["pipe", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  if (stdin === undefined) child.stdin.end();
  else createReadStream(stdin).pipe(child.stdin);
  return new Promise((resolve, reject) =>
    child.on("error", reject).on("close", (code) => resolve({ code: code ?? -1, stdout })),
  );
}

async function done(address: string, command: string, stdin?: string): Promise<string> {
  const { code, stdout } = await on(address, command, stdin);
  if (code !== 0) throw new Error(`"${command}" on ${address} ends with ${code}: ${stdout}`);
  return stdout;
}

async function lookUntil(address: string, command: string): Promise<void> {
  while ((await on(address, command)).code !== 0) await sleep(LOOK_MS);
}

for (const [, address] of nodes) await done(address, "cat >/root/backup.db", backup);
for (const [, address] of nodes) await done(address, `mkdir -p /root/kept && mv ${MANIFESTS}/*.yaml /root/kept/`);
for (const [, address] of nodes) {
  await lookUntil(address, "! pgrep -x 'etcd|kube-apiserver|kube-controller|kube-scheduler' >/dev/null");
}
for (const [name, address] of nodes) {
  const flags = [
    "--data-dir=/root/restored",
    `--name=${name}`,
    `--initial-cluster=${cluster}`,
    `--initial-cluster-token=${token}`,
    `--initial-advertise-peer-urls=https://${address}:2380`,
  ];
  await done(address, `ETCDCTL_API=3 etcdctl snapshot restore /root/backup.db ${flags.join(" ")} 2>&1`);
  // /var/lib/etcd is a mount point here, as where etcd has a disk of its own.
  await done(
    address,
    "mkdir -p /root/old; [ ! -e /var/lib/etcd/member ] || mv /var/lib/etcd/member /root/old/; " +
      "cp -a /root/restored/member /var/lib/etcd/ && rm -r /root/restored",
  );
}
for (const [, address] of nodes) await done(address, `mv /root/kept/etcd.yaml ${MANIFESTS}/`);
const [[, first] = ["", ""]] = nodes;
const endpoints = nodes.map(([, address]) => `https://${address}:2379`).join(",");
const tls = `--cacert=${PKI}/ca.crt --cert=${PKI}/server.crt --key=${PKI}/server.key`;
await lookUntil(first, `ETCDCTL_API=3 etcdctl --endpoints=${endpoints} ${tls} endpoint health >/dev/null 2>&1`);
for (const [, address] of nodes) await done(address, `mv /root/kept/*.yaml ${MANIFESTS}/`);
const kubectl = `${kubectlProgram} --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s`;
await lookUntil(first, `${kubectl} get nodes >/dev/null 2>&1`);
const isAll = `awk '{split($3, n, "/"); if (n[1] != n[2] || $4 != "Running") exit 1}'`;
await lookUntil(first, `${kubectl} get pods --all-namespaces --no-headers 2>/dev/null | ${isAll}`);
