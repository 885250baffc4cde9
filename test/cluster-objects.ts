/** Small clusters for tests: objects in the shapes that Kubernetes had over the years. Real ones are in `test/fixtures`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { JsonObject, KubeObject } from "../src/kube/object.ts";

/** What an API server answered, from a fixture such as `kubeadm-k120/pods.json.gz`. */
export function answeredObjects(path: string): KubeObject[] {
  const bytes = gunzipSync(readFileSync(join(import.meta.dirname, "fixtures", path)));
  return (JSON.parse(bytes.toString("utf8")) as { items: KubeObject[] }).items;
}

export function object(apiVersion: string, kind: string, place: string, rest: JsonObject = {}): KubeObject {
  const slash = place.indexOf("/");
  const name = place.slice(slash + 1);
  const metadata = slash < 0 ? { name } : { name, namespace: place.slice(0, slash) };
  return { apiVersion, kind, ...rest, metadata: { ...metadata, ...((rest.metadata as JsonObject) ?? {}) } };
}

export interface WorkloadShape {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly labels?: { readonly [name: string]: string };
  readonly spec?: JsonObject;
  readonly container?: JsonObject;
  readonly annotations?: { readonly [name: string]: string };
}

/** A DaemonSet or Deployment of a component; `container` and `spec` add to its pod template. */
export function workload(component: string, shape: WorkloadShape = {}): KubeObject {
  const { apiVersion = "apps/v1", kind = component === "kube-apiserver" ? "DaemonSet" : "Deployment" } = shape;
  const { namespace = "kube-system", labels = { "k8s-app": component }, spec = {}, container = {} } = shape;
  const command = [
    "/hyperkube",
    component,
    ...(component === "kube-apiserver" ? ["--etcd-servers=http://10.0.0.1:2379"] : []),
  ];
  return object(apiVersion, kind, `${namespace}/${component}`, {
    metadata: { labels },
    spec: {
      template: {
        metadata: { labels, ...(shape.annotations === undefined ? {} : { annotations: shape.annotations }) },
        spec: { containers: [{ name: component, image: "hyperkube:v1.8.3", command, ...container }], ...spec },
      },
    },
  });
}

/** The other two components, as plain as can be, so that a test is about the first. */
export function companions(shape: WorkloadShape = {}): KubeObject[] {
  return [workload("kube-controller-manager", shape), workload("kube-scheduler", shape)];
}

export function secret(place: string, data: { readonly [key: string]: string | Uint8Array }): KubeObject {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value as string).toString("base64")]);
  return object("v1", "Secret", place, { type: "Opaque", data: Object.fromEntries(encoded) as JsonObject });
}

export function configMap(
  place: string,
  data: { readonly [key: string]: string },
  binaryData: JsonObject = {},
): KubeObject {
  return object("v1", "ConfigMap", place, { data, binaryData });
}

export function mirrorPod(
  component: string,
  node: string,
  shape: {
    readonly labels?: JsonObject;
    readonly spec?: JsonObject;
    readonly annotations?: JsonObject;
    readonly namespace?: string;
  } = {},
): KubeObject {
  return object("v1", "Pod", `${shape.namespace ?? "kube-system"}/${component}-${node}`, {
    metadata: {
      labels: shape.labels ?? { component, tier: "control-plane" },
      annotations: {
        "kubernetes.io/config.mirror": "abc",
        "kubernetes.io/config.source": "file",
        ...shape.annotations,
      },
    } as JsonObject,
    spec: {
      nodeName: node,
      hostNetwork: true,
      containers: [{ name: component, image: `registry.k8s.io/${component}:v1.36.2`, command: [component] }],
      ...shape.spec,
    },
  });
}

export function node(name: string, labels: { readonly [name: string]: string } = {}): KubeObject {
  return object("v1", "Node", name, { metadata: { labels } });
}
