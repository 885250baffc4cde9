import { describe, expect, test } from "vitest";
import { node as makeNode, object, workload } from "../../test/cluster-objects.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { isControlPlaneNode, pickNode } from "./pick-node.ts";
import { isRescuePodOf } from "./rescue-mark.ts";
import { makeRescuePod, templateServiceAccount } from "./rescue-pod.ts";
import { workloadTarget } from "./target.ts";

const MASTER = "node-role.kubernetes.io/master";

function node(
  name: string,
  labels: Record<string, string> = { [MASTER]: "" },
  ready = "True",
  spec: JsonObject = {},
): KubeObject {
  return { ...makeNode(name, labels), spec, status: { conditions: [{ type: "Ready", status: ready }] } };
}

function rescuePod(spec: JsonObject, container: JsonObject = {}, annotations = {}, at = node("m1")) {
  const target = workloadTarget("kube-scheduler", workload("kube-scheduler", { spec, container, annotations }), []);
  const [template] = target.templates;
  return makeRescuePod(target, template!, at, templateServiceAccount("kube-scheduler", template!));
}

describe("the rescue pod", () => {
  test("is bound, has no label of the component's, and its own name", () => {
    const { metadata, spec } = rescuePod({ hostNetwork: true });
    expect(metadata).toEqual({
      name: "kube-scheduler-rescue",
      namespace: "kube-system",
      labels: { "kubemend/rescue-of": "kube-scheduler" },
      annotations: { "kubemend/template": 'Deployment "kube-system/kube-scheduler"' },
    });
    expect(spec).toMatchObject({ nodeName: "m1", hostNetwork: true, serviceAccountName: "default" });
  });

  test.each([
    "nodeSelector",
    "affinity",
    "topologySpreadConstraints",
    "schedulerName",
    "schedulingGates",
    "readinessGates",
    "priority",
  ])("%s does not come along", (field) => {
    expect(rescuePod({ [field]: "something" }).spec).not.toHaveProperty(field);
  });

  test("claims neither ports nor resources, so that the permanent one fits beside it", () => {
    const claims = { ports: [{ name: "https", containerPort: 10259 }], resources: { requests: { cpu: "1" } } };
    const { spec } = rescuePod(
      { initContainers: [{ name: "i", ...claims }] },
      { ...claims, livenessProbe: { httpGet: { port: "https" } } },
    );
    const { containers, initContainers } = spec as { containers: JsonObject[]; initContainers: JsonObject[] };
    for (const each of [...containers, ...initContainers]) {
      expect(each).not.toHaveProperty("ports");
      expect(each).not.toHaveProperty("resources");
    }
    expect(containers[0]).toHaveProperty("livenessProbe.httpGet.port", 10259);
  });

  test("keeps its requests where a quota wants some", () => {
    const resources = { requests: { cpu: "1" } };
    const target = workloadTarget("kube-scheduler", workload("kube-scheduler", { container: { resources } }), []);
    const { spec } = makeRescuePod(target, target.templates[0]!, node("m1"), undefined, { withResources: true });
    expect(spec).toMatchObject({ containers: [{ resources }] });
  });

  test.each([
    ["masters' taints", [], [], [MASTER, "node-role.kubernetes.io/control-plane"]],
    [
      "the node's own",
      [],
      [{ key: "gpu", effect: "NoExecute" }],
      [MASTER, "gpu", "node-role.kubernetes.io/control-plane"],
    ],
    [
      "what it tolerates already, once",
      [{ key: MASTER, operator: "Exists" }],
      [],
      [MASTER, "node-role.kubernetes.io/control-plane"],
    ],
    ["everything", [{ operator: "Exists" }], [{ key: "gpu" }], [undefined]],
  ])("tolerates %s", (_, tolerations, taints, keys) => {
    const { spec } = rescuePod({ tolerations }, {}, {}, node("m1", {}, "True", { taints }));
    const found = (spec as { tolerations: { key?: string }[] }).tolerations.map(({ key }) => key);
    expect(found.sort()).toEqual([...keys].sort());
  });

  test("keeps the annotations that change how it runs, and no others", () => {
    const { annotations } = rescuePod(
      {},
      {},
      {
        "checkpointer.alpha.coreos.com/checkpoint": "true",
        "container.apparmor.security.beta.kubernetes.io/kube-scheduler": "unconfined",
      },
    ).metadata;
    expect(Object.keys(annotations!).sort()).toEqual([
      "container.apparmor.security.beta.kubernetes.io/kube-scheduler",
      "kubemend/template",
    ]);
  });

  test.each([
    ["its own", { serviceAccountName: "kube-scheduler" }, {}, "kube-scheduler"],
    ["its own, by the old name", { serviceAccount: "kube-scheduler" }, {}, "kube-scheduler"],
    ["the default one", {}, {}, "default"],
    ["none, with a kubeconfig", {}, { command: ["kube-scheduler", "--kubeconfig=/k"] }, undefined],
  ])("service account: %s", (_, spec, container, expected) => {
    const pod = rescuePod(spec, container).spec as {
      serviceAccountName?: string;
      automountServiceAccountToken?: boolean;
    };
    expect(pod.serviceAccountName).toBe(expected);
    expect(pod.automountServiceAccountToken).toBe(expected === undefined ? false : undefined);
  });

  test("is recognised by its label, or as the runbook names it", () => {
    const is = (pod: KubeObject) => isRescuePodOf("kube-scheduler", "kube-scheduler", pod);
    const byHand = { ...rescuePod({}), metadata: { name: "kube-scheduler-rescue", namespace: "kube-system" } };
    expect(is(rescuePod({}))).toBe(true);
    expect(is(byHand)).toBe(true);
    expect(isRescuePodOf("kube-controller-manager", "kube-controller-manager", rescuePod({}))).toBe(false);
    expect(is(object("v1", "Pod", "kube-system/kube-scheduler-rescue", { spec: { containers: [] } }))).toBe(false);
  });
});

