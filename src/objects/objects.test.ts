import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { convertBuiltIn, convertCustom } from "./convert.ts";
import { isEndingNamespace, isInEachNamespace, isMadeTokenName, notRestored, runsAgain } from "./not-restored.ts";
import type { ObjectId } from "./object-id.ts";
import { isAsSent, isFromRun } from "./own-writes.ts";
import { layersOf, type PlanItem } from "./restore-plan.ts";
import { IN_PLACE, rewriteObject, withControllersWork, withoutNodePorts } from "./rewrite.ts";
import { strayNotes } from "./stray-names.ts";
import { isAsBefore, keepsVolume, planUndo, undoSubjects } from "./undo-plan.ts";
import {
  decodeUndoFile,
  encodeHeader,
  encodeIntent,
  encodeOutcome,
  type UndoEntry,
  type UndoHeader,
} from "./undo-record.ts";
import { referencesOf } from "./visit-references.ts";
import { planClaim } from "./volumes.ts";
import { WAVES, waveOf } from "./waves.ts";

function object(apiVersion: string, kind: string, name: string, more: object = {}, metadata: object = {}): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace: "shop", ...metadata }, ...more } as KubeObject;
}

const id = (path: string, name: string, namespace: string | undefined = "shop"): ObjectId => ({
  path,
  namespace,
  name,
});
const inPlace = { placement: IN_PLACE, isGiven: () => true, keepsStatus: false };
const rewritten = (given: KubeObject, path: string) =>
  rewriteObject(given, id(path, given.metadata.name, given.metadata.namespace), inPlace);

describe("what is not given back", () => {
  const account = object("v1", "ServiceAccount", "web");
  const service = object("v1", "Service", "web", { spec: { selector: { app: "web" } } });
  const context = {
    now: Date.parse("2026-11-29T12:00:00Z"),
    makesTokens: true,
    serviceAccount: (_: string, name: string) => (name === "web" ? account : undefined),
    service: (_: string, name: string) => (name === "web" ? service : undefined),
  };
  const owned = (kind: string, name: string) => ({ ownerReferences: [{ kind, name, uid: "1", controller: true }] });
  const annotated = (name: string) => ({ annotations: { "kubernetes.io/service-account.name": name } });
  const token = (name: string) =>
    object("v1", "Secret", name, { type: "kubernetes.io/service-account-token" }, annotated("web"));
  const bootstrap = (expiration: string) =>
    object("v1", "Secret", "bootstrap-token-abcdef", {
      type: "bootstrap.kubernetes.io/token",
      data: { expiration: Buffer.from(expiration).toString("base64") },
    });
  test.each([
    ["pods", object("v1", "Pod", "web-1", {}, owned("ReplicaSet", "web")), true],
    ["pods", object("v1", "Pod", "alone"), false],
    ["pods", object("v1", "Pod", "done", { status: { phase: "Succeeded" } }), true],
    ["pods", object("v1", "Pod", "static", {}, { annotations: { "kubernetes.io/config.mirror": "x" } }), true],
    [
      "jobs",
      object("batch/v1", "Job", "done", { status: { conditions: [{ type: "Complete", status: "True" }] } }),
      true,
    ],
    ["jobs", object("batch/v1", "Job", "running", { status: { active: 1 } }), false],
    ["jobs", object("batch/v1", "Job", "nightly-1", {}, owned("CronJob", "nightly")), true],
    ["deployments", object("apps/v1", "Deployment", "web", {}, owned("Shop", "shop")), false],
    ["services/endpoints", object("v1", "Endpoints", "web"), true],
    ["services/endpoints", object("v1", "Endpoints", "by-hand"), false],
    ["secrets", token("web-token-9tfv8"), true],
    ["secrets", token("by-hand"), false],
    ["secrets", bootstrap("2026-11-28T00:00:00Z"), true],
    ["secrets", bootstrap("2026-12-28T00:00:00Z"), false],
    ["configmaps", object("v1", "ConfigMap", "kube-root-ca.crt"), true],
    ["configmaps", object("v1", "ConfigMap", "openshift-service-ca.crt"), true],
    ["leases", object("coordination.k8s.io/v1", "Lease", "x"), true],
    ["configmaps", object("v1", "ConfigMap", "gone", {}, { deletionTimestamp: "2026-11-29T00:00:00Z" }), true],
  ])("%s: %#", (path, given, isSkipped) => {
    expect(notRestored(given, path, context) !== undefined).toBe(isSkipped);
  });

  test("what OpenShift puts into every namespace is nobody's use of it", () => {
    expect(isInEachNamespace(object("v1", "ServiceAccount", "builder"), "serviceaccounts")).toBe(true);
    expect(isInEachNamespace(object("v1", "ServiceAccount", "web"), "serviceaccounts")).toBe(false);
    expect(isInEachNamespace(object("x", "RoleBinding", "system:image-pullers"), "rolebindings")).toBe(true);
    expect(isInEachNamespace(object("x", "RoleBinding", "readers"), "rolebindings")).toBe(false);
  });

  test("a token that was made is named, also where nobody makes tokens any more", () => {
    expect(notRestored(token("web-token-9tfv8"), "secrets", context)).toContain("the controller manager makes");
    const modern = { ...context, makesTokens: false };
    expect(notRestored(token("web-token-9tfv8"), "secrets", modern)).toContain("get tokens without a Secret");
    expect(notRestored(token("by-hand"), "secrets", modern)).toBeUndefined();
  });

  test("a namespace that was being deleted comes back, what was being deleted in it does not", () => {
    const ending = { deletionTimestamp: "2026-11-29T00:00:00Z" };
    const namespace = object("v1", "Namespace", "shop", {}, { ...ending, namespace: undefined });
    expect(notRestored(namespace, "namespaces", context)).toBeUndefined();
    expect(isEndingNamespace(namespace)).toBe(true);
    const given = rewriteObject(namespace, id("namespaces", "shop", undefined), inPlace);
    expect(given.metadata.deletionTimestamp).toBeUndefined();
  });

  test("what has had its time and is named all the same", () => {
    const done = object("batch/v1", "Job", "done", { status: { conditions: [{ type: "Failed", status: "True" }] } });
    expect(runsAgain(done, "jobs")).toBe("it had completed, and runs again");
    expect(runsAgain(object("batch/v1", "Job", "running"), "jobs")).toBeUndefined();
    expect(runsAgain(object("v1", "Pod", "done", { status: { phase: "Succeeded" } }), "pods")).toBeDefined();
  });

  test("names of tokens that the controller manager makes", () => {
    expect(isMadeTokenName("web-token-9tfv8", "web")).toBe(true);
    expect(isMadeTokenName("web-token-admin", "web")).toBe(false);
    expect(isMadeTokenName("other-token-9tfv8", "web")).toBe(false);
  });
});

