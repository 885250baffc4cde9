/**
 * A cluster that held its own etcd, run by etcd-operator, as bootkube 0.4 to 0.8 made them, is lost whole but for a
 * backup. There is no such operator to run any more: the objects that it left in etcd are made here, in a cluster whose
 * etcd is outside, before the backup is taken.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { ETCD } from "../../testbed/images.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { KUBEMEND, type RenderedCluster, renderedCluster } from "./rendered-cluster.ts";
import { expectNothingTemporary, expectStarted, expectWebServes, startKilledAtEveryStep } from "./starting.ts";
import { webDeployment } from "./workloads.ts";

const SERVICE_ADDRESS = "10.96.0.15";
const BOOT_ADDRESS = "10.96.0.20";
const API_SERVER = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-apiserver";
const CLUSTERS = "/apis/etcd.database.coreos.com/v1beta2/namespaces/kube-system/etcdclusters";

describeWithCluster("a self-hosted control plane with its etcd inside", (kubernetes) => {
  longTest("comes back from a backup alone, with etcd as a static pod that stays", async () => {
    await using cluster = await renderedCluster(kubernetes, { images: [ETCD] });
    const { node, api, bed, etcd } = cluster;
    expectStarted(await cluster.start("--timeout=5m"), node);
    await api.apply(webDeployment(2));
    await expectWebServes(cluster, 2);
    await addEtcdOperatorsObjects(cluster);
    const kubemend = (...args: string[]) => node.run([...KUBEMEND, ...args], { timeoutSeconds: 60 });
    const tls = [
      `--cacert=${etcd.authority.certificatePath}`,
      `--cert=${etcd.client.certificatePath}`,
      `--key=${etcd.client.keyPath}`,
    ];
    const backup = bed.path("backup.db");
    await kubemend("snapshot", "save", backup, `--endpoints=${etcd.endpoints.join(",")}`, ...tls);

    await etcd.members[0]!.kill();
    etcd.members[0]!.loseDisk();
    await node.loseDisk();
    const recovered = bed.path("recovered");
    const kubeconfig = `--kubeconfig=${join(cluster.assetDir, "auth/kubeconfig")}`;
    const reported = await kubemend(
      "recover",
      `--recovery-dir=${recovered}`,
      `--etcd-backup-file=${backup}`,
      kubeconfig,
    );
    expect(reported).toContain(`sudo kubemend start --asset-dir=${recovered}`);
    await startKilledAtEveryStep(node, recovered, ["restoring etcd from", "restored etcd into", "etcd: static pod"]);

    await expectNothingTemporary(node, "recovered-etcd.yaml\n");
    await expectWebServes(cluster, 2);
    expect(await api.list(CLUSTERS)).toEqual([]);
    const running = (await node.containers()).filter((name) => name.includes("etcd"));
    expect(running).toEqual(["kube-system/recovered-etcd-node1/etcd"]);
    // It is the only etcd there is, and backups can be made of it.
    await kubemend("snapshot", "save", bed.path("next.db"), "--endpoints=https://127.0.0.1:2379", ...tls);
    // A start once more finds nothing to do, and does not restore over what was written since.
    await api.post("/api/v1/namespaces", { metadata: { name: "since" } });
    expectStarted(await cluster.startFrom(recovered, "--timeout=3m"), node);
    await api.get("/api/v1/namespaces/since");
  });
});

/** In the end the kubelet is stopped: the API server's next pod would find no etcd behind that service. */
async function addEtcdOperatorsObjects({ api, etcd, node }: RenderedCluster): Promise<void> {
  const names = [SERVICE_ADDRESS, BOOT_ADDRESS, "127.0.0.1", "*.kube-etcd.kube-system.svc.cluster.local"];
  const member = await etcd.authority.issue("self-hosted", { commonName: "etcd", use: "peer", names });
  const secret = (name: string, stringData: Record<string, string>) =>
    api.applyObject({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "kube-system" }, stringData });
  const { certificate: ca } = etcd.authority;
  for (const side of ["server", "peer"]) {
    await secret(`etcd-${side}-tls`, {
      [`${side}-ca.crt`]: ca,
      [`${side}.crt`]: member.certificate,
      [`${side}.key`]: member.key,
    });
  }
  await secret("etcd-client-tls", {
    "etcd-client-ca.crt": ca,
    "etcd-client.crt": etcd.client.certificate,
    "etcd-client.key": etcd.client.key,
  });
  await api.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: etcdclusters.etcd.database.coreos.com}
spec:
  group: etcd.database.coreos.com
  names: {kind: EtcdCluster, listKind: EtcdClusterList, plural: etcdclusters, singular: etcdcluster}
  scope: Namespaced
  versions:
  - {name: v1beta2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: etcd.database.coreos.com/v1beta2
kind: EtcdCluster
metadata: {name: kube-etcd, namespace: kube-system}
spec:
  size: 1
  version: v3.1.8
  TLS:
    static:
      member: {peerSecret: etcd-peer-tls, serverSecret: etcd-server-tls}
      operatorSecret: etcd-client-tls
  selfHosted: {bootMemberClientEndpoint: "https://${BOOT_ADDRESS}:12379"}
---
apiVersion: v1
kind: Service
metadata: {name: etcd-service, namespace: kube-system}
spec:
  clusterIP: ${SERVICE_ADDRESS}
  selector: {app: etcd, etcd_cluster: kube-etcd}
  ports: [{name: client, port: 2379, targetPort: 2379, protocol: TCP}]
---
apiVersion: v1
kind: Pod
metadata:
  name: kube-etcd-0000
  namespace: kube-system
  labels: {app: etcd, etcd_cluster: kube-etcd, etcd_node: kube-etcd-0000}
spec:
  containers: [{name: etcd, image: "${ETCD.name}", imagePullPolicy: IfNotPresent, command: [/bin/sleep, "2147483647"]}]
  nodeName: node1
  restartPolicy: Never
`);
  // The API server dials the service from its next pod on.
  const { spec } = await api.get(API_SERVER);
  const containers = JSON.parse(
    JSON.stringify(spec.template.spec.containers).replace(
      /--etcd-servers=[^"]*/,
      `--etcd-servers=https://${SERVICE_ADDRESS}:2379`,
    ),
  );
  await api.patch(API_SERVER, {
    spec: { updateStrategy: { type: "OnDelete", rollingUpdate: null }, template: { spec: { containers } } },
  });
  // Without its kubelet the API server continues until its next pod is in etcd.
  await node.stopKubelet();
  const pods = "/api/v1/namespaces/kube-system/pods";
  for (const { metadata } of await api.list(`${pods}?labelSelector=k8s-app%3Dkube-apiserver`)) {
    await api.delete(`${pods}/${metadata.name}`, { gracePeriodSeconds: 0 });
  }
  await waitFor("the API server's next pod", async () =>
    (await etcd.etcdctl("get", "--prefix", "/registry/pods/kube-system/kube-apiserver-")).includes(SERVICE_ADDRESS),
  );
}
