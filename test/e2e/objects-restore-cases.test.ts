/**
 * More disasters whose objects go back into a live cluster: copies, refusals, other versions of the API, encrypted
 * backups, kills at each step.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { idKey } from "../../src/objects/object-id.ts";
import { decodeUndoFile } from "../../src/objects/undo-record.ts";
import { editSnapshot } from "../../src/operations/snapshot/edit.ts";
import { type ControlPlane, startControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";
import { Workplace } from "./giving-back.ts";
import { KillingProxy } from "./killing-proxy.ts";
import { describeWithCluster, longTest } from "./kubernetes.ts";

const ENCRYPTED = join(import.meta.dirname, "../fixtures/k136-encrypted");
const BUDGETS = (minor: number) => (minor >= 21 ? "policy/v1" : "policy/v1beta1");

describeWithCluster("objects that were lost, in harder cases", (kubernetes) => {
  longTest("an application of 60 objects, copied into another namespace and under another name", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(application("app", BUDGETS(kubernetes.minor)));
    const backup = await place.backup();
    const before = await place.settled();

    const checked = await place.objects(
      "restore",
      backup,
      "-n",
      "app",
      "--into-namespace",
      "app-copy",
      "--dry-run=server",
    );
    expect(checked, `${checked.stdout}${checked.stderr}`).toMatchObject({ code: 0 });
    expect(checked.stdout).toMatch(/^1 would be created, 0 would be changed, 61 unchecked$/m); // the namespace is not there yet
    await place.keyspaceIs(before);

    const ran = await place.objects("restore", backup, "-n", "app", "--into-namespace", "app-copy", "--yes");
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    // The account "default" is there already, and the controller of the six autoscalers annotates them.
    expect(ran.stdout).toMatch(/^61 created, 0 changed, 1 kept, (?:5[5-9]|6[01]) of 61 read back as sent$/m);
    const kinds = APPLICATION_PATHS(BUDGETS(kubernetes.minor));
    for (const path of kinds) {
      const of = async (namespace: string) =>
        (await plane.api.list(path.replace("NS", namespace))).filter(isOfApplication).map(comparable);
      expect(JSON.stringify(await of("app-copy")).replaceAll("app-copy", "app"), path).toBe(
        JSON.stringify(await of("app")),
      );
    }
    const bindings = await plane.api.list("/apis/rbac.authorization.k8s.io/v1/namespaces/app-copy/rolebindings");
    expect(bindings.flatMap(({ subjects }) => subjects.map((each: { namespace: string }) => each.namespace))).toEqual(
      Array(6).fill("app-copy"),
    );
    const undone = await place.objects("undo", place.undoFile, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(before);

    // Under other names, in the same namespace: what refers to them follows.
    const renames = ["deployment/part-0", "configmap/part-0", "secret/part-0", "service/part-0", "ingress/part-0"];
    const renamed = await place.objects(
      "restore",
      backup,
      ...renames,
      "-n",
      "app",
      "--rename",
      "part-0=part-9",
      "--yes",
    );
    expect(renamed, `${renamed.stdout}${renamed.stderr}`).toMatchObject({ code: 0 });
    const deployment = await plane.api.get("/apis/apps/v1/namespaces/app/deployments/part-9");
    expect(deployment.spec.template.spec.containers[0].envFrom).toEqual([
      { configMapRef: { name: "part-9" } },
      { secretRef: { name: "part-9" } },
    ]);
    expect(deployment.spec.template.spec.serviceAccountName).toBe("part-0"); // that one was not asked for
    const ingress = await plane.api.get("/apis/networking.k8s.io/v1/namespaces/app/ingresses/part-9");
    expect(ingress.spec.rules[0].http.paths[0].backend.service.name).toBe("part-9");
    expect((await place.objects("undo", place.undoFile, "--yes")).code).toBe(0);
    await place.keyspaceIs(before);
  });

  longTest(
    "refusals by a webhook, a quota and immutable fields: the rest continues, and undo brings back all",
    async () => {
      await using plane = await startControlPlane({ kubernetes });
      using place = new Workplace(plane);
      await plane.api.apply(application("app", BUDGETS(kubernetes.minor)));
      await plane.api.apply(QUOTA);
      const backup = await place.backup();
      await place.settled();

      for (const [path, body] of DEAD_WEBHOOKS) await plane.api.post(path, body);
      await plane.api.delete("/api/v1/namespaces/app/configmaps/part-0");
      for (const name of ["part-1", "part-2"]) await plane.api.delete(`/api/v1/namespaces/app/secrets/${name}`);
      await plane.api.delete("/api/v1/namespaces/app/services/part-3");
      await plane.api.post("/api/v1/namespaces/app/services", {
        metadata: { name: "part-3" },
        spec: { clusterIP: "None", ports: [{ port: 80 }], selector: { app: "other" } },
      });
      await plane.api.patch("/api/v1/namespaces/app/configmaps/part-4", { data: { color: "wrong" }, immutable: true });
      await plane.api.delete("/apis/rbac.authorization.k8s.io/v1/namespaces/app/rolebindings/part-5");
      await plane.api.post("/apis/rbac.authorization.k8s.io/v1/namespaces/app/rolebindings", {
        metadata: { name: "part-5" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
      });
      const used = (await plane.api.list("/api/v1/namespaces/app/secrets")).length;
      await plane.api.patch("/api/v1/namespaces/app/resourcequotas/quota", {
        spec: { hard: { secrets: `${used + 1}` } },
      });
      await waitFor("the quota to be counted", async () => {
        const { status } = await plane.api.get("/api/v1/namespaces/app/resourcequotas/quota");
        return status.hard.secrets === `${used + 1}` && Number(status.used.secrets) === used;
      });
      const lost = await place.settled();

      const words = ["configmaps,secrets,services,rolebindings,deployments", "-n", "app", "--changed"];
      const checked = await place.objects("restore", backup, ...words, "--dry-run=server");
      expect(checked.code).toBe(1);
      expect(checked.stdout).toMatch(/^refused +app +configmaps\/part-4 .*immutable/m);
      await place.keyspaceIs(lost);

      const ran = await place.objects("restore", backup, ...words, "--yes");
      expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 1 });
      expect(ran.stdout).toMatch(/^refused +app +configmaps\/part-0 .*webhook/m);
      expect(ran.stdout).toMatch(/^refused +app +configmaps\/part-4 .*immutable/m);
      expect(ran.stdout).toMatch(/^refused +app +services\/part-3 .*clusterIP/m);
      expect(ran.stdout).toMatch(
        /^refused +app +rolebindings\.rbac\.authorization\.k8s\.io\/part-5 .*cannot change roleRef/m,
      );
      expect(ran.stdout.match(/^refused +app +secrets\/part-[12] .*exceeded quota/gm)).toHaveLength(1);
      expect(ran.stdout).toMatch(/^1 created, 0 changed, 5 refused, 1 of 1 read back as sent$/m);
      const undone = await place.objects("undo", place.undoFile, "--yes");
      expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
      await place.keyspaceIs(lost);
    },
  );

  longTest(
    "versions that the cluster does not serve: converted where they mean the same, named where not",
    async () => {
      await using plane = await startControlPlane({ kubernetes });
      using place = new Workplace(plane);
      const [set, wanted] = kubernetes.minor >= 26 ? OLDER : NEWER;
      const file = join(place.directory, "set.yaml");
      writeFileSync(file, set);
      const backup = join(place.directory, "other-versions.db");
      const request = { remove: [], set: [file], from: [], namespace: "default", selector: "" };
      await editSnapshot(await place.backup(), backup, { request, isDryRun: false, now: Date.now });
      const kinds = "poddisruptionbudgets,cronjobs,horizontalpodautoscalers,ingresses,endpointslices";
      const ran = await place.objects("restore", backup, kinds, "-l", "test=versions", "--yes", "-o", "json");
      const isRefused = Object.values(wanted).some((text) => !isConverted(text));
      expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: isRefused ? 1 : 0 });
      const items: { name: string; action: string; state?: string; reason?: string; notes: string[] }[] = JSON.parse(
        ran.stdout,
      ).items;
      for (const [name, text] of Object.entries(wanted)) {
        const item = items.find((each) => each.name === name)!;
        if (isConverted(text)) {
          expect(item, name).toMatchObject({ action: "create", state: "created" });
          expect(item.notes).toContain(text);
        } else {
          expect(item, name).toMatchObject({ action: "blocked" });
          expect(item.reason).toContain(text.trim());
        }
      }
      expect((await place.objects("undo", place.undoFile, "--yes")).code).toBe(0);
    },
  );

  longTest("an encrypted backup, with its keys and without", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    const lost = await place.settled();
    const words = ["restore", join(ENCRYPTED, "snapshot.db.gz"), "secrets", "-n", "enc", "--yes"];
    const without = await place.objects(...words);
    expect(without.code).toBe(1);
    expect(without.stderr).toContain("--encryption-config");
    await place.keyspaceIs(lost);
    const ran = await place.objects(...words, "--encryption-config", join(ENCRYPTED, "encryption.yaml"));
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    expect(ran.stdout).toMatch(/^(\d+) created, 0 changed, \1 of \1 read back as sent$/m);
    const found = await plane.api.list("/api/v1/namespaces/enc/secrets");
    expect(found.filter(({ metadata }) => /^[abc]-/.test(metadata.name))).toHaveLength(66);
    const undone = await place.objects("undo", place.undoFile, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(lost);
  });

  longTest("killed at every step, before and after each write, a run continues, and so does its undo", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(SMALL);
    await place.settled(); // a backup from before the controller numbers the Deployment's revision differs for good
    const backup = await place.backup();
    await plane.api.delete("/api/v1/namespaces/small");
    await namespaceGone(plane, "small");
    const lost = await place.settled();
    const undo = join(place.directory, "killed.jsonl");
    using proxy = await KillingProxy.open(readFileSync(plane.kubeconfig, "utf8"), place.directory);
    let words = ["restore", backup, "-n", "small", "--yes", "--undo-file", undo];
    let kills = 0;
    // One write of a run is carried out at most before it is killed: each object is met by a kill before it, and one after it.
    for (const point of alternating()) {
      if ((await proxy.run(words, 1, point)) !== null) break;
      kills++;
      words = ["restore", "--resume", undo, "--yes"];
      expect(kills).toBeLessThan(80);
    }
    const { entries } = decodeUndoFile(readFileSync(undo, "utf8"), undo);
    expect(kills).toBeGreaterThanOrEqual(2 * 9);
    expect(new Set(entries.map(({ id }) => idKey(id))).size).toBeGreaterThanOrEqual(9);
    const last = await place.objects("restore", "--resume", undo, "--yes");
    expect(last, `${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    expect(last.stderr).toContain("nothing was changed");
    // The controller numbers the revision of the new Deployment in a moment.
    const kinds = "configmaps,secrets,services,deployments";
    let differing: string[] = [];
    await waitFor(
      "the backup and the cluster to be the same",
      async () => {
        const { stdout } = await place.objects("diff", backup, "live", kinds, "-n", "small");
        differing = stdout.split("\n").filter((line) => /^(removed|changed)/.test(line) && !line.includes("-token-"));
        return differing.length === 0;
      },
      { explain: () => differing.join("\n") },
    );
    for (const point of alternating()) {
      if ((await proxy.run(["undo", undo, "--yes"], 1, point)) !== null) break;
      expect(kills++).toBeLessThan(200);
    }
    const undone = await place.objects("undo", undo, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(lost);
    expect(proxy.throttled).toBe(0);
  });

  longTest("from a moment of a repository; a run that continues has the moment of its beginning", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    await plane.api.apply(SMALL);
    const kubemend = async (...words: string[]) => {
      const ran = await place.kubemend(...words);
      expect(ran, `${words.join(" ")}: ${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    };
    const [repository, key, identity] = ["repository", "key", "identity"].map((name) => join(place.directory, name));
    await place.settled();
    await kubemend("backup", "init", repository!, "--signing-key", key!, "--identity", identity!);
    await kubemend("backup", "import", repository!, await place.backup(), "--signing-key", key!, "--file-time");
    const diff = await place.objects("diff", `${repository}@latest`, "live", "-n", "small", "--identity", identity!);
    expect(diff.stderr).toContain("0 changed");
    await plane.api.delete("/api/v1/namespaces/small");
    await namespaceGone(plane, "small");
    const lost = await place.settled();
    using proxy = await KillingProxy.open(readFileSync(plane.kubeconfig, "utf8"), place.directory);
    const undo = join(place.directory, "moment.jsonl");
    const words = ["restore", `${repository}@latest`, "-n", "small", "--identity", identity!, "--yes"];
    expect(await proxy.run([...words, "--undo-file", undo], 2, "after")).toBeNull();
    // A newer backup, without the namespace: nothing of it is what was asked for.
    await kubemend("backup", "import", repository!, await place.backup(), "--signing-key", key!, "--file-time");
    await kubemend("objects", "restore", "--resume", undo, "--yes");
    await plane.api.get("/apis/apps/v1/namespaces/small/deployments/web");
    await kubemend("objects", "undo", undo, "--yes");
    await place.keyspaceIs(lost);
  });

  longTest("one ConfigMap and one Secret that were overwritten, among 10,000", async () => {
    await using plane = await startControlPlane({ kubernetes });
    using place = new Workplace(plane);
    const file = join(place.directory, "many.yaml");
    const objects = Array.from({ length: 10_000 }, (_, i) => {
      const metadata = { name: `each-${i}`, namespace: "many" };
      return i % 2 === 0
        ? { apiVersion: "v1", kind: "ConfigMap", metadata, data: { text: `${i}` } }
        : { apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", data: { text: btoa(`${i}`) } };
    });
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "many" } };
    writeFileSync(file, [namespace, ...objects].map((each) => JSON.stringify(each)).join("\n---\n"));
    const backup = join(place.directory, "many.db");
    const request = { remove: [], set: [file], from: [], namespace: "many", selector: "" };
    await editSnapshot(await place.backup(), backup, { request, isDryRun: false, now: Date.now });
    const made = await place.objects("restore", backup, "-n", "many", "--yes");
    expect(made, made.stderr).toMatchObject({ code: 0 });
    // Servers since 1.21 give the namespace a label.
    expect(made.stdout).toMatch(/10001 created, 0 changed, 1000[01] of 10001 read back as sent/);

    await plane.api.patch("/api/v1/namespaces/many/configmaps/each-4444", { data: { text: "wrong", more: "x" } });
    await plane.api.patch("/api/v1/namespaces/many/secrets/each-5555", { data: { text: btoa("wrong") } });
    const lost = await place.settled();
    const ran = await place.objects("restore", backup, "configmaps,secrets", "-n", "many", "--changed", "--yes");
    expect(ran, `${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain("0 created, 2 changed, 2 of 2 read back as sent");
    const restored = await plane.api.get("/api/v1/namespaces/many/configmaps/each-4444");
    expect(restored.data).toEqual({ text: "4444" });
    const undone = await place.objects("undo", place.undoFile, "--yes");
    expect(undone, `${undone.stdout}${undone.stderr}`).toMatchObject({ code: 0 });
    await place.keyspaceIs(lost);
  });
});

function* alternating(): Generator<"before" | "after"> {
  for (;;) {
    yield "before";
    yield "after";
  }
}

async function namespaceGone(plane: ControlPlane, name: string): Promise<void> {
  await waitFor(
    `namespace ${name} to be gone`,
    async () => (await plane.api.list("/api/v1/namespaces")).every(({ metadata }) => metadata.name !== name),
    { seconds: 60 },
  );
}

/** As {@link OLDER} and {@link NEWER} have it: what is refused is on a line of its own. */
const isConverted = (text: string) => text.startsWith("stored as") && !text.includes("\n");

