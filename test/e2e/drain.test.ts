import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type ControlPlane, conditionOf, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { findProgram } from "../programs.ts";
import {
  barePod,
  budget,
  evictedPods,
  kubectlResult,
  kubemendNode,
  podsOn,
  policyOf,
  removeWorkloads,
  settled,
  startNode,
  workload,
} from "./draining.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const IGNORE = ["--ignore-daemonsets"];

describeWithCluster("draining and filling hollow nodes", (kubernetes) => {
  let plane: ControlPlane;
  let hasNodes = false;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes });
    hasNodes = await kubernetes.has("kubemark");
    if (!hasNodes) return;
    await plane.addHollowNodes(4);
    await plane.api.apply(workload("agent", { replicas: 0, kind: "DaemonSet" }));
    await settled(plane);
  });
  afterAll(async () => plane?.[Symbol.asyncDispose]());

  // Also after a test that has failed: what it leaves must not fail the next one.
  afterEach(async () => {
    if (!hasNodes) return;
    await kubemendNode(plane, ["uncordon", "hollow-1", "hollow-2", "hollow-3", "hollow-4"]);
    await removeWorkloads(plane);
  });

  const drain = (...args: string[]) => kubemendNode(plane, ["drain", ...args]);

  test("what kubectl refuses is refused in its words, what it evicts is evicted", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const nodes = ["hollow-1"];
    await plane.api.apply(workload("web", { replicas: 3, nodes: ["hollow-1", "hollow-2"] }));
    await plane.api.apply(workload("db", { replicas: 2, nodes, kind: "StatefulSet" }));
    const data = "volumes: [{name: data, emptyDir: {}}]";
    await plane.api.apply(workload("cache", { replicas: 1, nodes, spec: data }));
    await plane.api.apply(barePod("bare", "hollow-1"));
    await settled(plane);

    const refused = await drain("hollow-1");
    expect(refused.code).toBe(1);
    expect(refused.stdout).toBe("node/hollow-1 cordoned\n");
    expect(refused.stderr).toMatch(
      /cannot delete Pods that declare no controller \(use --force to override\): default\/bare/,
    );
    expect(refused.stderr).toMatch(/DaemonSet-managed Pods \(use --ignore-daemonsets to ignore\): default\/agent-/);
    expect(refused.stderr).toMatch(
      /Pods with local storage \(use --delete-emptydir-data to override\): default\/cache-/,
    );
    expect(refused.stderr).toMatch(/There are pending nodes to be drained:\n hollow-1\n/);
    expect(refused.stderr).toMatch(/hint: it stays cordoned: .*kubemend node uncordon hollow-1/);

    const flags = ["hollow-1", "--force", ...IGNORE, "--delete-emptydir-data"];
    const theirs = await kubectlResult(plane, ["drain", ...flags, "--dry-run=client"]);
    const ours = await drain(...flags, "--dry-run=server");
    expect(theirs.code, theirs.stderr).toBe(0);
    expect(ours.code, ours.stderr).toBe(0);
    expect(evictedPods(ours.stdout)).toEqual(evictedPods(theirs.stdout));
    expect(evictedPods(ours.stdout)).toEqual(
      expect.arrayContaining(["default/bare", "default/cache", "default/db-0", "default/db-1", "default/web"]),
    );

    const before = await podsOn(plane, "hollow-1");
    const done = await drain(...flags);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toMatch(
      /^node\/hollow-1 already cordoned\n(evicting pod default\/\S+\n|pod\/\S+ evicted\n)+node\/hollow-1 drained\n$/,
    );
    const removed = [...done.stdout.matchAll(/^pod\/(\S+) evicted$/gm)].map(([, name]) => name!).sort();
    expect(removed).toEqual(before.filter((name) => !name.startsWith("agent-")));
    expect((await podsOn(plane, "hollow-1")).filter((name) => !name.startsWith("agent-"))).toEqual([]);
  });

  // The test bed's kubectl is of its version; Debian's are newer, and newer words of kubectl are the ones that kubemend has.
  test("kubectl and kubemend evict the same pods of the same set-up", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const programs = [undefined, findProgram("trixie", "kubectl"), findProgram("sid", "kubectl")];
    const nodes = ["hollow-1", "hollow-2", "hollow-3", "hollow-4"];
    for (const node of nodes) {
      await plane.api.apply(workload(`web-${node}`, { replicas: 3, nodes: [node] }));
      await plane.api.apply(workload(`db-${node}`, { replicas: 1, nodes: [node], kind: "StatefulSet" }));
      await plane.api.apply(barePod(`bare-${node}`, node));
    }
    await settled(plane);
    // What is made up, and which node it is, is not compared.
    const same = (text: string, node: string) => text.replaceAll(node, "NODE").replace(/(?<=agent-)[a-z0-9]{5}/g, "x");
    const newest = programs.at(-1);
    if (newest !== undefined) {
      const refused = {
        theirs: await kubectlResult(plane, ["drain", "hollow-3"], newest),
        ours: await drain("hollow-4"),
      };
      expect(refused.ours.code).toBe(refused.theirs.code);
      expect(same(refused.ours.stdout, "hollow-4")).toBe(same(refused.theirs.stdout, "hollow-3"));
      // In the order of a map of Go's, which is none.
      const reasons = (stderr: string) => {
        const line = /^error: unable to drain node "NODE" due to error: .*, continuing command\.\.\.$/m.exec(
          stderr,
        )![0];
        return [...line.matchAll(/cannot delete [^:]+: [^,\]]+/g)].map(([reason]) => reason).sort();
      };
      const ours = reasons(same(refused.ours.stderr, "hollow-4"));
      expect(ours).toEqual(reasons(same(refused.theirs.stderr, "hollow-3")));
      expect(ours).toHaveLength(2);
    }
    const flags = ["--force", ...IGNORE, "--pod-selector", "app notin (nothing)"];
    const results = await Promise.all(
      nodes.map((node, i) =>
        i === 3 || (i > 0 && programs[i] === undefined)
          ? drain(node, ...flags)
          : kubectlResult(plane, ["drain", node, ...flags], programs[i]),
      ),
    );
    const lines = results.map(({ code, stdout, stderr }, i) => {
      expect(code, stderr).toBe(0);
      const reported = same(stdout, nodes[i]!)
        .replace("already cordoned", "cordoned")
        .replace("node/NODE evicted", "node/NODE drained");
      return reported
        .replace(/-[a-z0-9]+-[a-z0-9]{5}(?= |$)/gm, "-x")
        .split("\n")
        .sort();
    });
    const ours = lines.at(-1)!;
    expect(ours).toHaveLength(13);
    // In any order: pods end when they end. kubectl 1.20 had the same lines, but for the last.
    for (const theirs of lines) expect(theirs).toEqual(ours);
  });

  test("a budget holds a pod, is named with what frees it, and lets it go as soon as it is freed", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await plane.api.apply(workload("web", { replicas: 3 }));
    await plane.api.apply(budget(kubernetes, "web", "minAvailable: 3"));
    await settled(plane);
    await waitFor("the budget to be counted", async () => {
      const { status } = await plane.api.get(
        `/apis/${policyOf(kubernetes)}/namespaces/default/poddisruptionbudgets/web`,
      );
      return status?.currentHealthy === 3;
    });
    const [pod] = await plane.podsReady("default", "app=web", 3);
    const node = pod.spec.nodeName as string;
    const given = await drain(node, ...IGNORE, "--timeout=2s");
    expect(given.code).toBe(1);
    expect(given.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
    expect(given.stderr).toContain(
      "budget default/web (minAvailable 3: 3 of 3 pods are healthy, and 3 must be) is freed by: never by " +
        "itself: add a replica, or lower its minAvailable",
    );
    expect(given.stderr).toContain("global timeout reached: 2s");

    const going = drain(node, ...IGNORE, "--wait-for-replacements");
    await sleep(2000);
    await plane.api.patch("/apis/apps/v1/namespaces/default/deployments/web", { spec: { replicas: 4 } });
    const done = await going;
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain(`node/${node} drained\n`);
    const elsewhere = (await plane.podsReady("default", "app=web", 4)).filter((each) => each.spec.nodeName !== node);
    expect(elsewhere).toHaveLength(4);
  });

  test("a finalizer that holds a pod is named; interrupted, the node stays cordoned, and it continues when run again", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await plane.api.apply(barePod("held", "hollow-2", ", finalizers: [example.com/hold]"));
    await settled(plane);
    const flags = ["hollow-2", "--force", ...IGNORE];
    const child = startNode(plane, ["drain", ...flags]);
    await child.reported(/pod "default\/held" is still there: held by finalizer "example.com\/hold"/);
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('node "hollow-2" stays cordoned; 0 of 1 pods are gone, 1 more are terminating\n');
    expect(stderr).toContain(
      "run the same command again to continue, or take it back: kubemend node uncordon hollow-2\n",
    );

    // kubectl counts whole seconds: one that is not overdue by more is evicted again, and then no longer waited for.
    const isOverdue = async () => {
      const { metadata } = await plane.api.get("/api/v1/namespaces/default/pods/held");
      return Date.now() - Date.parse(metadata.deletionTimestamp) >= 2000;
    };
    await waitFor("the pod to be overdue by more than a second", isOverdue);
    const skipped = await drain(...flags, "--skip-wait-for-delete-timeout=1");
    expect(skipped.code, skipped.stderr).toBe(0);
    expect(skipped.stdout).toBe("node/hollow-2 already cordoned\nnode/hollow-2 drained\n");

    const again = startNode(plane, ["drain", ...flags]);
    await again.reported(/evicting pod default\/held/);
    await plane.api.patch("/api/v1/namespaces/default/pods/held", { metadata: { finalizers: null } });
    const done = await again.ended;
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe(
      "node/hollow-2 already cordoned\nevicting pod default/held\npod/held evicted\nnode/hollow-2 drained\n",
    );
  });

  test("nodes by label, and pods deleted past the eviction API", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    await plane.api.apply(barePod("bare", "hollow-1"));
    await settled(plane);
    const flags = ["--force", ...IGNORE, "--disable-eviction", "--grace-period=0"];
    const done = await drain("-l", "kubernetes.io/hostname=hollow-1", ...flags);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe("node/hollow-1 cordoned\npod/bare deleted\nnode/hollow-1 drained\n");
  });

  test("wrong input: unknown nodes, no permission, a dry run that changes nothing", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const unknown = await drain("hollow-1", "hollow-11", "hollow-12");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('error: there is no node "hollow-11", "hollow-12"; nothing was changed\n');
    expect((await drain()).code).toBe(2);
    expect((await drain("hollow-1", "-l", "a=b")).code).toBe(2);

    // Somebody who may cordon and read, and not evict.
    await plane.api.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looker}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch, patch]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looker}