describe("the node", () => {
  const wishes = { nodeSelector: {}, occupied: new Set<string>(), apiServerNodes: new Set<string>() };
  const worker = node("w1", {});
  test.each([
    ["node-role control-plane", { "node-role.kubernetes.io/control-plane": "" }],
    ["node-role master", { [MASTER]: "" }],
    ["master=true", { master: "true" }],
    ["master", { master: "" }],
  ])("labelled %s is a master", (_, labels) => {
    expect(isControlPlaneNode(node("m1", labels))).toBe(true);
    expect(pickNode([worker, node("m1", labels)], wishes).metadata.name).toBe("m1");
  });

  test.each([
    ["the first by name", {}, "m1"],
    ["one that is asked for", { asked: "w1" }, "w1"],
    ["where the template's files are", { preferred: "m2" }, "m2"],
    ["what the template asks for", { nodeSelector: { disk: "ssd" } }, "m2"],
    ["where no pod holds the port", { occupied: new Set(["m1"]) }, "m2"],
  ])("%s", (_, wish, expected) => {
    const nodes = [worker, node("m2", { [MASTER]: "", disk: "ssd" }), node("m1")];
    expect(pickNode(nodes, { ...wishes, ...wish }).metadata.name).toBe(expected);
  });

  test("without a label, one that runs an API server", () => {
    expect(pickNode([worker, node("n2", {})], { ...wishes, apiServerNodes: new Set(["n2"]) }).metadata.name).toBe("n2");
  });

  test.each([
    ["not Ready", [node("m1", undefined, "Unknown")], '"m1" is not Ready'],
    ["cordoned", [node("m1", undefined, "True", { unschedulable: true })], '"m1" is cordoned'],
    ["no master", [worker], "none of 1 nodes is labelled as a master"],
  ])("none will do: %s", (_, nodes, text) => expect(() => pickNode(nodes, wishes)).toThrow(text));

  test("one that is asked for and unknown", () => {
    expect(() => pickNode([worker], { ...wishes, asked: "x" })).toThrow('there is no node "x"');
  });
});