// biome-ignore lint/suspicious/noExplicitAny: objects are plain here
type Plain = any;

const isOfApplication = ({ metadata }: Plain) => metadata.labels?.chart === "app";

/** Without what a copy has of its own: its addresses, and the tokens of its accounts. */
function comparable({ metadata, spec, status: _status, secrets: _tokens, ...rest }: Plain): Plain {
  const { name, namespace, labels } = metadata;
  const own = { ...spec };
  for (const field of ["clusterIP", "clusterIPs"]) delete own[field];
  return { ...rest, metadata: { name, namespace, labels }, spec: own };
}

/** Six parts of ten objects each, as a chart makes them. */
function application(namespace: string, budgets: string): string {
  const parts = Array.from({ length: 6 }, (_, i) => {
    const name = `part-${i}`;
    const metadata = `metadata: {name: ${name}, namespace: ${namespace}, labels: {chart: app, app: ${name}}}`;
    return `
apiVersion: v1
kind: ServiceAccount
${metadata}
---
apiVersion: v1
kind: ConfigMap
${metadata}
data: {color: blue}
---
apiVersion: v1
kind: Secret
${metadata}
stringData: {password: ${name}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
${metadata}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
${metadata}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ${name}}
subjects: [{kind: ServiceAccount, name: ${name}, namespace: ${namespace}}]
---
apiVersion: v1
kind: Service
${metadata}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}]}
---
apiVersion: apps/v1
kind: Deployment
${metadata}
spec:
  replicas: 1
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      serviceAccountName: ${name}
      containers:
      - name: c
        image: kubemend.test/web:1
        envFrom: [{configMapRef: {name: ${name}}}, {secretRef: {name: ${name}}}]
---
apiVersion: ${budgets}
kind: PodDisruptionBudget
${metadata}
spec: {minAvailable: 1, selector: {matchLabels: {app: ${name}}}}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
${metadata}
spec: {minReplicas: 1, maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ${name}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
${metadata}
spec: {rules: [{host: ${name}.example.com, http: {paths: [{path: /, pathType: Prefix,
  backend: {service: {name: ${name}, port: {number: 80}}}}]}}]}
`;
  });
  return [`apiVersion: v1\nkind: Namespace\nmetadata: {name: ${namespace}}\n`, ...parts].join("---\n");
}