describe("rewriting", () => {
  test("what the API server writes goes", () => {
    const given = object(
      "apps/v1",
      "Deployment",
      "web",
      { spec: { replicas: 2 }, status: { replicas: 2 } },
      {
        uid: "1",
        resourceVersion: "2",
        generation: 3,
        creationTimestamp: "x",
        managedFields: [],
        ownerReferences: [],
        finalizers: ["a/b", "foregroundDeletion"],
        labels: { a: "b" },
      },
    );
    expect(rewritten(given, "deployments")).toEqual(
      object("apps/v1", "Deployment", "web", { spec: { replicas: 2 } }, { finalizers: ["a/b"], labels: { a: "b" } }),
    );
  });

  test("a job loses the labels of its former UID, unless it selects by hand", () => {
    const spec = {
      selector: { matchLabels: { "controller-uid": "1" } },
      template: { metadata: { labels: { "controller-uid": "1", "job-name": "j", app: "x" } }, spec: {} },
    };
    const job = object("batch/v1", "Job", "j", { spec });
    expect(rewritten(job, "jobs").spec).toEqual({ template: { metadata: { labels: { app: "x" } }, spec: {} } });
    const byHand = object("batch/v1", "Job", "j", { spec: { ...spec, manualSelector: true } });
    expect(rewritten(byHand, "jobs").spec).toEqual({ ...spec, manualSelector: true });
  });

  test("a pod is scheduled again and gets a token of today", () => {
    const mount = { name: "web-token-9tfv8", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" };
    const data = { name: "data", mountPath: "/data" };
    const pod = object("v1", "Pod", "p", {
      spec: {
        nodeName: "n",
        priority: 0,
        serviceAccountName: "web",
        volumes: [
          { name: "web-token-9tfv8", secret: { secretName: "web-token-9tfv8" } },
          { name: "data", emptyDir: {} },
        ],
        containers: [{ name: "c", volumeMounts: [mount, data] }],
      },
    });
    expect(rewritten(pod, "pods").spec).toEqual({
      serviceAccountName: "web",
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [{ name: "c", volumeMounts: [data] }],
    });
  });

  test("a volume waits for the claim of that name, whatever its UID", () => {
    const volume = object("v1", "PersistentVolume", "v", {
      spec: { claimRef: { namespace: "shop", name: "c", uid: "1", resourceVersion: "2" } },
    });
    expect(rewritten(volume, "persistentvolumes").spec).toEqual({ claimRef: { namespace: "shop", name: "c" } });
  });

  test("an account that is there keeps the tokens that were made for it", () => {
    const [wanted, live] = [["by-hand"], ["web-token-9tfv8", "other"]].map((names) =>
      object("v1", "ServiceAccount", "web", { secrets: names.map((name) => ({ name })) }),
    ) as [KubeObject, KubeObject];
    const place = id("serviceaccounts", "web");
    expect(withControllersWork(wanted, live, place).secrets).toEqual([
      { name: "by-hand" },
      { name: "web-token-9tfv8" },
    ]);
    expect(withControllersWork(wanted, wanted, place)).toBe(wanted);
  });

  test("what controllers wrote about an object is theirs: it is not given back, and stays where it is", () => {
    const revised = (revision: string, more: object = {}) =>
      object(
        "apps/v1",
        "Deployment",
        "web",
        {},
        { annotations: { "deployment.kubernetes.io/revision": revision, ...more } },
      );
    const wanted = rewritten(revised("1", { own: "a" }), "deployments");
    expect(wanted.metadata.annotations).toEqual({ own: "a" });
    const sent = withControllersWork(wanted, revised("7", { own: "b" }), id("deployments", "web"));
    expect(sent.metadata.annotations).toEqual({ own: "a", "deployment.kubernetes.io/revision": "7" });
  });

  test("of the ports of a node only those go that somebody else has", () => {
    const spec = {
      healthCheckNodePort: 30_500,
      ports: [
        { port: 80, nodePort: 30_080 },
        { port: 443, nodePort: 30_443 },
      ],
    };
    expect(withoutNodePorts(spec, (port) => port === 30_080)).toEqual({
      ...spec,
      ports: [{ port: 80 }, { port: 443, nodePort: 30_443 }],
    });
    expect(withoutNodePorts(spec)).toEqual({ ports: [{ port: 80 }, { port: 443 }] });
  });

  test("another namespace and other names, and what refers to them follows", () => {
    const placement = { intoNamespace: "copy", renamed: new Map([["settings", "settings-2"]]) };
    const isGiven = ({ name }: ObjectId) => name !== "elsewhere";
    const options = { placement, isGiven, keepsStatus: false };
    const spec = (settings: string) => ({
      template: {
        spec: {
          serviceAccountName: "web",
          containers: [
            { name: "c", envFrom: [{ configMapRef: { name: settings } }, { secretRef: { name: "elsewhere" } }] },
          ],
        },
      },
    });
    const moved = rewriteObject(
      object("apps/v1", "Deployment", "web", { spec: spec("settings") }),
      id("deployments", "web"),
      options,
    );
    expect(moved.metadata.namespace).toBe("copy");
    expect(moved.spec).toEqual(spec("settings-2"));
    const binding = object("rbac.authorization.k8s.io/v1", "RoleBinding", "b", {
      roleRef: { kind: "ClusterRole", name: "view" },
      subjects: [
        { kind: "ServiceAccount", name: "web", namespace: "shop" },
        { kind: "User", name: "web" },
      ],
    });
    expect(rewriteObject(binding, id("rolebindings", "b"), options).subjects).toEqual([
      { kind: "ServiceAccount", name: "web", namespace: "copy" },
      { kind: "User", name: "web" },
    ]);
    const service = object("v1", "Service", "web", {
      spec: { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"], ports: [{ port: 80, nodePort: 30000 }] },
    });
    expect(rewriteObject(service, id("services/specs", "web"), options).spec).toEqual({ ports: [{ port: 80 }] });
    const claim = object("v1", "PersistentVolumeClaim", "c", { spec: { volumeName: "v", storageClassName: "s" } });
    expect(rewriteObject(claim, id("persistentvolumeclaims", "c"), options).spec).toEqual({ storageClassName: "s" });
  });
});

test("references of a pod", () => {
  const pod = object("v1", "Pod", "p", {
    spec: {
      serviceAccountName: "a",
      imagePullSecrets: [{ name: "pull" }],
      priorityClassName: "high",
      volumes: [
        { name: "v", persistentVolumeClaim: { claimName: "c" } },
        { name: "p", projected: { sources: [{ configMap: { name: "m" } }] } },
      ],
      initContainers: [{ name: "i", env: [{ name: "E", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }],
    },
  });
  expect(
    referencesOf(pod, "pods")
      .map(({ path, namespace, name }) => `${path}/${namespace}/${name}`)
      .sort(),
  ).toEqual([
    "configmaps/shop/m",
    "persistentvolumeclaims/shop/c",
    "priorityclasses/undefined/high",
    "secrets/shop/pull",
    "secrets/shop/s",
    "serviceaccounts/shop/a",
  ]);
});

test("references of volumes and claims", () => {
  const names = (given: KubeObject, path: string) =>
    referencesOf(given, path).map(({ path, namespace, name }) => `${path} ${namespace ?? "-"} ${name}`);
  const secretRef = { name: "s", namespace: "storage" };
  const csi = { driver: "d", nodeStageSecretRef: secretRef, controllerExpandSecretRef: { ...secretRef, name: "t" } };
  const volume = object("v1", "PersistentVolume", "pv", { spec: { storageClassName: "fast", csi } });
  expect(names(volume, "persistentvolumes")).toEqual([
    "storageclasses - fast",
    "secrets storage s",
    "secrets storage t",
  ]);
  const azure = object("v1", "PersistentVolume", "pv", {
    spec: { azureFile: { secretName: "a", secretNamespace: "storage" } },
  });
  expect(names(azure, "persistentvolumes")).toEqual(["secrets storage a"]);
  const dataSource = { kind: "PersistentVolumeClaim", name: "template" };
  const claim = { storageClassName: "fast", dataSource };
  expect(names(object("v1", "PersistentVolumeClaim", "c", { spec: claim }), "persistentvolumeclaims")).toEqual([
    "storageclasses - fast",
    "persistentvolumeclaims shop template",
  ]);
  const volumes = [
    { name: "a", azureFile: { secretName: "f", shareName: "x" } },
    { name: "e", ephemeral: { volumeClaimTemplate: { spec: { storageClassName: "slow" } } } },
  ];
  expect(names(object("v1", "Pod", "p", { spec: { volumes } }), "pods")).toEqual([
    "secrets shop f",
    "storageclasses - slow",
  ]);
});

describe("other versions of an API", () => {
  test("the same fields are taken over, others are named", () => {
    const budget = (selector: object) =>
      object("policy/v1beta1", "PodDisruptionBudget", "b", { spec: { minAvailable: 1, selector } });
    expect(convertBuiltIn(budget({ matchLabels: { a: "b" } }), "policy/v1")).toMatchObject({
      object: { apiVersion: "policy/v1" },
    });
    expect(convertBuiltIn(budget({}), "policy/v1")).toMatchObject({
      refused: expect.stringContaining("spec.selector"),
    });
    const back = { ...budget({}), apiVersion: "policy/v1" } as KubeObject;
    expect(convertBuiltIn(back, "policy/v1beta1")).toMatchObject({ refused: expect.stringContaining("spec.selector") });
    const rules = [{ http: { paths: [{ path: "/", backend: { serviceName: "web", servicePort: 80 } }] } }];
    const ingress = object("extensions/v1beta1", "Ingress", "i", { spec: { rules } });
    expect(convertBuiltIn(ingress, "networking.k8s.io/v1beta1")).toHaveProperty("object");
    expect(convertBuiltIn(ingress, "networking.k8s.io/v1")).toMatchObject({
      refused: expect.stringContaining("serviceName"),
    });
  });

  test("custom resources, where no webhook converts them", () => {
    const widget = object("example.com/v1", "Widget", "w");
    const definition = (conversion?: object) =>
      object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "d", { spec: { conversion } });
    expect(convertCustom(widget, "example.com/v2", definition())).toHaveProperty("object");
    expect(convertCustom(widget, "example.com/v2", definition({ strategy: "Webhook" }))).toHaveProperty("refused");
    expect(convertCustom(widget, "example.com/v2", undefined)).toHaveProperty("refused");
  });
});

describe("claims and volumes", () => {
  const claim = object("v1", "PersistentVolumeClaim", "c", { spec: { volumeName: "v" } });
  const volume = (policy: string, claimRef?: object, metadata: object = {}) =>
    object("v1", "PersistentVolume", "v", { spec: { persistentVolumeReclaimPolicy: policy, claimRef } }, metadata);
  const own = { namespace: "shop", name: "c", uid: "1" };
  test("a released volume is freed for the claim", () => {
    expect(planClaim(claim, volume("Retain", own), undefined, false)).toMatchObject({
      volume: "free",
      freed: { spec: { claimRef: { name: "c" } } },
    });
  });
  test("a volume of another claim is not taken away", () => {
    expect(planClaim(claim, volume("Retain", { ...own, name: "other" }), undefined, false)).toHaveProperty("blocked");
  });
  test("a retained volume whose object is gone is made again", () => {
    expect(planClaim(claim, undefined, volume("Retain", own), false)).toMatchObject({ volume: "create" });
  });
  test("what a reclaim policy deleted is reported as lost, unless somebody knows better", () => {
    expect(planClaim(claim, undefined, volume("Delete", own), false)).toMatchObject({
      volume: "none",
      note: expect.stringContaining("DATA IS LOST"),
    });
    expect(planClaim(claim, undefined, volume("Delete", own), true)).toMatchObject({ volume: "create" });
    expect(planClaim(claim, volume("Delete", own, { deletionTimestamp: "x" }), undefined, false)).toMatchObject({
      volume: "none",
    });
  });
});

describe("order", () => {
  test("webhooks come last, namespaces first, and custom resources before workloads", () => {
    const order = [
      "namespaces",
      "apiextensions.k8s.io/customresourcedefinitions",
      "roles",
      "rolebindings",
      "storageclasses",
      "persistentvolumes",
      "persistentvolumeclaims",
      "configmaps",
      "services/specs",
      "example.com/widgets",
      "deployments",
      "horizontalpodautoscalers",
      "ingress",
      "resourcequotas",
      "apiregistration.k8s.io/apiservices",
      "mutatingwebhookconfigurations",
    ];
    expect(order.map(waveOf)).toEqual(WAVES.map((_, i) => i));
  });

  test("owners come before what they own, and a circle ends", () => {
    const item = (name: string, owner?: string): PlanItem => ({
      action: "create",
      id: id("example.com/widgets", name),
      from: id("example.com/widgets", name),
      kind: "Widget",
      wave: 9,
      object: undefined,
      live: undefined,
      reason: "",
      notes: [],
      fields: [],
      owners: owner === undefined ? [] : [{ apiVersion: "example.com/v1", kind: "Widget", name: owner, uid: "x" }],
      status: undefined,
    });
    const names = (items: PlanItem[]) => layersOf(items).map((layer) => layer.map((each) => each.id.name));
    expect(names([item("c", "b"), item("b", "a"), item("a"), item("z")])).toEqual([["a", "z"], ["b"], ["c"]]);
    expect(
      names([item("a", "b"), item("b", "a")])
        .flat()
        .sort(),
    ).toEqual(["a", "b"]);
  });
});

describe("the undo file", () => {
  const header: UndoHeader = {
    cluster: "u",
    server: "https://x",
    started: "2026-11-29T12:00:00.000Z",
    serverTime: "2026-11-29T12:00:00.000Z",
    request: {
      file: "b.db",
      atRevision: null,
      selection: ["cm"],
      namespace: "shop",
      selector: "",
      changed: false,
      withDependents: false,
      intoNamespace: null,
      renamed: {},
      encryptionConfig: null,
      etcdPrefix: null,
      history: null,
      identity: null,
    },
  };
  const intent = {
    write: 1,
    wave: 7,
    op: "update",
    id: id("configmaps", "a"),
    apiVersion: "v1",
    before: object("v1", "ConfigMap", "a", { big: 9007199254740993n }),
  } as const;
  const again = { ...intent, write: 2 };

  test("comes back as it was written, large integers too", () => {
    const text = [encodeHeader(header), encodeIntent(intent), encodeOutcome({ write: 1, uid: "x" }), ""].join("\n");
    expect(decodeUndoFile(text, "f")).toEqual({ header, entries: [{ ...intent, outcome: { write: 1, uid: "x" } }] });
  });

  test("a last line that was cut off was not begun", () => {
    const text = `${encodeHeader(header)}\n${encodeIntent(intent)}\n${encodeOutcome({ write: 1 }).slice(0, 9)}`;
    expect(decodeUndoFile(text, "f").entries).toEqual([{ ...intent, outcome: undefined }]);
  });

  test.each([
    "",
    "x\n",
    "{}\n",
    `${encodeHeader(header)}\n{}\n`,
    `${encodeHeader(header)}\n${encodeOutcome({ write: 1 })}\n`,
  ])("%j is none", (text) => {
    expect(() => decodeUndoFile(text, "f")).toThrow(expect.objectContaining({ code: "config-invalid" }));
  });

  test("of several writes to one object the first says what was there", () => {
    const text = [
      encodeHeader(header),
      encodeIntent({ ...intent, write: 3, op: "create", before: null }),
      encodeOutcome({ write: 3, refused: "no" }),
      encodeIntent(intent),
      encodeIntent(again),
      "",
    ].join("\n");
    const [subject, ...more] = undoSubjects(decodeUndoFile(text, "f"));
    expect(more).toEqual([]);
    expect([subject!.first.write, subject!.last.write]).toEqual([1, 2]);
  });
});

test("a copy that names Services of the original says where", () => {
  const isService = (name: string) => name === "web";
  const notes = (data: Record<string, string>, kind = "ConfigMap") =>
    strayNotes(object("v1", kind, "settings", { data }), "shop", isService);
  const [note] = notes({ url: "http://web.shop.svc.cluster.local:80/", other: "http://web.shop:80" });
  expect(note).toBe('data.url, data.other still name Services of namespace "shop"');
  expect(notes({ url: "db-0.db.shop.svc" })).toHaveLength(1); // whatever its name
  expect(notes({ url: Buffer.from("postgres://web.shop.svc/x").toString("base64") }, "Secret")).toHaveLength(1);
  // A domain of the Internet, another namespace, and a name that only ends alike.
  for (const url of ["https://www.shop/", "https://web.shop.example.com/", "web.my-shop.svc", "web.shop-2.svc"]) {
    expect(notes({ url }), url).toEqual([]);
  }
});

test("what a controller wrote about an object since is nobody's change: it is taken back", () => {
  const deployment = (image: string, revision: string): KubeObject =>
    object(
      "apps/v1",
      "Deployment",
      "web",
      { spec: { image } },
      {
        uid: "1",
        annotations: { "deployment.kubernetes.io/revision": revision },
      },
    );
  const entry = {
    write: 1,
    wave: 1,
    op: "update" as const,
    id: id("deployments", "web"),
    apiVersion: "apps/v1",
    before: deployment("old", "1"),
    outcome: { write: 1, after: deployment("new", "1") },
  };
  const [subject] = undoSubjects({ header: {} as UndoHeader, entries: [entry] });
  const context = { typeOf: () => ({}), serverTime: "2026-11-29T12:00:00Z", force: false };
  const action = (live: KubeObject) => planUndo(subject!, live, context).action;
  expect(action(deployment("new", "2"))).toBe("revert");
  expect(action(deployment("old", "3"))).toBe("done");
  expect(action(deployment("other", "2"))).toBe("left");
});

describe("a run that was killed before it heard what came of a write", () => {
  const since = Date.parse("2026-11-29T12:00:00.900Z");
  const account = (metadata: object, more: object = {}): KubeObject =>
    object("v1", "ServiceAccount", "web", more, { uid: "1", creationTimestamp: "2026-11-29T12:00:01Z", ...metadata });
  const controller = { manager: "kube-controller-manager", operation: "Update", time: "2026-11-29T12:00:02Z" };
  const own = { manager: "kubemend", operation: "Update", time: "2026-11-29T12:00:00Z" };
  const secrets = [{ name: "web-token-x7k2p" }];
  test.each<[what: string, live: KubeObject, op: "create" | "update", isFromRun: boolean]>([
    ["by the record of its managers", account({ managedFields: [own] }, { data: { a: "b" } }), "create", true],
    [
      "managed before the run",
      account({ managedFields: [{ ...own, time: "2026-11-29T11:59:59Z" }], labels: { a: "b" } }),
      "create",
      false,
    ],
    ["with nothing but its name, which no manager is recorded for", account({}), "create", true],
    [
      "with nothing but what a controller gave it",
      account({ managedFields: [controller] }, { secrets }),
      "create",
      true,
    ],
    ["with nothing, but older", account({ creationTimestamp: "2026-11-29T11:59:59Z" }), "create", false],
    [
      "with a label that somebody else gave it",
      account({ labels: { team: "ops" }, managedFields: [controller] }),
      "create",
      false,
    ],
    ["with a secret that somebody else gave it", account({}, { secrets: [{ name: "registry" }] }), "create", false],
    ["with nothing, where it was to be changed", account({}), "update", false],
  ])("%s", (_, live, op, expected) => {
    expect(isFromRun(live, id("serviceaccounts", "web"), op, since)).toBe(expected);
  });
});

describe("a write that only took fields away, which no manager is recorded for", () => {
  const volume = (spec: object, more: object = {}): KubeObject =>
    object("v1", "PersistentVolume", "data", { spec, ...more }, { namespace: undefined, uid: "1" });
  const spec = { persistentVolumeReclaimPolicy: "Delete" };
  const held = (uid?: string) => ({ ...spec, claimRef: { namespace: "shop", name: "data", ...(uid && { uid }) } });
  const volumeId = id("persistentvolumes", "data", undefined);
  const entry = {
    write: 1,
    wave: 4,
    op: "update" as const,
    id: volumeId,
    apiVersion: "v1",
    before: volume(held("old")),
    sent: volume(held()),
  };
  const [context, type] = [{ typeOf: () => ({}), serverTime: "2026-11-29T12:00:00Z", force: false }, {}];
  const action = (live: KubeObject, outcome: UndoEntry["outcome"]) => {
    const [subject] = undoSubjects({ header: {} as UndoHeader, entries: [{ ...entry, outcome }] });
    return planUndo(subject!, live, context).action;
  };

  test("what is as it was sent is of the run, and a controller's binding is nobody's change", () => {
    expect(isAsSent(volume(held("new")), entry.sent, volumeId, type)).toBe(true);
    expect(isAsBefore(entry.before, volume(held("new")), type)).toBe(false);
    expect(isAsBefore(entry.before, volume(held("old"), { status: { phase: "Released" } }), type)).toBe(true);
    for (const outcome of [undefined, { write: 1, uid: "1" }]) {
      expect(action(volume(held()), outcome)).toBe("revert");
      expect(action(volume(held("new")), outcome)).toBe("revert");
      expect(action(volume(held("old")), outcome)).toBe("done");
      expect(action(volume({ ...held("new"), capacity: { storage: "2Gi" } }), outcome)).toBe("left");
    }
  });

  test("a configuration that lost the key that was too many", () => {
    const map = (data: object) => object("v1", "ConfigMap", "settings", { data }, { uid: "1" });
    const [before, sent] = [map({ a: "1", b: "2" }), map({ a: "1" })];
    const [subject] = undoSubjects({
      header: {} as UndoHeader,
      entries: [{ ...entry, id: id("configmaps", "settings"), before, sent, outcome: undefined }],
    });
    expect(planUndo(subject!, map({ a: "1" }), context).action).toBe("revert");
    expect(planUndo(subject!, map({ a: "1", b: "2" }), context).action).toBe("done");
    expect(planUndo(subject!, map({ a: "3" }), context).action).toBe("left");
  });

  test("a volume that an undo kept by Retain stays so, and is no change of anybody's", () => {
    const retained = (uid: string) => volume({ ...held(uid), persistentVolumeReclaimPolicy: "Retain" });
    expect(keepsVolume(volumeId, entry.sent, retained("new"))).toBe(true);
    expect(keepsVolume(volumeId, retained("new"), retained("new"))).toBe(false);
    expect(keepsVolume(id("configmaps", "data"), entry.sent, retained("new"))).toBe(false);
    expect(action(retained("new"), { write: 1, uid: "1" })).toBe("revert");
    expect(action(retained("old"), { write: 1, uid: "1" })).toBe("done");
  });
});
