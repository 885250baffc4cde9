/**
 * Failures of a control plane whose programs all run: a full etcd, a check that fails, an API server that is slow, a
 * clock that is wrong, a key that is not the certificate's, pods that no node takes. Each is made for real, but for the
 * clock and the slowness; `diagnose` names it and nothing else.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { runForResult } from "../../testbed/processes.ts";
import { waitFor } from "../../testbed/wait.ts";
import { startSlowProxy } from "../slow-proxy.ts";
import { diagnosed, mended, type Place, placeIn, runPrinted } from "./diagnosing.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const PODS = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
/** As much room as a small cluster needs, and as little as is filled in seconds. */
const ETCD_QUOTA = 24 << 20;
const BROKEN_DEFINITION = "/registry/apiextensions.k8s.io/customresourcedefinitions/broken.example.com";

describeWithCluster("diagnose, with every program running", (kubernetes) => {
  let plane: ControlPlane;
  let here: Place;

  beforeAll(async () => {
    plane = await startControlPlane({ kubernetes, members: 3, etcdFlags: [`--quota-backend-bytes=${ETCD_QUOTA}`] });
    await plane.addHollowNodes(2);
    here = placeIn(plane);
    await diagnosed(here, []);
  });
  afterAll(() => plane?.[Symbol.asyncDispose]());

  const restartApiServer = async () => {
    await plane.bed.processes.get("kube-apiserver")!.kill();
    plane.bed.startAgain("kube-apiserver");
  };

  longTest("an etcd that is full: leaders that cannot renew are its consequence", async () => {
    await plane.kubectl("create", "configmap", "large");
    const overwrite = (round: number) =>
      plane.api.patch(`${CONFIG_MAPS}/large`, { data: { filler: `${round}`.padEnd(900_000, "x") } });
    const fill = async () => {
      for (let round = 0; ; round++) await overwrite(round);
    };
    await expect(fill()).rejects.toThrow("database space exceeded");
    await diagnosed(here, ["error etcd-alarm-nospace"]);
    await waitFor("the leases to run out", async () => {
      const evidence = (await diagnosed(here, ["error etcd-alarm-nospace"])).troubles[0]!.evidence.join("\n");
      return evidence.includes("no scheduler works") && evidence.includes("no controller manager works");
    });
    await mended(here, "error etcd-alarm-nospace");
    await overwrite(0);
  });

  longTest("a check of the API server that fails, and which", async () => {
    await plane.etcd.etcdctl("put", BROKEN_DEFINITION, "no object");
    await restartApiServer();
    const { troubles } = await diagnosed(here, ["error api-server-not-ready"]);
    const [{ text, commands }] = troubles as [(typeof troubles)[number]];
    expect(text).toMatch(/fails its checks .*"poststarthook\/crd-informer-synced"/);
    const reported = "[-]poststarthook/crd-informer-synced failed";
    await expect(runPrinted(commands, here)).rejects.toThrow(reported);
    await plane.etcd.etcdctl("del", BROKEN_DEFINITION);
    await diagnosed(here, []);
    await runPrinted(commands, here);
  });

  longTest("an API server that is slow", async () => {
    const port = Number(new URL(/server: (\S+)/.exec(readFileSync(plane.kubeconfig, "utf8"))![1]!).port);
    const proxy = await startSlowProxy(port, 600);
    try {
      const server = `https://127.0.0.1:${proxy.port}`;
      const KUBECONFIG = await plane.issueKubeconfig("beyond-proxy", "admin", ["system:masters"], server);
      const beyond: Place = {
        ...here,
        run: (command, options) => runForResult(command, { ...options, env: { KUBECONFIG } }),
      };
      const { troubles } = await diagnosed(beyond, ["warning api-server-slow"]);
      await runPrinted(troubles[0]!.commands, beyond);
      proxy.delay = 0;
      await diagnosed(beyond, []);
    } finally {
      await proxy.close();
    }
  });

  longTest("a clock that is wrong: leases are judged by the API server's", async () => {
    let shift = 330_000; // told in whole minutes, after the time that a request takes
    const wrong: Place = {
      ...here,
      run: (command, options) =>
        here.run(command, {
          ...options,
          env: {
            NODE_OPTIONS: `--import=${join(import.meta.dirname, "shift-clock.ts")}`,
            KUBEMEND_TEST_CLOCK_SHIFT: String(shift),
          },
        }),
      systemctl(verb, unit) {
        expect([verb, unit]).toEqual(["restart", "chronyd"]);
        shift = 0;
        return Promise.resolve();
      },
    };
    const { text } = await mended(wrong, "warning clocks-differ");
    expect(text).toBe("the API server's clock is 5 min behind this machine's");
  });

  longTest("a key on the disk that is not the certificate's", async () => {
    const { authority } = plane;
    const other = await authority.issue("other", { commonName: "other", use: "server" });
    writeFileSync(join(authority.directory, "apiserver.key"), other.key);
    const { where } = await mended(here, "error certificate-key-mismatch");
    expect(where).toBe(join(authority.directory, "apiserver.crt"));
    await restartApiServer();
    await diagnosed(here, []);
  });

  longTest("a pod that fits no node", async () => {
    await plane.api.post(PODS, podOf("large", { resources: { requests: { cpu: "1000" } } }));
    const { troubles } = await diagnosed(here, ["warning pods-unschedulable"]);
    expect(troubles[0]!.evidence.join("\n")).toContain("Insufficient cpu");
    await runPrinted(troubles[0]!.commands, here);
    await plane.api.delete(`${PODS}/large`, { gracePeriodSeconds: 0 });
    await diagnosed(here, []);
  });

  longTest("a pod for a scheduler that there is not", async () => {
    await plane.api.post(PODS, podOf("ignored", {}, { schedulerName: "batch" }));
    const { troubles } = await diagnosed(here, ["error pods-ignored-by-scheduler"]);
    expect(troubles[0]!.advice).toContain('nobody calls itself "batch"');
    await runPrinted(troubles[0]!.commands, here);
    await plane.api.delete(`${PODS}/ignored`, { gracePeriodSeconds: 0 });
    await diagnosed(here, []);
  });
});

function podOf(name: string, container: object, spec: object = {}): unknown {
  return {
    metadata: { name },
    spec: {
      ...spec,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "web", image: "kubemend.test/web:1", imagePullPolicy: "IfNotPresent", ...container }],
    },
  };
}
