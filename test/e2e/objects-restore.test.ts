/** Chosen objects go back into a live cluster whose controllers run, and are taken back again, to the last object. */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { inParallel } from "../../src/operations/cluster-access/in-parallel.ts";
import { restoreSnapshot } from "../../src/operations/snapshot/restore.ts";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { Workplace } from "./giving-back.ts";
import { checkRecording } from "./guide.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

describeWithCluster("objects that were lost", (kubernetes) => {
  test("a deleted namespace with workloads, claims and services", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(SHOP(kubernetes.minor));
    await claimsBound(plane, ["kept", "dropped", "data-db-0"]);
    await podsMade(plane);
    await plane.api.request("PUT", "/api/v1/namespaces/shop/services/lb/status", {
      ...(await plane.api.get("/api/v1/namespaces/shop/services/lb")),
      status: { loadBalancer: { ingress: [{ ip: "192.0.2.7" }] } },
    });
    const backup = await place.backup();
    const uids = new Map(
      (await plane.api.list("/api/v1/persistentvolumes")).map((pv) => [pv.metadata.name, pv.metadata.uid]),
    );

    await plane.api.delete("/api/v1/namespaces/shop");
    await namespaceGone(plane, "shop");
    await waitFor("the volume to be deleted", async () =>
      (await plane.api.list("/api/v1/persistentvolumes")).every(({ metadata }) => metadata.name !== "dropped"),
    );
    const lost = await place.keyspace();

    const dry = await place.objects("restore", backup, "-n", "shop", "--dry-run");
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(/^create +namespaces\/shop$/m);
    expect(dry.stdout).toContain('it gets its volume "kept" back, with all that is on it');
    expect(dry.stdout).toMatch(/^skip +shop +2 pods +ReplicaSet makes it$/m);
    expect(await place.keyspace()).toEqual(lost);

    const ran = await place.objects("restore", backup, "-n", "shop", "--yes");
    expect(ran.stderr).not.toContain("refused");
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    await podsMade(plane);
    await claimsBound(plane, ["kept", "data-db-0"]);
    const volumes = await plane.api.list("/api/v1/persistentvolumes");
    for (const name of ["kept", "db"]) {
      const volume = volumes.find(({ metadata }) => metadata.name === name);
      expect(volume.metadata.uid).toBe(uids.get(name));
      expect(volume.status.phase).toBe("Bound");
    }
    const dropped = await plane.api.get("/api/v1/namespaces/shop/persistentvolumeclaims/dropped");
    expect(dropped.spec.volumeName).toBeUndefined();
    expect(ran.stdout).toContain("DATA IS LOST");

    const services = await plane.api.list("/api/v1/namespaces/shop/services");
    const service = (name: string) => services.find(({ metadata }) => metadata.name === name);
    expect(service("web").spec.clusterIP).toBe("10.96.0.80");
    expect(service("out").spec.ports[0].nodePort).toBe(30080);
    expect(service("none").spec.clusterIP).toBe("None");
    expect(service("lb").status.loadBalancer).toMatchObject({ ingress: [{ ip: "192.0.2.7" }] }); // and its mode since 1.30
    expect(service("other").spec.type).toBe("ExternalName");
    const account = await plane.api.get("/api/v1/namespaces/shop/serviceaccounts/default");
    expect(account.imagePullSecrets).toEqual([{ name: "registry" }]);

    const diff = await place.objects(
      "diff",
      backup,
      "live",
      "-n",
      "shop",
      "configmaps,deployments,statefulsets,daemonsets,services,roles,rolebindings,secrets",
      "-o",
      "json",
    );
    const differing = JSON.parse(diff.stdout).differences.filter(
      (d: { kind: string; name: string }) => !d.name.includes("-token-"),
    );
    expect(differing).toEqual([]);

    const again = await place.objects("restore", backup, "-n", "shop", "--yes");
    expect(again.stderr).toContain("nothing was changed");

    const undone = await place.objects("undo", place.undoFile, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    // Not in CI: whichever controller was first may show.
    if (kubernetes.minor === 20 && process.env.KUBEMEND_E2E !== "short") {
      checkRecording(kubernetes.version, [
        ["kubemend objects restore shop.db -n shop --yes", named(ran.shown, place, backup)],
        [`kubemend objects undo ${basename(place.undoFile)} --yes`, named(undone.shown, place, backup)],
      ]);
    }
    await place.keyspaceIs(lost);
  });

  longTest("a definition with 1,000 objects, overwritten configuration, bindings, and a job's history", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(OTHERS(kubernetes.minor));
    const widgets = "/apis/example.com/v1/namespaces/default/widgets";
    await waitFor("widgets to be served", () => plane.api.list(widgets));
    await inParallel(numbers(1000), (i) =>
      plane.api.post(widgets, {
        apiVersion: "example.com/v1",
        kind: "Widget",
        metadata: { name: `w-${i}` },
        spec: { size: i },
      }),
    );
    await inParallel(numbers(200), (i) =>
      plane.api.post("/api/v1/namespaces/default/configmaps", { metadata: { name: `map-${i}` }, data: { i: `${i}` } }),
    );
    await claimsBound(plane, ["data-db-0", "data-db-1"], "default");
    await setReady(plane);
    const claims = new Map(
      (await plane.api.list("/api/v1/namespaces/default/persistentvolumeclaims")).map(({ metadata }) => [
        metadata.name,
        metadata.uid,
      ]),
    );
    const backup = await place.backup();

    // Each disaster, the words that repair it, and how many objects that takes.
    const disasters: readonly (readonly [lose: () => Promise<unknown>, words: readonly string[], text: string])[] = [
      [
        async () => {
          await plane.api.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com");
          await waitFor(
            "the definition to be gone",
            async () => (await plane.api.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")).length === 0,
            { seconds: 120 },
          );
        },
        ["crd/widgets.example.com", "--with-dependents"],
        "1001 created, 0 changed, 1001 of 1001 read back as sent",
      ],
      [
        async () => {
          await plane.api.patch("/api/v1/namespaces/default/configmaps/map-7", { data: { i: "wrong", more: "x" } });
          await plane.api.patch("/api/v1/namespaces/default/secrets/password", { data: { p: "d3Jvbmc=" } });
        },
        ["configmaps,secrets", "--changed", "-l", "!made"],
        "0 created, 2 changed, 2 of 2 read back as sent",
      ],
      [
        async () => {
          for (const name of ["ops-1", "ops-2"])
            await plane.api.delete(`/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${name}`);
        },
        ["clusterrolebindings", "-l", "team=ops"],
        "2 created, 0 changed, 2 of 2 read back as sent",
      ],
      [
        async () => {
          await plane.api.delete(`/apis/${batch(kubernetes.minor)}/namespaces/default/cronjobs/nightly`, {
            propagationPolicy: "Background",
          });
          const path = `/apis/${batch(kubernetes.minor)}/namespaces/default/cronjobs`;
          await waitFor("the cron job to be gone", async () => (await plane.api.list(path)).length === 0);
        },
        ["cronjobs,jobs"],
        "1 created, 0 changed, 1 of 1 read back as sent",
      ],
      [
        async () => {
          await plane.api.delete("/apis/apps/v1/namespaces/default/statefulsets/db", {
            propagationPolicy: "Foreground",
          });
          const path = "/apis/apps/v1/namespaces/default/statefulsets";
          await waitFor("the stateful set to be gone", async () => (await plane.api.list(path)).length === 0);
          // Its claims outlive it.
          await claimsBound(plane, ["data-db-0", "data-db-1"], "default");
        },
        ["statefulset/db"],
        "1 created, 0 changed, 1 of 1 read back as sent",
      ],
    ];
    for (const [lose, words, text] of disasters) {
      await lose();
      const lost = await place.keyspace();
      const ran = await place.objects("restore", backup, ...words, "--yes");
      expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0, stdout: expect.stringContaining(text) });
      const again = await place.objects("restore", backup, ...words, "--yes");
      expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing was changed") });
      const undone = await place.objects("undo", place.undoFile, "--yes", "-o", "json");
      expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
      await place.keyspaceIs(lost);
      expect(await place.objects("restore", backup, ...words, "--yes")).toMatchObject({ code: 0 });
    }
    await setReady(plane);
    for (const { metadata, spec } of await plane.api.list("/api/v1/persistentvolumes")) {
      expect(spec.claimRef.uid, metadata.name).toBe(claims.get(spec.claimRef.name));
    }
    const jobs = await plane.api.list("/apis/batch/v1/namespaces/default/jobs");
    expect(jobs.filter(({ metadata }) => metadata.name === "done")).toHaveLength(1);
    const diff = await place.objects(
      "diff",
      backup,
      "live",
      "crd,widgets,configmaps,secrets,clusterrolebindings,cronjobs,statefulsets",
      "-o",
      "json",
    );
    const names = JSON.parse(diff.stdout).differences.map((each: { name: string }) => each.name);
    expect(names.filter((name: string) => !name.includes("-token-"))).toEqual([]);
  });

  longTest("refusals are named and the rest continues; killed runs continue; a copy in another namespace", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(SHOP(kubernetes.minor));
    await claimsBound(plane, ["kept", "dropped", "data-db-0"]);
    await podsMade(plane);
    const backup = await place.backup();

    const copy = await place.objects("restore", backup, "-n", "shop", "--into-namespace", "copy", "--yes");
    expect(copy, `${copy.stdout}${copy.stderr}`).toMatchObject({ code: 0 });
    const [original, copied] = await Promise.all(
      ["shop", "copy"].map((namespace) => plane.api.get(`/apis/apps/v1/namespaces/${namespace}/deployments/web`)),
    );
    expect(copied.spec).toEqual(original.spec);
    const binding = await plane.api.get("/apis/rbac.authorization.k8s.io/v1/namespaces/copy/rolebindings/reader");
    expect(binding.subjects[0].namespace).toBe("copy");
    expect((await place.objects("undo", place.undoFile, "--yes", "--force")).code).toBe(0);
    await namespaceGone(plane, "copy");

    // A webhook that nobody answers for ConfigMaps, a field that cannot change, and a quota.
    await plane.api.post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", DEAD_WEBHOOK);
    await plane.api.delete("/api/v1/namespaces/shop/configmaps/settings");
    await plane.api.delete("/apis/apps/v1/namespaces/shop/deployments/web");
    await plane.api.delete("/api/v1/namespaces/shop/services/none");
    await plane.api.post("/api/v1/namespaces/shop/services", {
      metadata: { name: "none" },
      spec: { ports: [{ port: 80 }], selector: { app: "db" } },
    });
    await plane.api.patch("/api/v1/namespaces/shop/resourcequotas/quota", { spec: { hard: { configmaps: "1" } } });
    const refused = await place.objects(
      "restore",
      backup,
      "configmaps,deployments,services",
      "-n",
      "shop",
      "--changed",
      "--yes",
    );
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/refused +shop +configmaps\/settings +.*webhook/);
    expect(refused.stdout).toMatch(/refused +shop +services\/none +.*clusterIP/);
    expect(
      (await plane.api.list("/apis/apps/v1/namespaces/shop/deployments")).map(({ metadata }) => metadata.name),
    ).toEqual(["web"]);
    await plane.api.delete("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/dead");
    await plane.api.delete("/api/v1/namespaces/shop/services/none");

    // Killed again and again, a run comes to its end, and one undo takes all of it back.
    await plane.api.delete("/api/v1/namespaces/shop");
    await namespaceGone(plane, "shop");
    await waitFor("the volume to be deleted", async () =>
      (await plane.api.list("/api/v1/persistentvolumes")).every(({ metadata }) => metadata.name !== "dropped"),
    );
    const lost = await place.keyspace();
    const undo = join(place.directory, "killed.jsonl");
    await place.killed(["restore", backup, "-n", "shop", "--yes", "--undo-file", undo], 1);
    for (let writes = 4; writes <= 24; writes += 5) await place.killed(["restore", "--resume", undo, "--yes"], writes);
    const last = await place.objects("restore", "--resume", undo, "--yes");
    expect(last, `${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    await podsMade(plane);
    await claimsBound(plane, ["kept", "data-db-0"]);
    const undone = await place.objects("undo", undo, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(lost);
  });

  test("an edited snapshot is restored, and a real API server serves what was set", async () => {
    await using plane = await startControlPlane({ kubernetes, components: [] });
    using place = new Workplace(plane);
    await plane.api.post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", DEAD_WEBHOOK);
    const backup = await place.backup();
    const file = join(place.directory, "set.yaml");
    writeFileSync(
      file,
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: set, namespace: default}\ndata: {by: kubemend}\n",
    );
    const [member] = plane.etcd.members as [(typeof plane.etcd.members)[number]];
    await member.kill();
    member.loseDisk();
    await restoreSnapshot(backup, {
      dataDir: member.dataDirectory,
      name: member.name,
      initialCluster: `${member.name}=${member.peerUrl}`,
      initialClusterToken: "edited",
      initialAdvertisePeerUrls: member.peerUrl,
      bumpRevision: 1000,
      surgery: {
        remove: ["validatingwebhookconfiguration/dead"],
        set: [file],
        from: [],
        namespace: "default",
        selector: "",
      },
    });
    member.start();
    await plane.etcd.ready();
    const served = await waitFor("the API server to serve what was set", () =>
      plane.api.get("/api/v1/namespaces/default/configmaps/set"),
    );
    expect(served).toMatchObject({ data: { by: "kubemend" } });
    await waitFor("the webhook to be forgotten", () =>
      plane.api.post("/api/v1/namespaces/default/configmaps", { metadata: { name: "after" } }),
    );
    expect(await plane.api.list("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations")).toEqual([]);
  });
});

/** With the names of files as the guide has them. */
function named(text: string, place: Workplace, backup: string): string {
  return text.replaceAll(backup, "shop.db").replaceAll(`${place.directory}/`, "");
}

/** Two of the Deployment, one of the StatefulSet, one of nobody. */
async function podsMade(plane: ControlPlane): Promise<void> {
  let names: readonly string[] = [];
  await waitFor(
    "pods to be made",
    async () => {
      const pods = await plane.api.list("/api/v1/namespaces/shop/pods");
      names = pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
      const count = (start: string) => names.filter((name) => name.startsWith(start)).length;
      return count("web-") === 2 && count("db-0") === 1 && count("alone") === 1;
    },
    { explain: () => names.join(", ") },
  );
}

async function namespaceGone(plane: ControlPlane, name: string): Promise<void> {
  await waitFor(
    `namespace ${name} to be gone`,
    async () => (await plane.api.list("/api/v1/namespaces")).every(({ metadata }) => metadata.name !== name),
    { seconds: 60 },
  );
}

/** Both pods of the StatefulSet of {@link OTHERS} are there; nothing runs them. */
async function setReady(plane: ControlPlane): Promise<void> {
  await waitFor("the pods of the stateful set", async () => {
    const pods = await plane.api.list("/api/v1/namespaces/default/pods");
    const names = pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
    return ["db-0", "db-1"].every((name) => names.includes(name));
  });
}

async function claimsBound(plane: ControlPlane, names: readonly string[], namespace = "shop"): Promise<void> {
  let phases: unknown;
  await waitFor(
    `claims ${names.join(", ")} to be bound`,
    async () => {
      const claims = await plane.api.list(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`);
      phases = claims.map(({ metadata, status }) => [metadata.name, status.phase]);
      return names.every((name) =>
        claims.some(({ metadata, status }) => metadata.name === name && status.phase === "Bound"),
      );
    },
    { seconds: 60, explain: () => JSON.stringify(phases) },
  );
}

