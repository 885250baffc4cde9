import { describe, expect, test } from "vitest";
import type { DataObject } from "../kube/data-object.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import type { DataDirectory } from "./checkpoint.ts";
import { placesIn } from "./data-directory.ts";
import { type Draft, sanitize } from "./sanitize.ts";

const OBJECTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "Secret tls": { "ca.crt": "CA", "tls.key": "KEY" },
  "ConfigMap settings": { "a.conf": "a", "run.sh": "#!/bin/sh" },
};

function data(kind: string, name: string): DataObject | undefined {
  const found = OBJECTS[`${kind} ${name}`];
  if (found === undefined) return undefined;
  const entries = Object.entries(found).map(([key, text]) => [key, Buffer.from(text)] as const);
  return { kind: kind as "Secret", namespace: "kube-system", name, data: new Map(entries) };
}

function checkpointOf(spec: JsonObject, metadata: JsonObject = {}): Draft & { notes: string[]; spec: JsonObject } {
  const notes: string[] = [];
  const parent = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "api-x7k2p", namespace: "kube-system", uid: "uid", labels: { app: "api" }, ...metadata },
    spec: { containers: [{ name: "api", image: "api" }], ...spec },
    status: { phase: "Running" },
  } as unknown as KubeObject;
  const draft = sanitize({
    parent,
    places: placesIn("/etc/kubernetes"),
    data,
    token: (audience) => (audience === "vault" ? undefined : Buffer.from("TOKEN")),
    note: (code) => notes.push(code),
  });
  return { ...draft, notes, spec: draft.manifest.spec as JsonObject };
}

/** `MODE PATH = TEXT` of the files of a directory, with its own mode and owner. */
function listing({ path, mode, uid, gid, files }: DataDirectory): string[] {
  return [
    `${mode.toString(8)} ${uid}:${gid} ${path.replace(/[0-9a-f]{16}$/, "HASH")}`,
    ...files.map((file) => `${file.mode.toString(8)} ${file.path} = ${Buffer.from(file.bytes).toString()}`),
  ];
}

test("nobody schedules it, owns it or serves it an account, and its owner is the parent", () => {
  const { manifest, spec } = checkpointOf(
    {
      nodeName: "node1",
      nodeSelector: { a: "b" },
      affinity: { nodeAffinity: {} },
      serviceAccountName: "api",
      serviceAccount: "api",
      tolerations: [{ operator: "Exists" }],
      priorityClassName: "system-node-critical",
      terminationGracePeriodSeconds: 60,
    },
    {
      annotations: { "checkpointer.alpha.coreos.com/checkpoint": "true", other: "x" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "api", uid: "ds", controller: true }],
      resourceVersion: "12",
    },
  );
  expect(manifest).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "api-x7k2p",
      namespace: "kube-system",
      labels: { app: "api" },
      annotations: {
        "checkpointer.alpha.coreos.com/checkpoint-of": "api-x7k2p",
        "checkpointer.kubemend.io/controller": "DaemonSet/api",
        "checkpointer.kubemend.io/data": "[]",
      },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "api-x7k2p", uid: "uid", controller: true }],
    },
    spec,
  });
  expect(spec).toEqual({
    containers: [{ name: "api", image: "api" }],
    tolerations: [{ operator: "Exists" }],
    priorityClassName: "system-node-critical",
    terminationGracePeriodSeconds: 10,
  });
});

