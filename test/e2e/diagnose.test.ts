/**
 * Failures of a control plane of processes with hollow nodes, each made for real: `diagnose` names it and nothing else,
 * and its command mends it.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { diagnosed, mended, type Place, placeIn, runPrinted } from "./diagnosing.ts";
import { policyOf } from "./draining.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { webDeployment } from "./workloads.ts";

const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";

describeWithCluster("diagnose", (kubernetes) => {
  let plane: ControlPlane;
  let here: Place;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, members: 3, nodeMonitorGraceSeconds: 24 }); // a hollow node reports every 10 s
    await plane.addHollowNodes(3);
    await plane.api.apply(webDeployment(6));
    await plane.podsReady("default", "app=web", 6);
    here = placeIn(plane);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const kill = (name: string) => plane.bed.processes.get(name)!.kill();

  /** A request may find a connection of an API server that has ended meanwhile. */
  const applied = (apply: () => Promise<unknown>) => waitFor("what is applied", () => apply().then(() => true));

  test("finds nothing in a healthy cluster", async () => {
    const result = await diagnosed(here, []);
    expect(result.areas.map(({ area, state }) => `${area} ${state}`)).toEqual([
      "api-server ok",
      "etcd ok",
      "scheduler ok",
      "controller-manager ok",
      "nodes ok",
      "workloads ok",
      "blockers ok",
      "certificates ok",
    ]);
  });

  test("a scheduler that is gone, with pods that wait for it", async () => {
    await kill("kube-scheduler");
    await plane.api.patch(`${DEPLOYMENTS}/web`, { spec: { replicas: 8 } });
    await mended(here, "error scheduler-down");
    await plane.podsReady("default", "app=web", 8);
  });

  longTest(
    "a controller manager that is gone, with Deployments that nobody looks at and pods that nobody replaces",
    async () => {
      await kill("kube-controller-manager");
      const [pod] = await plane.api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
      await plane.api.delete(`/api/v1/namespaces/default/pods/${pod.metadata.name}`, { gracePeriodSeconds: 0 });
      await plane.api.patch(`${DEPLOYMENTS}/web`, { spec: { replicas: 9 } });
      const { troubles } = await diagnosed(here, ["error controller-manager-down"]);
      expect(troubles[0]!.evidence.join("\n")).toMatch(/nobody makes it: default\/web-\S+ \(7 of 8\)/);
      expect(troubles[0]!.evidence.join("\n")).toContain("1 Deployment changed without any controller taking notice");
      await runPrinted(troubles[0]!.commands, here);
      await diagnosed(here, []);
      await plane.podsReady("default", "app=web", 9);
    },
  );

  longTest("an API server that is gone", async () => {
    await kill("kube-apiserver");
    await mended(here, "error kube-apiserver-not-running");
  });

  test("an API server whose port is taken", async () => {
    await kill("kube-apiserver");
    const squatter = plane.bed.start("squatter", ["busybox", "nc", "-ll", "-p", "6443", "-e", "/bin/cat"]);
    const { troubles } = await diagnosed(here, ["error kube-apiserver-port-taken"]);
    await runPrinted(troubles[0]!.commands, here);
    await squatter.ended();
    plane.bed.startAgain("kube-apiserver"); // as its unit would, every few seconds
    await diagnosed(here, []);
  });

  test("an etcd member that is gone", async () => {
    await kill("etcd2");
    await mended(here, "error etcd-member-unreachable");
  });

  test("webhooks, aggregated APIs, quotas and disruption budgets in the way", async () => {
    await applied(() => plane.api.applyObject(webhookWithoutBackend));
    await expect(plane.kubectl("create", "configmap", "any")).rejects.toThrow("failed calling webhook");
    await mended(here, "error webhook-without-backend");
    await plane.kubectl("create", "configmap", "any");
    await plane.kubectl("delete", "validatingwebhookconfiguration", "broken");

    // Not applied: this API server panics at an APIService that comes by server-side apply.
    await plane.api.post("/apis/apiregistration.k8s.io/v1/apiservices", apiServiceWithoutBackend);
    await mended(here, "error apiservice-unavailable");

    await applied(() => plane.api.apply(quotaOfTwoPods));
    await mended(here, "error quota-blocks");
    await plane.podsReady("small", "app=many", 4);

    await applied(() => plane.api.apply(budgetThatAllowsNothing(kubernetes)));
    await mended(here, "warning budget-allows-nothing");
  });

  longTest("a namespace that does not go", async () => {
    await plane.api.post("/api/v1/namespaces", { metadata: { name: "held" } });
    const held = { name: "kept", finalizers: ["example.com/hold"] };
    await plane.api.post("/api/v1/namespaces/held/configmaps", { metadata: held });
    await plane.api.delete("/api/v1/namespaces/held");
    const { troubles } = await diagnosed(here, ["error namespace-stuck"]);
    expect(troubles[0]!.text).toContain('held by finalizer "example.com/hold"');
    await runPrinted(troubles[0]!.commands, here);
    await diagnosed(here, []);
    await waitFor("the namespace to go", async () =>
      (await plane.api.list("/api/v1/namespaces")).every(({ metadata }) => metadata.name !== "held"),
    );
  });

  longTest("an etcd that has lost its quorum", async () => {
    await Promise.all([kill("etcd1"), kill("etcd3")]);
    await mended(here, "error etcd-quorum-lost");
  });

  longTest("an API server's certificate that has expired", async () => {
    const { authority, bed } = plane;
    const names = ["10.77.0.1", "127.0.0.1", "localhost", "kubernetes", "10.96.0.1"];
    const day = 86_400_000;
    const expired = { notBefore: new Date(Date.now() - 2 * day), notAfter: new Date(Date.now() - day) };
    await authority.issue("apiserver", { commonName: "kube-apiserver", use: "server", names, ...expired });
    await kill("kube-apiserver");
    bed.startAgain("kube-apiserver");
    const { troubles } = await diagnosed(here, ["error certificate-expired"]);
    await runPrinted(troubles[0]!.commands, here);
    await kill("kube-apiserver");
    bed.startAgain("kube-apiserver");
    await diagnosed(here, []);
  });

  longTest("an API server that hangs", async () => {
    const server = plane.bed.processes.get("kube-apiserver")!;
    server.signal("SIGSTOP");
    const { troubles } = await diagnosed(here, ["error api-server-silent"]);
    await runPrinted(troubles[0]!.commands, here);
    await diagnosed(here, []);
  });

  longTest("a node that is lost, and one that was cordoned", async () => {
    await kill("hollow-2");
    const [trouble] = (await diagnosed(here, ["error node-not-ready"], 90)).troubles;
    expect(trouble!.text).toContain('node "hollow-2" is not ready since');
    await runPrinted(trouble!.commands, {
      ...here,
      async systemctl(_verb, unit) {
        expect(unit).toBe("kubelet");
        plane.bed.startAgain("hollow-2"); // all hollow nodes have the bridge's address
      },
    });
    await diagnosed(here, []);
    await plane.kubectl("cordon", "hollow-1");
    await mended(here, "info node-cordoned");
  });
});

const webhookWithoutBackend = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingWebhookConfiguration",
  metadata: { name: "broken" },
  webhooks: [
    {
      name: "broken.example.com",
      clientConfig: { service: { namespace: "default", name: "nobody" } },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
      failurePolicy: "Fail",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    },
  ],
};

const apiServiceWithoutBackend = {
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: "v1beta1.metrics.example.com" },
  spec: {
    group: "metrics.example.com",
    version: "v1beta1",
    groupPriorityMinimum: 100,
    versionPriority: 100,
    insecureSkipTLSVerify: true,
    service: { namespace: "default", name: "nobody" },
  },
};

const quotaOfTwoPods = `
apiVersion: v1
kind: Namespace
metadata: {name: small}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: tight, namespace: small}
spec: {hard: {pods: "2"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: many, namespace: small}
spec:
  replicas: 4
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}]
`;

const budgetThatAllowsNothing = (kubernetes: Kubernetes): string => `
apiVersion: ${policyOf(kubernetes)}
kind: PodDisruptionBudget
metadata: {name: closed, namespace: small}
spec: {minAvailable: 100%, selector: {matchLabels: {app: many}}}
`;