const APPLICATION_PATHS = (budgets: string) => [
  ...["serviceaccounts", "configmaps", "secrets", "services"].map((kind) => `/api/v1/namespaces/NS/${kind}`),
  ...["roles", "rolebindings"].map((kind) => `/apis/rbac.authorization.k8s.io/v1/namespaces/NS/${kind}`),
  "/apis/apps/v1/namespaces/NS/deployments",
  `/apis/${budgets}/namespaces/NS/poddisruptionbudgets`,
  "/apis/autoscaling/v1/namespaces/NS/horizontalpodautoscalers",
  "/apis/networking.k8s.io/v1/namespaces/NS/ingresses",
];

const QUOTA = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: app}
spec: {hard: {secrets: "100"}}
`;

/** Nobody answers for ConfigMaps. */
const DEAD_WEBHOOKS: readonly (readonly [string, unknown])[] = [
  [
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    {
      metadata: { name: "dead" },
      webhooks: [
        {
          name: "dead.example.com",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Fail",
          timeoutSeconds: 1,
          clientConfig: { service: { namespace: "default", name: "nobody" } },
          rules: [
            { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"], scope: "*" },
          ],
        },
      ],
    },
  ],
];

/** A workload with what it needs, few objects of every sort. */
const SMALL = `
apiVersion: v1
kind: Namespace
metadata: {name: small}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: small}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: small}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: small}
data: {color: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: small}
stringData: {p: right}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: small}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30180, protocol: TCP}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: small}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: "kubemend.test/web:1"}]}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: small}
spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,
  storageClassName: manual, hostPath: {path: /tmp/small}, claimRef: {namespace: small, name: data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: small}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: small, resources: {requests: {storage: 1Gi}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: small}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: web, namespace: small}]
