import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { answeredObjects, mirrorPod } from "../../test/cluster-objects.ts";
import type { StaticPodControlPlane } from "../controlplane/flavours/static-pods.ts";
import { selectControlPlane } from "../controlplane/select.ts";
import type { JsonObject } from "../kube/object.ts";
import { manifestYaml } from "./manifest.ts";
import { staticPodManifest } from "./static-pod.ts";

const MANIFESTS = join(import.meta.dirname, "../../test/fixtures/kubeadm-k120/manifests");
const plane = selectControlPlane(answeredObjects("kubeadm-k120/pods.json.gz")) as StaticPodControlPlane;
const original = (name: string) => parse(readFileSync(join(MANIFESTS, `${name}.yaml`), "utf8")) as JsonObject;

/** What the kubelet takes for written, wherever a manifest leaves it out: so that both sides say it. */
function withDefaults(manifest: JsonObject): JsonObject {
  const text = JSON.stringify(manifest, (key, value) => {
    if (/Probe$/.test(key))
      return { failureThreshold: 3, periodSeconds: 10, successThreshold: 1, timeoutSeconds: 1, ...value };
    if (key === "httpGet") return { scheme: "HTTP", ...value };
    if (key === "hostPath") return { type: "", ...value };
    if (key === "containers") return value.map((each: object) => ({ imagePullPolicy: "IfNotPresent", ...each }));
    return value;
  });
  return JSON.parse(text) as JsonObject;
}

test.each(plane.nodes[0]!.pods)("$name comes back as its manifest was", (pod) => {
  const recovered = parse(manifestYaml(staticPodManifest(pod))) as JsonObject;
  expect(withDefaults(recovered)).toEqual(withDefaults(original(pod.name)));
});

test("what was written and differs from the default stays, what was added goes", () => {
  const spec = {
    containers: [
      {
        name: "kube-apiserver",
        image: "kube-apiserver:latest",
        imagePullPolicy: "Always",
        ports: [{ containerPort: 6443, hostPort: 6443, name: "https", protocol: "TCP" }],
        env: [{ name: "IP", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "status.podIP" } } }],
        livenessProbe: {
          httpGet: { path: "/livez", port: 6443, scheme: "HTTPS" },
          timeoutSeconds: 15,
          failureThreshold: 3,
        },
        lifecycle: { preStop: { httpGet: { path: "/x", port: 1, scheme: "HTTP" } } },
        resources: {},
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: [
          { name: "certs", mountPath: "/certs", readOnly: true },
          { name: "kube-api-access-x", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true },
        ],
      },
    ],
    dnsPolicy: "ClusterFirst",
    priority: 2000001000,
    priorityClassName: "system-node-critical",
    preemptionPolicy: "PreemptLowerPriority",
    securityContext: { seccompProfile: { type: "RuntimeDefault" } },
    terminationGracePeriodSeconds: 60,
    tolerations: [
      { operator: "Exists", effect: "NoExecute" },
      { key: "own", operator: "Exists" },
      { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
    ],
    volumes: [
      { name: "certs", hostPath: { path: "/etc/ssl/certs", type: "" } },
      { name: "kube-api-access-x", projected: { defaultMode: 420, sources: [] } },
    ],
  };
  const pod = {
    name: "kube-apiserver",
    component: "kube-apiserver",
    mirrorPod: mirrorPod("kube-apiserver", "m1", { spec }),
  } as const;
  expect(staticPodManifest(pod).spec).toEqual({
    hostNetwork: true,
    containers: [
      {
        name: "kube-apiserver",
        image: "kube-apiserver:latest",
        ports: [{ containerPort: 6443, name: "https" }],
        env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
        livenessProbe: { httpGet: { path: "/livez", port: 6443, scheme: "HTTPS" }, timeoutSeconds: 15 },
        lifecycle: { preStop: { httpGet: { path: "/x", port: 1 } } },
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: [{ name: "certs", mountPath: "/certs", readOnly: true }],
      },
    ],
    priorityClassName: "system-node-critical",
    securityContext: { seccompProfile: { type: "RuntimeDefault" } },
    terminationGracePeriodSeconds: 60,
    tolerations: [{ key: "own", operator: "Exists" }],
    volumes: [{ name: "certs", hostPath: { path: "/etc/ssl/certs" } }],
  });
});

test("a node with capital letters, and a priority of one's own", () => {
  const pod = mirrorPod("kube-vip", "master1", { spec: { nodeName: "Master1", priority: 7 } });
  const manifest = staticPodManifest({ name: "kube-vip", component: undefined, mirrorPod: pod });
  expect(manifest.metadata).toEqual({
    name: "kube-vip",
    namespace: "kube-system",
    labels: { component: "kube-vip", tier: "control-plane" },
  });
  expect((manifest.spec as JsonObject).priority).toBe(7);
});
