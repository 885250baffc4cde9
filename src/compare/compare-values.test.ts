import { describe, expect, test } from "vitest";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { builtInType } from "./built-in-types.ts";
import { compareObjects } from "./compare-objects.ts";
import { compareValues, pathText } from "./compare-values.ts";
import { definitionTypes } from "./schema-types.ts";

/** Such as `changed spec.replicas`. */
function changes(before: object, after: object, apiVersion: string, kind: string): string[] {
  const type = builtInType(apiVersion, kind);
  expect(type).toBeDefined();
  return compareValues(before as JsonValue, after as JsonValue, type).map(
    ({ change, path }) => `${change} ${pathText(path)}`,
  );
}

const pod = (spec: object) => ({ spec });
const podChanges = (before: object, after: object) => changes(pod(before), pod(after), "v1", "Pod");

describe("lists by their merge keys", () => {
  test("containers by name, whatever their order", () => {
    const [a, b] = [
      { name: "a", image: "x:1" },
      { name: "b", image: "y:1" },
    ];
    expect(podChanges({ containers: [a, b] }, { containers: [b, { ...a, image: "x:2" }] })).toEqual([
      "changed spec.containers[name=a].image",
    ]);
    expect(podChanges({ containers: [a] }, { containers: [a, b] })).toEqual(["added spec.containers[name=b]"]);
  });

  test("ports by number and protocol, which is TCP unless it says so", () => {
    const list = (...ports: object[]) => ({ containers: [{ name: "a", ports }] });
    const dns = [
      { containerPort: 53, protocol: "UDP" },
      { containerPort: 53, protocol: "TCP" },
    ];
    expect(podChanges(list(...dns), list(...dns.toReversed()))).toEqual([]);
    expect(podChanges(list({ containerPort: 80 }), list({ containerPort: 80, name: "web" }))).toEqual([
      "added spec.containers[name=a].ports[containerPort=80].name",
    ]);
  });

  test("a key that is left out is its default", () => {
    const service = (...ports: object[]) => ({ spec: { ports } });
    const [short, long] = [{ port: 80 }, { port: 80, protocol: "TCP" }];
    expect(changes(service(short), service(long), "v1", "Service")).toEqual([]);
    expect(changes(service(long), service({ ...short, name: "web" }), "v1", "Service")).toEqual([
      "added spec.ports[port=80,protocol=TCP].name",
    ]);
    expect(changes(service(short), service({ port: 80, protocol: "UDP" }), "v1", "Service")).toEqual([
      "removed spec.ports[port=80]",
      "added spec.ports[port=80,protocol=UDP]",
    ]);
    // Two that mean the same have the same keys: then the place tells.
    expect(changes(service(short, long), service(long, short), "v1", "Service")).toEqual([]);
  });

  test("the order of init containers and of variables counts", () => {
    const [a, b] = [{ name: "a" }, { name: "b" }];
    expect(podChanges({ initContainers: [a, b] }, { initContainers: [b, a] })).toEqual([
      "reordered spec.initContainers",
    ]);
    const env = (...list: object[]) => ({ containers: [{ name: "c", env: list }] });
    expect(podChanges(env(a, b), env(b, a))).toEqual(["reordered spec.containers[name=c].env"]);
    expect(podChanges(env(a, b), env(b))).toEqual(["removed spec.containers[name=c].env[name=a]"]);
  });

  test("by their place where two items have the same keys, or one has none", () => {
    const env = (...list: object[]) => ({ containers: [{ name: "c", env: list }] });
    const twice = [
      { name: "A", value: "1" },
      { name: "A", value: "2" },
    ];
    expect(podChanges(env(...twice), env(twice[0]!, { name: "A", value: "3" }))).toEqual([
      "changed spec.containers[name=c].env[1].value",
    ]);
    expect(podChanges({ containers: [{}] }, { containers: [{ image: "x" }] })).toEqual([
      "added spec.containers[0].image",
    ]);
  });

  test("subjects and finalizers as sets", () => {
    const [a, b] = [
      { kind: "User", name: "a" },
      { kind: "User", name: "b" },
    ];
    const type = ["rbac.authorization.k8s.io/v1", "ClusterRoleBinding"] as const;
    expect(changes({ subjects: [a, b] }, { subjects: [b, a] }, ...type)).toEqual([]);
    expect(changes({ subjects: [a, b] }, { subjects: [a] }, ...type)).toHaveLength(1);
    const finalizers = (...list: string[]) => ({ metadata: { finalizers: list } });
    expect(changes(finalizers("x", "y"), finalizers("y", "x"), "v1", "ConfigMap")).toEqual([]);
  });

  test("rules of roles as sets of sets, and what has changed in one of them", () => {
    const [pods, maps] = [
      { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get", "list"] },
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["a"], verbs: ["get"] },
    ];
    const turned = { verbs: ["list", "get", "get"], resources: ["pods/log", "pods"], apiGroups: [""] };
    const role = (before: object[], after: object[]) =>
      changes({ rules: before }, { rules: after }, "rbac.authorization.k8s.io/v1", "ClusterRole");
    expect(role([pods, maps], [maps, turned])).toEqual([]);
    expect(role([pods, maps, pods], [maps, turned, maps])).toEqual([]); // once more says no more
    expect(role([pods, maps], [{ ...maps, verbs: ["get", "watch"] }, turned])).toEqual(["added rules[1].verbs[watch]"]);
    expect(role([pods], [maps, turned])).toEqual([
      'added rules[{"apiGroups":[""],"resources":["configmaps"],"resourceNames":["a"],"verbs":["get"]}]',
    ]);
    // A rule without names is one for all of them.
    expect(role([maps], [{ ...maps, resourceNames: [] }])).toEqual(["removed rules[0].resourceNames[a]"]);
  });

  test("tolerations, terms, peers and capabilities as sets", () => {
    const [a, b] = [
      { key: "a", operator: "Exists" },
      { key: "b", operator: "Equal", value: "x", effect: "NoExecute", tolerationSeconds: 300 },
    ];
    expect(podChanges({ tolerations: [a, b] }, { tolerations: [b, a] })).toEqual([]);
    expect(podChanges({ tolerations: [a, b] }, { tolerations: [{ ...b, tolerationSeconds: 30 }, a] })).toEqual([
      'removed spec.tolerations[{"key":"b","operator":"Equal","value":"x","effect":"NoExecute","tolerationSeconds":300}]',
      'added spec.tolerations[{"key":"b","operator":"Equal","value":"x","effect":"NoExecute","tolerationSeconds":30}]',
    ]);
    expect(podChanges({ tolerations: [{ ...a, value: "" }] }, { tolerations: [a] })).toEqual([]);
    const affinity = (...values: string[][]) => ({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: values.map((each) => ({
              matchExpressions: [{ key: "zone", operator: "In", values: each }],
            })),
          },
        },
      },
    });
    expect(podChanges(affinity(["a", "b"], ["c"]), affinity(["c"], ["b", "a"]))).toEqual([]);
    expect(podChanges(affinity(["a", "b"]), affinity(["a", "c"]))).toHaveLength(2);
    const capable = (...add: string[]) => ({ containers: [{ name: "c", securityContext: { capabilities: { add } } }] });
    expect(podChanges(capable("NET_ADMIN", "SYS_TIME"), capable("SYS_TIME", "NET_ADMIN"))).toEqual([]);
    const policy = (...from: object[]) => ({ spec: { policyTypes: ["Ingress"], ingress: [{ from }] } });
    const [web, block] = [
      { podSelector: { matchLabels: { app: "web" } } },
      { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16", "10.2.0.0/16"] } },
    ];
    const other = { ipBlock: { cidr: "10.0.0.0/8", except: ["10.2.0.0/16", "10.1.0.0/16"] } };
    const network = (before: object, after: object) => changes(before, after, "networking.k8s.io/v1", "NetworkPolicy");
    expect(network(policy(web, block), policy(other, web))).toEqual([]);
    // A selector of nothing in particular is not one that is not there.
    expect(network(policy({ podSelector: {} }), policy({ namespaceSelector: {} }))).toHaveLength(2);
    const hook = (...operations: string[]) => ({
      webhooks: [{ name: "w", rules: [{ operations, resources: ["pods"] }] }],
    });
    const type = ["admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"] as const;
    expect(changes(hook("CREATE", "UPDATE"), hook("UPDATE", "CREATE"), ...type)).toEqual([]);
  });

  test("where the order decides, or may, it counts", () => {
    const hosts = (...list: string[]) => ({ hostAliases: [{ ip: "10.0.0.1", hostnames: list }] });
    expect(podChanges(hosts("a", "b"), hosts("b", "a"))).toHaveLength(2);
    const dns = (...searches: string[]) => ({ dnsConfig: { searches } });
    expect(podChanges(dns("a", "b"), dns("b", "a"))).toHaveLength(2);
    const families = (...ipFamilies: string[]) => ({ spec: { ipFamilies } });
    expect(changes(families("IPv4", "IPv6"), families("IPv6", "IPv4"), "v1", "Service")).toHaveLength(2);
    const paths = (...list: string[]) => ({ spec: { rules: [{ http: { paths: list.map((path) => ({ path })) } }] } });
    expect(changes(paths("/a", "/b"), paths("/b", "/a"), "networking.k8s.io/v1", "Ingress")).toHaveLength(2);
  });

  test("arguments of a command by their place", () => {
    const args = (...list: string[]) => ({ containers: [{ name: "a", args: list }] });
    expect(podChanges(args("1", "2"), args("2", "1"))).toHaveLength(2);
  });
});