describe("volumes", () => {
  test("a secret: its owner's alone, whatever its mode", () => {
    const { directories, spec } = checkpointOf({
      containers: [
        {
          name: "api",
          volumeMounts: [
            { name: "tls", mountPath: "/tls" },
            { name: "var", mountPath: "/v" },
          ],
        },
      ],
      volumes: [
        { name: "tls", secret: { secretName: "tls", defaultMode: 0o644 } },
        { name: "var", hostPath: { path: "/var" } },
      ],
    });
    expect(directories.map(listing)).toEqual([
      [
        "700 0:0 /etc/kubernetes/checkpoint-secrets/kube-system/api-x7k2p/tls/HASH",
        "600 ca.crt = CA",
        "600 tls.key = KEY",
      ],
    ]);
    expect(spec.volumes).toEqual([
      { name: "tls", hostPath: { path: directories[0]!.path } },
      { name: "var", hostPath: { path: "/var" } },
    ]);
    const [container] = spec.containers as readonly JsonObject[];
    expect(container!.volumeMounts).toEqual([
      { name: "tls", mountPath: "/tls", readOnly: true },
      { name: "var", mountPath: "/v" },
    ]);
  });

  test("the user who runs and the group for files own them", () => {
    const secret = { volumes: [{ name: "tls", secret: { secretName: "tls", defaultMode: 0o400 } }] };
    const owned = (spec: JsonObject) =>
      checkpointOf({ ...secret, ...spec })
        .directories.map(listing)[0]!
        .slice(0, 2);
    expect(owned({ securityContext: { runAsUser: 1000 } })[0]).toMatch(/^700 1000:0 /);
    expect(owned({ securityContext: { runAsUser: 1000, fsGroup: 2000 } })).toEqual([
      expect.stringMatching(/^750 1000:2000 /),
      "440 ca.crt = CA",
    ]);
    const two = [1000, 1001].map((runAsUser) => ({ name: `c${runAsUser}`, securityContext: { runAsUser } }));
    expect(checkpointOf({ ...secret, containers: two }).notes).toEqual(["users-differ"]);
    const rootAndOne = [0, 1001].map((runAsUser) => ({ name: `c${runAsUser}`, securityContext: { runAsUser } }));
    expect(owned({ containers: rootAndOne })[0]).toMatch(/^700 1001:0 /);
  });

  test("items choose, rename and set modes; no path leads out", () => {
    const { directories } = checkpointOf({
      volumes: [
        {
          name: "c",
          configMap: {
            name: "settings",
            defaultMode: 0o640,
            items: [
              { key: "run.sh", path: "bin/run", mode: 0o755 },
              { key: "a.conf", path: "a" },
              { key: "a.conf", path: "../../etc/passwd" },
              { key: "absent", path: "b" },
            ],
          },
        },
      ],
    });
    expect(directories.map(listing)).toEqual([
      [
        "755 0:0 /etc/kubernetes/checkpoint-configmaps/kube-system/api-x7k2p/settings/HASH",
        "640 a = a",
        "755 bin/run = #!/bin/sh",
      ],
    ]);
  });

  test("a projection: secrets, config maps, the token of its account, the downward API", () => {
    const projected = (audience: string) => ({
      volumes: [
        {
          name: "access",
          projected: {
            defaultMode: 0o644,
            sources: [
              { serviceAccountToken: { path: "token", audience } },
              { configMap: { name: "settings", items: [{ key: "a.conf", path: "ca.crt" }] } },
              { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
              { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
              { secret: { name: "tls", items: [{ key: "ca.crt", path: "ca.crt" }] } },
            ],
          },
        },
      ],
    });
    const { directories, notes } = checkpointOf(projected(""));
    expect(directories.map(listing)).toEqual([
      [
        "700 0:0 /etc/kubernetes/checkpoint-secrets/kube-system/api-x7k2p/projected.access/HASH",
        "600 ca.crt = CA",
        '600 labels = app="api"',
        "600 namespace = kube-system",
        "600 token = TOKEN",
      ],
    ]);
    expect(notes).toEqual([]);
    expect(checkpointOf(projected("vault")).notes).toEqual(["token-missing"]);
  });

  test("what is optional and absent is empty", () => {
    const { spec, directories } = checkpointOf({
      volumes: [{ name: "o", secret: { secretName: "absent", optional: true } }],
    });
    expect(directories).toEqual([]);
    expect(spec.volumes).toEqual([{ name: "o", emptyDir: {} }]);
  });

  test("the directory has another name for other content, and the same for another token", () => {
    const path = (mode: number) =>
      checkpointOf({ volumes: [{ name: "t", secret: { secretName: "tls", defaultMode: mode } }] }).directories[0]!.path;
    expect(path(0o400)).not.toBe(path(0o600));
    expect(path(0o600)).toBe(path(0o644));
  });
});

test("the environment is literal", () => {
  const { spec } = checkpointOf({
    containers: [
      {
        name: "api",
        env: [
          { name: "KEY", valueFrom: { secretKeyRef: { name: "tls", key: "tls.key" } } },
          { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
          { name: "NONE", valueFrom: { secretKeyRef: { name: "absent", key: "k", optional: true } } },
        ],
        envFrom: [{ configMapRef: { name: "settings" }, prefix: "S_" }],
      },
    ],
  });
  expect((spec.containers as readonly JsonObject[])[0]!.env).toEqual([
    { name: "S_a.conf", value: "a" },
    { name: "S_run.sh", value: "#!/bin/sh" },
    { name: "KEY", value: "KEY" },
    { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
  ]);
});

test("it reserves nothing that its parent needs: no host ports, no requests", () => {
  const { spec } = checkpointOf({
    hostNetwork: true,
    containers: [
      {
        name: "api",
        ports: [{ name: "https", containerPort: 6443, hostPort: 6443 }],
        livenessProbe: { httpGet: { port: "https", path: "/livez" } },
        readinessProbe: { tcpSocket: { port: 6443 } },
        resources: { requests: { cpu: "250m" }, limits: { memory: "1Gi" } },
      },
    ],
  });
  expect(spec.containers).toEqual([
    {
      name: "api",
      livenessProbe: { httpGet: { port: 6443, path: "/livez" } },
      readinessProbe: { tcpSocket: { port: 6443 } },
      resources: { limits: { memory: "1Gi" }, requests: { cpu: "0", memory: "0" } },
    },
  ]);
});
