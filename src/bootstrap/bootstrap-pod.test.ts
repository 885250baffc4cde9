import { expect, test } from "vitest";
import { companions, configMap, object, secret, type WorkloadShape, workload } from "../../test/cluster-objects.ts";
import type { SelfHostedControlPlane } from "../controlplane/flavours/self-hosted.ts";
import { selectControlPlane } from "../controlplane/select.ts";
import type { Finding } from "../errors/errors.ts";
import { objectsOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { AssetSet } from "./asset.ts";
import { bootstrapPod } from "./bootstrap-pod.ts";

interface Outcome {
  readonly spec: JsonObject;
  readonly manifest: JsonObject;
  readonly container: JsonObject;
  /** Text by path; bytes that are no text as base64. */
  readonly files: Readonly<Record<string, string>>;
  readonly modes: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** The bootstrap pod of a component of that shape, beside plain companions. */
function outcome(component: string, shape: WorkloadShape, others: readonly KubeObject[] = [], url?: string): Outcome {
  const rest = companions().filter((each) => each.metadata.name !== component);
  const api = component === "kube-apiserver" ? [] : [workload("kube-apiserver")];
  const plane = selectControlPlane([workload(component, shape), ...api, ...rest, ...others]) as SelfHostedControlPlane;
  const assets = new AssetSet();
  const findings: Finding[] = [];
  const found = plane.workloads.find((each) => each.component === component)!;
  const bootEtcd = url === undefined ? undefined : { url, isTls: url.startsWith("https") };
  const { manifest } = bootstrapPod(found, plane, bootEtcd, assets, findings);
  const spec = manifest.spec as JsonObject;
  const sorted = assets.sorted();
  return {
    spec,
    manifest,
    container: objectsOf(spec.containers)[0]!,
    files: Object.fromEntries(
      sorted.map((asset) => [asset.path, Buffer.from(asset.content as Uint8Array).toString("utf8")]),
    ),
    modes: Object.fromEntries(sorted.map((asset) => [asset.path, asset.mode])),
    notes: findings.map((finding) => finding.code),
  };
}

test("runs as root on the host network, by itself: nothing of the scheduler's or of a service account's is left", () => {
  const { spec, manifest, container } = outcome("kube-scheduler", {
    annotations: {
      "checkpointer.alpha.coreos.com/checkpoint": "true",
      "seccomp.security.alpha.kubernetes.io/pod": "runtime/default",
    },
    spec: {
      nodeSelector: { master: "" },
      affinity: {},
      tolerations: [{ operator: "Exists" }],
      serviceAccountName: "kube-scheduler",
      serviceAccount: "kube-scheduler",
      automountServiceAccountToken: true,
      schedulerName: "default-scheduler",
      dnsPolicy: "ClusterFirstWithHostNet",
      securityContext: { runAsNonRoot: true, runAsUser: 65534, fsGroup: 5, seLinuxOptions: { level: "s0" } },
      initContainers: [{ name: "wait", image: "busybox", securityContext: { runAsUser: 1 } }],
    },
    container: {
      securityContext: { runAsUser: 99, capabilities: { drop: ["ALL"] } },
      ports: [{ name: "http", containerPort: 10251, hostPort: 1 }],
      livenessProbe: { httpGet: { path: "/healthz", port: "http" } },
    },
  });
  expect(manifest.metadata).toEqual({
    name: "bootstrap-kube-scheduler",
    namespace: "kube-system",
    annotations: { "seccomp.security.alpha.kubernetes.io/pod": "runtime/default" },
  });
  expect(Object.keys(spec).sort()).toEqual([
    "containers",
    "dnsPolicy",
    "hostNetwork",
    "initContainers",
    "securityContext",
    "terminationGracePeriodSeconds",
    "volumes",
  ]);
  expect(spec).toMatchObject({
    hostNetwork: true,
    dnsPolicy: "Default",
    initContainers: [{ name: "wait", image: "busybox" }],
  });
  expect(spec.securityContext).toEqual({ seLinuxOptions: { level: "s0" }, runAsUser: 0 });
  expect(container.securityContext).toEqual({ capabilities: { drop: ["ALL"] } });
  // the permanent pod may declare the same, and has to fit beside it
  expect(container).not.toHaveProperty("ports");
  expect(container.livenessProbe).toEqual({ httpGet: { path: "/healthz", port: 10251 } });
});

test("the kubeconfig: a flag, and a file mounted where nothing else is", () => {
  const { spec, container } = outcome("kube-controller-manager", {});
  expect(container.command).toEqual(["/hyperkube", "kube-controller-manager", "--kubeconfig=/kubeconfig/kubeconfig"]);
  expect(container.volumeMounts).toEqual([{ mountPath: "/kubeconfig/kubeconfig", name: "kubeconfig", readOnly: true }]);
  expect(spec.volumes).toEqual([
    { name: "kubeconfig", hostPath: { path: "/etc/kubernetes/bootstrap-secrets/kubeconfig", type: "File" } },
  ]);
});

test("the kubeconfig: flags that are there already, a volume of that name, a mount of that place", () => {
  const { spec, container, files } = outcome(
    "kube-scheduler",
    {
      container: {
        command: ["kube-scheduler"],
        args: ["--kubeconfig=/kubeconfig/in-cluster", "--authentication-kubeconfig", "/kubeconfig/in-cluster"],
        volumeMounts: [{ name: "kubeconfig", mountPath: "/kubeconfig" }],
      },
      spec: { volumes: [{ name: "kubeconfig", configMap: { name: "in-cluster", defaultMode: 420 } }] },
    },
    [configMap("kube-system/in-cluster", { "in-cluster": "x" })],
  );
  expect(container.args).toEqual([
    "--kubeconfig=/kubeconfig-2/kubeconfig",
    "--authentication-kubeconfig",
    "/kubeconfig-2/kubeconfig",
  ]);
  expect(objectsOf(spec.volumes).map((volume) => volume.name)).toEqual(["kubeconfig", "kubeconfig-2"]);
  expect(files).toEqual({ "tls/config-maps/in-cluster/in-cluster": "x" });
});

test("the kubeconfig: a shell's script is changed where it names one, and otherwise left with a note", () => {
  const named = outcome("kube-scheduler", {
    container: { command: ["sh", "-c", "exec kube-scheduler --kubeconfig=/x --v=2"] },
  });
  expect(named.container.command).toEqual([
    "sh",
    "-c",
    "exec kube-scheduler --kubeconfig=/kubeconfig/kubeconfig --v=2",
  ]);
  expect(named.notes).toEqual([]);
  const bare = outcome("kube-scheduler", { container: { command: ["sh", "-c", "exec kube-scheduler --v=2"] } });
  expect(bare.notes).toEqual(["kubeconfig-not-set"]);
});

test("secrets and config maps as files, byte for byte, also what is not text", () => {
  const bytes = Uint8Array.from([0, 255, 254, 128]);
  const { spec, files, modes } = outcome(
    "kube-apiserver",
    {
      spec: {
        volumes: [
          { name: "s", secret: { secretName: "s", defaultMode: 256 } },
          { name: "c", configMap: { name: "c", defaultMode: 493 } },
          { name: "host", hostPath: { path: "/etc/ssl" } },
        ],
      },
      container: { volumeMounts: [{ name: "s", mountPath: "/s/ca.crt", subPath: "ca.crt" }] },
    },
    [
      secret("kube-system/s", { "ca.crt": "CA", raw: bytes }),
      configMap("kube-system/c", { "run.sh": "#!/bin/sh" }, { bin: "AP8=" }),
    ],
  );
  expect(spec.volumes).toEqual([
    { name: "s", hostPath: { path: "/etc/kubernetes/bootstrap-secrets/secrets/s" } },
    { name: "c", hostPath: { path: "/etc/kubernetes/bootstrap-secrets/config-maps/c" } },
    { name: "host", hostPath: { path: "/etc/ssl" } },
  ]);
  expect(Object.keys(files)).toEqual([
    "tls/config-maps/c/bin",
    "tls/config-maps/c/run.sh",
    "tls/secrets/s/ca.crt",
    "tls/secrets/s/raw",
  ]);
  expect(modes).toMatchObject({ "tls/config-maps/c/run.sh": 0o700, "tls/secrets/s/ca.crt": 0o600 });
  expect(objectsOf(objectsOf(spec.containers)[0]!.volumeMounts)[0]).toMatchObject({ subPath: "ca.crt" });
});

test("items with paths and modes, projected volumes, optional ones that are not there", () => {
  const { spec, files, modes, notes } = outcome(
    "kube-apiserver",
    {
      spec: {
        volumes: [
          { name: "some", secret: { secretName: "s", items: [{ key: "a", path: "deep/A", mode: 448 }] } },
          {
            name: "all",
            projected: {
              sources: [
                { secret: { name: "s", items: [{ key: "b", path: "x" }] } },
                { configMap: { name: "c" } },
                { serviceAccountToken: { path: "token" } },
              ],
            },
          },
          { name: "none", secret: { secretName: "gone", optional: true } },
        ],
      },
    },
    [secret("kube-system/s", { a: "A", b: "B" }), configMap("kube-system/c", { x: "from the config map" })],
  );
  expect(files).toEqual({
    "tls/volumes/bootstrap-kube-apiserver/all/x": "from the config map",
    "tls/volumes/bootstrap-kube-apiserver/some/deep/A": "A",
  });
  expect(modes["tls/volumes/bootstrap-kube-apiserver/some/deep/A"]).toBe(0o700);
  expect(objectsOf(spec.volumes)[1]).toEqual({
    name: "all",
    hostPath: { path: "/etc/kubernetes/bootstrap-secrets/volumes/bootstrap-kube-apiserver/all" },
  });
  expect(objectsOf(spec.volumes)[2]).toEqual({ name: "none", emptyDir: {} });
  expect(notes).toEqual(["projection-dropped"]);
});

test("environment from secrets and config maps becomes values, in the kubelet's order of precedence", () => {
  const { container, notes } = outcome(
    "kube-apiserver",
    {
      container: {
        envFrom: [
          { configMapRef: { name: "c" } },
          { prefix: "P_", secretRef: { name: "s" } },
          { secretRef: { name: "gone", optional: true } },
        ],
        env: [
          { name: "OWN", value: "$(A)" },
          { name: "B", valueFrom: { secretKeyRef: { name: "s", key: "b" } } },
          { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
          { name: "RAW", valueFrom: { secretKeyRef: { name: "s", key: "raw" } } },
        ],
      },
    },
    [
      configMap("kube-system/c", { A: "a", B: "overridden", "1bad": "x" }),
      secret("kube-system/s", { b: "cost $5 $(A)", raw: Uint8Array.of(255) }),
    ],
  );
  expect(container.env).toEqual([
    { name: "A", value: "a" },
    { name: "P_b", value: "cost $$5 $$(A)" },
    { name: "OWN", value: "$(A)" },
    { name: "B", value: "cost $$5 $$(A)" },
    { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
  ]);
  expect(container.envFrom).toBeUndefined();
  expect(notes).toEqual(["environment-binary", "environment-binary"]);
});

test("the API server dials the boot member too, with a certificate for it, and no flag of a longer name is touched", () => {
  const command = [
    "kube-apiserver",
    "--etcd-servers=https://10.3.0.15:2379",
    "--etcd-servers-overrides=/events#https://e:2379",
  ];
  const { container, spec, notes } = outcome(
    "kube-apiserver",
    { container: { command } },
    [],
    "https://127.0.0.1:12379",
  );
  expect(container.command).toEqual([
    "kube-apiserver",
    "--etcd-servers=https://10.3.0.15:2379,https://127.0.0.1:12379",
    "--etcd-servers-overrides=/events#https://e:2379",
    "--etcd-cafile=/etcd-client-tls/etcd-client-ca.crt",
    "--etcd-certfile=/etcd-client-tls/etcd-client.crt",
    "--etcd-keyfile=/etcd-client-tls/etcd-client.key",
  ]);
  expect(objectsOf(spec.volumes)).toHaveLength(3);
  expect(notes).toEqual([]);
  const plain = outcome("kube-apiserver", {}, [], "http://127.0.0.1:12379");
  expect(plain.container.command).toEqual([
    "/hyperkube",
    "kube-apiserver",
    "--etcd-servers=http://10.0.0.1:2379,http://127.0.0.1:12379",
  ]);
});

test("what a static pod cannot have is reported", () => {
  const { notes, spec } = outcome("kube-apiserver", {
    spec: {
      imagePullSecrets: [{ name: "registry" }],
      runtimeClassName: "gvisor",
      volumes: [{ name: "v", persistentVolumeClaim: { claimName: "audit" } }],
    },
  });
  expect(notes).toEqual(["pull-secrets-dropped", "runtime-class-dropped", "volume-claim"]);
  expect(spec).not.toHaveProperty("imagePullSecrets");
});

test("names that lead out of the asset dir are refused", () => {
  const evil = object("v1", "Secret", "kube-system/s", { data: { "../../../etc/passwd": "eA==" } });
  const shape = { spec: { volumes: [{ name: "s", secret: { secretName: "s" } }] } };
  expect(() => outcome("kube-apiserver", shape, [evil])).toThrow(
    expect.objectContaining({ code: "object-unreadable" }),
  );
});