describe("values by what they mean", () => {
  test("quantities, times and durations", () => {
    const limits = (cpu: string) => ({ containers: [{ name: "a", resources: { limits: { cpu } } }] });
    expect(podChanges(limits("1"), limits("1000m"))).toEqual([]);
    expect(podChanges(limits("1"), limits("1001m"))).toEqual(["changed spec.containers[name=a].resources.limits.cpu"]);
    const time = (deletionTimestamp: string) => ({ metadata: { deletionTimestamp } });
    expect(changes(time("2026-11-29T10:00:00Z"), time("2026-11-29T11:00:00+01:00"), "v1", "Pod")).toEqual([]);
    expect(changes(time("2026-11-29T10:00:00Z"), time("2026-11-29T10:00:01Z"), "v1", "Pod")).toHaveLength(1);
  });

  test("absent, null, empty and zero are one where the API has no pointer", () => {
    expect(podChanges({}, { hostNetwork: false, nodeName: "", nodeSelector: {}, volumes: [] })).toEqual([]);
    expect(podChanges({ containers: null as never }, {})).toEqual([]);
    expect(changes({ metadata: { creationTimestamp: null } }, {}, "v1", "ConfigMap")).toEqual([]);
  });

  test("absent and empty differ where there is one", () => {
    const volume = (source: object) => ({ volumes: [{ name: "v", ...source }] });
    expect(podChanges(volume({}), volume({ emptyDir: {} }))).toEqual(["added spec.volumes[name=v].emptyDir"]);
    const replicas = (spec: object) => ({ spec });
    expect(changes(replicas({}), replicas({ replicas: 0 }), "apps/v1", "Deployment")).toEqual(["added spec.replicas"]);
    const peers = (podSelector?: object) => ({ spec: { ingress: [{ from: [{ podSelector }] }] } });
    expect(changes(peers(), peers({}), "networking.k8s.io/v1", "NetworkPolicy")).toHaveLength(1);
  });

  test("a number and its text differ, as ports of services do", () => {
    const port = (targetPort: number | string) => ({ spec: { ports: [{ port: 80, targetPort }] } });
    expect(changes(port(80), port("80"), "v1", "Service")).toEqual(["changed spec.ports[port=80].targetPort"]);
  });

  test("keys called like JavaScript's own", () => {
    const data = JSON.parse('{"data":{"__proto__":"a","constructor":"b"}}') as object;
    expect(changes({ data: {} }, data, "v1", "ConfigMap")).toEqual(["added data.__proto__", "added data.constructor"]);
    expect(changes(data, JSON.parse('{"data":{"__proto__":"x","constructor":"b"}}'), "v1", "ConfigMap")).toEqual([
      "changed data.__proto__",
    ]);
  });
});

