/**
 * What keeps a permanent component away beside its own template, and components that are not a Deployment with a Lease:
 * each made for real, on one self-hosted cluster.
 */
import { afterAll, beforeAll, expect } from "vitest";
import { parse } from "yaml";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { MASTER_LABEL, startSelfHosted } from "../../testbed/self-hosted.ts";
import { waitFor } from "../../testbed/wait.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";
import { type Component, deploymentPath, lose, podsOf, rescue, rescuePods } from "./losing.ts";
import { expectMended, expectRescued } from "./rescued.ts";
import { webDeployment } from "./workloads.ts";

const QUOTA = "/api/v1/namespaces/kube-system/resourcequotas/small";

describeWithCluster("a self-hosted control plane in other ways", (kubernetes) => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await startSelfHosted({ kubernetes });
    await plane.api.apply(webDeployment(1));
    await plane.podsReady("default", "app=web", 1);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const scaleWeb = (replicas: number) =>
    plane.api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas } });
  /** A patch of the component's pod template with `change` of its container. */
  const container = async (component: Component, change: object) => {
    const { template } = (await plane.api.get(deploymentPath(component))).spec;
    return { template: { spec: { containers: [{ ...template.spec.containers[0], ...change }] } } };
  };
  const command = async (change: (flags: readonly string[]) => readonly string[]) => {
    const { template } = (await plane.api.get(deploymentPath("kube-scheduler"))).spec;
    return container("kube-scheduler", { command: change(template.spec.containers[0].command) });
  };
  /** A quota counts from when the controller manager has seen it: the API server goes by its status. */
  const setQuota = async (spec: object) => {
    await plane.api.delete(QUOTA).catch(() => undefined); // its scopes cannot be changed
    await plane.api.applyObject({
      ...{ apiVersion: "v1", kind: "ResourceQuota" },
      ...{ metadata: { name: "small", namespace: "kube-system" }, spec },
    });
    await waitFor("the quota to count", async () => (await plane.api.get(QUOTA)).status?.hard);
  };

  longTest("a crash loop: an earlier revision stands in, and it says how the current one ends", async () => {
    const broken = await command((flags) => [...flags, "--config=/nowhere/scheduler.yaml"]);
    await lose(plane, ["kube-scheduler"], broken);
    const outcome = await expectRescued(plane, await rescue(plane, ["scheduler", "-o", "json"]), "crash");
    expect(outcome.fault.text).toMatch(/ends with code 1: .*\/nowhere\/scheduler.yaml/);
    expect(outcome.rescuePod.template).toMatch(/^revision \d+ of Deployment/);
    await scaleWeb(2);
    await plane.podsReady("default", "app=web", 2);
    await plane.kubectl("-n", "kube-system", "rollout", "undo", "deployment/kube-scheduler");
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  longTest("a taint: the rescue pod runs where the permanent one may not", async () => {
    const node = "/api/v1/nodes/node1";
    const { taints } = (await plane.api.get(node)).spec;
    const taint = { key: "kubemend.test/maintenance", effect: "NoSchedule" };
    await plane.api.patch(node, { spec: { taints: [...taints, taint] } });
    await lose(plane, ["kube-scheduler"]);
    const outcome = await expectRescued(plane, await rescue(plane, ["scheduler", "-o", "json"]), "unschedulable");
    expect(outcome.fault.text).toMatch(
      /taint \{kubemend.test\/maintenance: \}|kubemend.test\/maintenance:NoSchedule of node "node1"/,
    );
    expect(outcome.hint).toContain("tolerations");
    await plane.api.patch(node, { spec: { taints } });
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  longTest("a quota that takes no pod like the permanent one", async () => {
    const change = await container("kube-controller-manager", { resources: { requests: { cpu: "10m" } } });
    await setQuota({ hard: { pods: "0" }, scopes: ["NotBestEffort"] });
    await lose(plane, ["kube-controller-manager"], change);
    const result = await rescue(plane, ["controller-manager", "-o", "json"]);
    const outcome = await expectRescued(plane, result, "quota");
    expect(outcome.fault.text).toContain("exceeded quota: small");
    await scaleWeb(3);
    await plane.podsReady("default", "app=web", 3); // it replicates
    await plane.api.delete(QUOTA);
    await expectMended(plane, await rescue(plane, ["controller-manager"]), "kube-controller-manager");
  });

  longTest("a quota of CPU: the rescue pod asks for what its template does, or is refused", async () => {
    await setQuota({ hard: { "requests.cpu": "1" } });
    await lose(
      plane,
      ["kube-scheduler"],
      await container("kube-scheduler", { resources: { requests: { cpu: "10m" } } }),
    );
    const { stdout } = await rescue(plane, ["scheduler", "-o", "yaml"]);
    expect(parse(stdout).spec.containers[0].resources).toEqual({ requests: { cpu: "10m" } });
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");

    await setQuota({ hard: { "requests.cpu": "5m" } });
    await waitFor("it to be too small", async () => (await plane.api.get(QUOTA)).status.hard["requests.cpu"] === "5m");
    await lose(plane, ["kube-scheduler"]);
    const refused = await rescue(plane, ["scheduler", "-o", "json"]);
    expect(refused, refused.stderr).toMatchObject({ code: 1 });
    const [outcome] = JSON.parse(refused.stdout).components;
    expect(outcome).toMatchObject({ state: "lost", rescuePod: null, fault: { kind: "quota" } });
    expect(outcome.fault.text).toContain('pod "kube-system/kube-scheduler-rescue" cannot be created');
    await plane.api.delete(QUOTA);
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  longTest("a scheduler that runs and renews nothing makes way", async () => {
    const [hung] = await podsOf(plane, "kube-scheduler");
    await plane.nodes.get("node1")!.run(["pkill", "-STOP", "-f", "^kube-scheduler "]);
    await scaleWeb(4);
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stderr).toContain(
      `pod "kube-system/${hung.metadata.name}" runs and does not renew its lease: deleting it`,
    );
    await plane.podsReady("default", "app=web", 4);
  });

  longTest("a lease that is an annotation of Endpoints, as before Kubernetes 1.20", async (context) => {
    if (kubernetes.minor >= 24) context.skip("this Kubernetes knows no such lease any more");
    const lock = "--leader-elect-resource-lock=endpoints";
    await lose(plane, ["kube-scheduler"], await command((flags) => [...flags, lock]));
    const result = await rescue(plane, ["scheduler", "-o", "json"]);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    const [{ state, holder }] = JSON.parse(result.stdout).components;
    const { metadata } = await plane.api.get("/api/v1/namespaces/kube-system/endpoints/kube-scheduler");
    const record = JSON.parse(metadata.annotations["control-plane.alpha.kubernetes.io/leader"]);
    expect([state, record.holderIdentity]).toEqual(["mended", holder]);
    expect(await rescuePods(plane)).toEqual([]);
    await lose(plane, ["kube-scheduler"]); // now also its last holder is known by Endpoints only
    await expectMended(plane, await rescue(plane, ["scheduler"]), "kube-scheduler");
  });

  longTest("no leader election: what counts is that its pod is ready", async () => {
    const change = await command((flags) => [
      ...flags.filter((flag) => !flag.startsWith("--leader-elect")),
      "--leader-elect=false",
    ]);
    await lose(plane, ["kube-scheduler"], change);
    await scaleWeb(5);
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stdout).toContain("kube-scheduler runs, and is ready.");
    await plane.podsReady("default", "app=web", 5);
    const healthy = await rescue(plane, ["scheduler"]);
    expect(healthy.stderr).toContain("kube-scheduler is healthy: its pod is ready");
  });

  longTest("a DaemonSet, in a namespace of its own", async () => {
    const { spec } = await plane.api.get(deploymentPath("kube-scheduler"));
    await plane.api.delete(deploymentPath("kube-scheduler"), { propagationPolicy: "Foreground" });
    await waitFor("the Deployment's pod to be gone", async () => (await podsOf(plane, "kube-scheduler")).length === 0);
    await plane.api.applyObject({ apiVersion: "v1", kind: "Namespace", metadata: { name: "control" } });
    const metadata = { name: "kube-scheduler", namespace: "control" };
    await plane.api.applyObject({ apiVersion: "v1", kind: "ServiceAccount", metadata });
    for (const role of ["system:kube-scheduler", "system:volume-scheduler"]) {
      await plane.api.applyObject({
        ...{
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "ClusterRoleBinding",
          metadata: { name: `control:${role}` },
        },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
        subjects: [{ kind: "ServiceAccount", ...metadata }],
      });
    }
    const [{ command: program, ...rest }] = spec.template.spec.containers;
    const flags = (program as string[]).filter((flag) => !flag.startsWith("--leader-elect"));
    await plane.api.applyObject({
      ...{ apiVersion: "apps/v1", kind: "DaemonSet" },
      metadata: { ...metadata, labels: { component: "kube-scheduler" } },
      spec: {
        selector: { matchLabels: { component: "kube-scheduler" } },
        template: {
          metadata: { labels: { component: "kube-scheduler" } },
          spec: { ...spec.template.spec, containers: [{ ...rest, command: flags }] },
        },
      },
    });
    const own = () => plane.api.list("/api/v1/namespaces/control/pods");
    await waitFor("the DaemonSet's pod", async () => (await own()).length === 1);
    await scaleWeb(6);
    const result = await rescue(plane, ["scheduler"]);
    await expectMended(plane, result, "kube-scheduler");
    expect(result.stderr).toContain(
      'created pod "control/kube-scheduler-rescue" on node "node1" from DaemonSet "control/kube-scheduler"',
    );
    expect((await own()).map(({ metadata: { name } }) => name)).not.toContain("kube-scheduler-rescue");
    await plane.podsReady("default", "app=web", 6);

    const selector = { [MASTER_LABEL]: "", disk: "none" };
    await plane.api.patch("/apis/apps/v1/namespaces/control/daemonsets/kube-scheduler", {
      spec: { template: { spec: { nodeSelector: selector } } },
    });
    await waitFor("its pod to be gone", async () => (await own()).length === 0);
    const nowhere = await rescue(plane, ["scheduler", "-o", "json"]);
    expect(nowhere, nowhere.stderr).toMatchObject({ code: 1 });
    expect(JSON.parse(nowhere.stdout).components).toMatchObject([
      { state: "rescued", namespace: "control", fault: { kind: "unschedulable" } },
    ]);
  });
});