`;

const pod = `{spec: {restartPolicy: Never, containers: [{name: c, image: "kubemend.test/web:1"}]}}`;
const target = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}";
const common = (name: string) => `metadata: {name: ${name}, namespace: default, labels: {test: versions}}`;

/** Of versions that Kubernetes 1.26 and later does not serve, and what is said of each. */
const OLDER: readonly [string, Readonly<Record<string, string>>] = [
  `
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
${common("chosen")}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
${common("nothing")}
spec: {minAvailable: 1, selector: {}}
---
apiVersion: batch/v1beta1
kind: CronJob
${common("nightly")}
spec: {schedule: "0 3 * * *", suspend: true, jobTemplate: {spec: {template: ${pod}}}}
---
apiVersion: autoscaling/v2beta2
kind: HorizontalPodAutoscaler
${common("scaled")}
spec: {maxReplicas: 2, ${target}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}
---
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
${common("scaled-otherwise")}
spec: {maxReplicas: 2, ${target}, metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 50}}]}
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
${common("routed")}
spec: {backend: {serviceName: web, servicePort: 80}}
`,
  {
    chosen: "stored as policy/v1beta1",
    nothing: '\n"spec.selector" of policy/v1beta1',
    nightly: "stored as batch/v1beta1",
    scaled: "stored as autoscaling/v2beta2",
    "scaled-otherwise": '\n"spec.metrics.resource.targetAverageUtilization" of autoscaling/v2beta1',
    routed: '\n"spec.backend" of networking.k8s.io/v1beta1',
  },
];

/** Of versions that Kubernetes 1.20 does not serve yet. */
const NEWER: readonly [string, Readonly<Record<string, string>>] = [
  `
apiVersion: policy/v1
kind: PodDisruptionBudget
${common("chosen")}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: batch/v1
kind: CronJob
${common("nightly")}
spec: {schedule: "0 3 * * *", suspend: true, jobTemplate: {spec: {template: ${pod}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
${common("scaled")}
spec: {maxReplicas: 2, ${target}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}
`,
  {
    chosen: "stored as policy/v1",
    nightly: "stored as batch/v1",
    scaled: "stored as autoscaling/v2",
  },
];