describe("custom resources by the schema of their definition", () => {
  const QUANTITY =
    "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$";
  const spec = {
    properties: {
      size: { "x-kubernetes-int-or-string": true, pattern: QUANTITY },
      at: { type: "string", format: "date-time" },
      rules: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["host", "port"],
        items: { type: "object", properties: { size: { "x-kubernetes-int-or-string": true, pattern: QUANTITY } } },
      },
      tags: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
      plain: { type: "array", items: { type: "object" } },
      mode: { type: "string", default: "fast" },
      ports: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        items: { properties: { port: { type: "integer" }, protocol: { type: "string", default: "TCP" } } },
      },
    },
  };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      names: { kind: "Widget", plural: "widgets" },
      versions: [{ name: "v1", schema: { openAPIV3Schema: { properties: { spec } } } }, { name: "v2" }],
    },
  } as unknown as KubeObject;
  const types = definitionTypes(definition);
  const custom = (before: object, after: object, version = "example.com/v1") =>
    compareValues({ spec: before } as never, { spec: after } as never, types.get(version)).map(({ path }) =>
      pathText(path),
    );

  test("amounts and times", () => {
    expect(
      custom({ size: "1Gi", at: "2026-01-01T00:00:00Z" }, { size: "1024Mi", at: "2026-01-01T01:00:00+01:00" }),
    ).toEqual([]);
    expect(custom({ size: "1Gi" }, { size: "1024Mi" }, "example.com/v2")).toEqual(["spec.size"]);
  });

  test("what the schema fills in where nothing is said", () => {
    expect(custom({}, { mode: "fast" })).toEqual([]);
    expect(custom({}, { mode: "slow" })).toEqual(["spec.mode"]);
    expect(custom({ ports: [{ port: 1 }] }, { ports: [{ port: 1, protocol: "TCP" }] })).toEqual([]);
    expect(custom({ ports: [{ port: 1 }] }, { ports: [{ port: 1, protocol: "UDP" }] })).toHaveLength(2);
  });

  test("map lists and sets", () => {
    const [a, b] = [
      { host: "a", port: 1, size: "1" },
      { host: "a", port: 2, size: "1" },
    ];
    expect(
      custom({ rules: [a, b], tags: ["x", "y"] }, { rules: [b, { ...a, size: "1000m" }], tags: ["y", "x"] }),
    ).toEqual([]);
    expect(custom({ rules: [a] }, { rules: [{ ...a, size: "2" }] })).toEqual(["spec.rules[host=a,port=1].size"]);
    expect(custom({ plain: [a, b] }, { plain: [b, a] })).toEqual(["spec.plain[0].port", "spec.plain[1].port"]);
  });
});

describe("two objects", () => {
  const object = (more: object, metadata: object = {}) =>
    ({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", ...metadata }, ...more }) as KubeObject;

  test("noise does not count, unless it is asked for", () => {
    const before = object({ status: { replicas: 1 } }, { uid: "1", resourceVersion: "1", generation: 1 });
    const after = object(
      { status: { replicas: 2 } },
      { uid: "2", resourceVersion: "2", generation: 2, managedFields: [] },
    );
    const type = builtInType("apps/v1", "Deployment");
    expect(compareObjects(before, after, type)).toEqual({ fields: [], recreated: true });
    expect(compareObjects(before, after, type, true).fields.map(({ path }) => pathText(path))).toEqual([
      "metadata.generation",
      "metadata.resourceVersion",
      "metadata.uid",
      "status.replicas",
    ]);
  });

  test("another version of the API is no difference", () => {
    const old = { ...object({ spec: { replicas: 2 } }), apiVersion: "extensions/v1beta1" } as KubeObject;
    const found = object({ spec: { replicas: 2 } });
    expect(compareObjects(old, found, builtInType("apps/v1", "Deployment")).fields).toEqual([]);
  });
});