/** In which CronJobs are served. */
const batch = (minor: number) => (minor >= 21 ? "batch/v1" : "batch/v1beta1");

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const DEAD_WEBHOOK = {
  metadata: { name: "dead" },
  webhooks: [
    {
      name: "dead.example.com",
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      failurePolicy: "Fail",
      timeoutSeconds: 1,
      clientConfig: { service: { namespace: "default", name: "nobody" } },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"], scope: "*" }],
    },
  ],
};

const OTHERS = (minor: number) => `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object,
     properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: default}
stringData: {p: right}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ops-1, labels: {team: ops}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, name: a, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ops-2, labels: {team: ops}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: User, name: b, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: ${batch(minor)}
kind: CronJob
metadata: {name: nightly, namespace: default}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "kubemend.test/web:1"}]}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: done, namespace: default}
spec: {activeDeadlineSeconds: 1, template: {spec: {restartPolicy: Never, containers: [{name: c, image: "kubemend.test/web:1"}]}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db-0}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
  storageClassName: manual, hostPath: {path: /tmp/db-0}, claimRef: {namespace: default, name: data-db-0}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db-1}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
  storageClassName: manual, hostPath: {path: /tmp/db-1}, claimRef: {namespace: default, name: data-db-1}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  replicas: 2
  serviceName: db
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "kubemend.test/web:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 1Gi}}}
`;

const SHOP = (minor: number) => `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: kept}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
  storageClassName: manual, hostPath: {path: /tmp/kept}, claimRef: {namespace: shop, name: kept}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: db}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
  storageClassName: manual, hostPath: {path: /tmp/db}, claimRef: {namespace: shop, name: data-db-0}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: dropped}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Delete,
  storageClassName: manual, hostPath: {path: /tmp/kubemend-dropped}, claimRef: {namespace: shop, name: dropped}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: kept, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: dropped, namespace: shop}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: dropped, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: shop}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
imagePullSecrets: [{name: registry}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: web, namespace: shop}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: shop}
spec: {hard: {pods: "10", configmaps: "20"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: "kubemend.test/web:1", envFrom: [{configMapRef: {name: settings}}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 1
  serviceName: none
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "kubemend.test/web:1", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "kubemend.test/web:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop}
spec: {containers: [{name: alone, image: "kubemend.test/web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.80, selector: {app: web}, ports: [{protocol: TCP, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{protocol: TCP, port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{protocol: TCP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: lb, namespace: shop}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{protocol: TCP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: ${minor >= 21 ? "policy/v1" : "policy/v1beta1"}
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {maxReplicas: 2, minReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`;