subjects: [{kind: User, name: looker, apiGroup: rbac.authorization.k8s.io}]
`);
    const server = serverOf(plane);
    const looker = await plane.issueKubeconfig("looker", "looker", [], server);
    await plane.api.apply(workload("web", { replicas: 1, nodes: ["hollow-1"] }));
    await settled(plane);
    const denied = await kubemendNode(plane, ["drain", "hollow-1", ...IGNORE], looker);
    expect(denied.code).toBe(1);
    expect(denied.stderr).toMatch(
      /^error: you may not create pods\/eviction in namespace "default".*nothing was changed$/m,
    );
    const stranger = await plane.issueKubeconfig("stranger", "stranger", [], server);
    const refused = await kubemendNode(plane, ["drain", "hollow-1", ...IGNORE], stranger);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^error: .*nodes "hollow-1" is forbidden/m);

    const dry = await drain("hollow-1", ...IGNORE, "--dry-run=client", "-o", "json");
    expect(dry.code, dry.stderr).toBe(0);
    const pods = await podsOn(plane, "hollow-1");
    expect(JSON.parse(dry.stdout)).toEqual({
      dryRun: "client",
      nodes: [
        {
          node: "hollow-1",
          drained: true,
          removed: pods.filter((name) => name.startsWith("web-")).map((name) => `default/${name}`),
          pending: [],
          errors: [],
        },
      ],
    });
    const { spec } = await plane.api.get("/api/v1/nodes/hollow-1");
    expect(spec.unschedulable).toBeUndefined();
  });

  test("the last healthy control-plane node is not drained unless told to", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const labels = { "node-role.kubernetes.io/master": "" };
    await plane.api.patch("/api/v1/nodes/hollow-3", { metadata: { labels } });
    const refused = await drain("hollow-3", ...IGNORE);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'error: "hollow-3" is the last healthy control-plane node (there is no other); nothing was changed\n',
    );
    expect((await plane.api.get("/api/v1/nodes/hollow-3")).spec.unschedulable).toBeUndefined();
    const reported = await drain("hollow-3", ...IGNORE, "--allow-control-plane-loss", "--dry-run=server");
    expect(reported.code, reported.stderr).toBe(0);
    await plane.api.patch("/api/v1/nodes/hollow-3", {
      metadata: { labels: { "node-role.kubernetes.io/master": null } },
    });
  });

  test("pods move back to a node that returned, one at a time, inside their budget", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const trio = ["hollow-1", "hollow-2", "hollow-3"];
    const node = (...args: string[]) => kubemendNode(plane, args);
    const webOn = async (name: string) => (await podsOn(plane, name)).filter((pod) => pod.startsWith("web-"));
    await node("cordon", "hollow-3");
    await plane.api.apply(workload("web", { replicas: 6, nodes: trio }));
    await plane.api.apply(budget(kubernetes, "web", "minAvailable: 6"));
    await plane.api.apply(workload("scaled", { replicas: 2, nodes: trio }));
    await plane.api.apply(`
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: scaled, namespace: default}
spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}}
`);
    await settled(plane);
    const cordoned = await node("rebalance", "hollow-3");
    expect(cordoned.code).toBe(2);
    expect(cordoned.stderr).toContain("hint: kubemend node uncordon hollow-3\n");
    await node("uncordon", "hollow-3");

    const dry = await node("rebalance", "hollow-3", "--dry-run");
    expect(dry.code, dry.stderr).toBe(0);
    expect(dry.stdout).toMatch(/^pod\/web-\S+ of hollow-[12] to hollow-3 \(dry run\)$/m);
    expect(dry.stdout).toMatch(/^ {2}hollow-3 {2}█+░+ +1 pod /m);
    expect(dry.stdout).toMatch(/^2 pods to move \(dry run\)$/m);
    expect(await webOn("hollow-3")).toEqual([]);

    await plane.api.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-viewer}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}]
${["view", "node-viewer"]
  .map(
    (role) => `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewer-${role}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${role}}
subjects: [{kind: User, name: viewer, apiGroup: rbac.authorization.k8s.io}]
`,
  )
  .join("")}`);
    const viewer = await plane.issueKubeconfig("viewer", "viewer", [], serverOf(plane));
    const denied = await kubemendNode(plane, ["rebalance", "hollow-3"], viewer);
    expect(denied.code).toBe(1);
    expect(denied.stderr).toMatch(
      /^error: you may not patch deployments in namespace "default".*; nothing was changed$/m,
    );

    const interrupted = startNode(plane, ["rebalance", "hollow-3"]);
    await interrupted.reported(/Deployment default\/web: one more replica/);
    interrupted.kill("SIGINT");
    expect((await interrupted.ended).code).toBe(130);
    const left = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/web");
    expect(left.spec.replicas, "as many as before").toBe(6);
    expect(left.metadata.annotations?.["kubemend/rebalance-replicas"]).toBeUndefined();
    await settled(plane);
    const between = await Promise.all(trio.map(async (each) => (await webOn(each)).length));

    let fewest = Number.POSITIVE_INFINITY;
    const watching = new AbortController();
    const watched = (async () => {
      while (!watching.signal.aborted) {
        const pods = await plane.api.list("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb");
        const serving = pods.filter((pod) => !pod.metadata.deletionTimestamp && conditionOf(pod, "Ready") === "True");
        fewest = Math.min(fewest, serving.length);
      }
    })();
    const done = await node("rebalance", "hollow-3");
    watching.abort();
    await watched;
    expect(done.code, done.stderr).toBe(0);
    expect(fewest, "never fewer than before").toBeGreaterThanOrEqual(6);
    const moved = [...done.stderr.matchAll(/^pod\/web-\S+ moved from hollow-[12] to hollow-3 as web-/gm)];
    expect(moved.length, done.stderr).toBeGreaterThan(0);
    expect(done.stdout).toMatch(new RegExp(`^${moved.length} pods? moved$`, "m"));
    // Only hollow-3 is filled, until it has one pod less than another node at most.
    const spread = await Promise.all(trio.map(async (each) => (await webOn(each)).length));
    const story = `${between.join()} became ${spread.join()}:\n${done.stderr}`;
    expect(spread[0]! + spread[1]! + spread[2]!, story).toBe(6);
    expect(Math.max(...spread) - spread[2]!, story).toBeLessThanOrEqual(1);
    const { spec, metadata } = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/web");
    expect(spec.replicas).toBe(6);
    expect(metadata.annotations?.["kubemend/rebalance-replicas"]).toBeUndefined();
    const scaled = await plane.api.get("/apis/apps/v1/namespaces/default/deployments/scaled");
    expect(scaled.metadata.generation, "left to its autoscaler").toBe(1);

    await settled(plane);
    const again = await node("rebalance", "hollow-3");
    expect(again.stdout).toMatch(/^nothing to move$/m);
  });

  longTest("a rebalance that cannot take its extra replica back says so, and the next one does", async (context) => {
    if (!hasNodes) context.skip("this Kubernetes has no kubemark");
    const path = "/apis/apps/v1/namespaces/default/deployments/web";
    const node = (...args: string[]) => kubemendNode(plane, args);
    await node("cordon", "hollow-3");
    await plane.api.apply(workload("web", { replicas: 6, nodes: ["hollow-1", "hollow-2", "hollow-3"] }));
    await settled(plane);
    await node("uncordon", "hollow-3");
    const apiServer = plane.bed.processes.get("kube-apiserver")!;
    const child = startNode(plane, ["rebalance", "hollow-3"]);
    await waitFor("the extra replica", async () => (await plane.api.get(path)).spec.replicas === 7);
    apiServer.signal("SIGSTOP"); // it no longer answers
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    apiServer.signal("SIGCONT");
    expect(code, stderr).toBe(130);
    expect(stderr).toContain(
      "Deployment default/web may be left with 7 replicas instead of 6: kubemend node rebalance, run again, puts that right\n",
    );
    const left = await waitFor("the API server to answer", () => plane.api.get(path));
    expect([left.spec.replicas, left.metadata.annotations["kubemend/rebalance-replicas"]]).toEqual([7, "6"]);
    const again = await node("rebalance", "hollow-3");
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain('deployments "default/web" has 6 replicas again: an earlier run had been cut off\n');
    expect((await plane.api.get(path)).spec.replicas).toBe(6);
  });

  longTest(
    "an API server that goes away in the middle and comes back does not end a drain; one that stays away does",
    async (context) => {
      if (!hasNodes) context.skip("this Kubernetes has no kubemark");
      await plane.api.apply(barePod("held", "hollow-2", ", finalizers: [example.com/hold]"));
      await plane.api.apply(workload("web", { replicas: 3, nodes: ["hollow-2"] }));
      await settled(plane);
      const apiServer = plane.bed.processes.get("kube-apiserver")!;
      const child = startNode(plane, ["drain", "hollow-2", "--force", ...IGNORE]);
      await child.reported(/evicting pod default\/held/);
      apiServer.signal("SIGSTOP"); // it no longer answers
      await sleep(3000);
      apiServer.signal("SIGCONT");
      await child.reported(/held by finalizer/);
      await plane.api.patch("/api/v1/namespaces/default/pods/held", { metadata: { finalizers: null } });
      const first = await child.ended;
      expect(first.code, first.stderr).toBe(0);
      await kubemendNode(plane, ["uncordon", "hollow-2"]);
      await settled(plane);

      await plane.api.apply(barePod("held", "hollow-2", ", finalizers: [example.com/hold]"));
      await settled(plane);
      const watching = startNode(plane, ["status", "--watch"]);
      await watching.reported(/^hollow-2 +Ready /m);
      const second = startNode(plane, ["drain", "hollow-2", "--force", ...IGNORE]);
      await second.reported(/held by finalizer/);
      await apiServer.kill();
      await second.reported(/note: waiting for the API server/);
      const { code, stderr } = await second.ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /error: cannot reach the API server at .*: (nothing listens there|it closed the connection)/,
      );
      expect(stderr).toContain('node "hollow-2" stays cordoned');
      await watching.reported(/^warning: the API server does not answer: what is shown is what it reported last$/m);
      watching.kill("SIGINT");
      expect((await watching.ended).code).toBe(130);
      hasNodes = false; // nobody to tidy up with
    },
  );
});

/** The API server's address for clients on this machine. */
function serverOf(plane: ControlPlane): string {
  return /server: (\S+)/.exec(readFileSync(plane.kubeconfig, "utf8"))![1]!;
}
