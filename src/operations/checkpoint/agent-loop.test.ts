import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ApiServerStandIn, status } from "../../../test/api-server-stand-in.ts";
import { object, secret } from "../../../test/cluster-objects.ts";
import { PARENT_ANNOTATION } from "../../checkpoint/checkpoint.ts";
import { placesIn } from "../../checkpoint/data-directory.ts";
import type { RuntimePod } from "../../checkpoint/observe.ts";
import { PATIENCE } from "../../checkpoint/state.ts";
import { MendError } from "../../errors/errors.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { AgentLoop } from "./agent-loop.ts";
import { runCheckpointer } from "./checkpointer.ts";
import type { AgentReport, CheckpointerOptions } from "./checkpointer-options.ts";
import { reportOf } from "./checkpointer-report.ts";

const NODE = "m1";
const ID = "kube-system/DaemonSet/kube-apiserver";
const CLOCK_SPEED = 40;

let directory: string;
let server: ApiServerStandIn | undefined;
let stop: AbortController;
let agent: AgentLoop | undefined;
let ended: Promise<void> | undefined;
let runtime: RuntimePod[] | undefined;
let log: { readonly text: string; readonly [field: string]: string | number }[];
let now: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-agent-"));
  mkdirSync(join(directory, "manifests"));
  stop = new AbortController();
  runtime = [];
  log = [];
  now = Date.UTC(2026, 10, 29);
});
afterEach(async () => {
  stop.abort();
  await ended;
  server?.close();
  rmSync(directory, { recursive: true });
  [agent, ended, server] = [undefined, undefined, undefined];
});

function parent(change: JsonObject = {}): KubeObject {
  return object("v1", "Pod", "kube-system/kube-apiserver-x1", {
    metadata: {
      uid: "uid-x1",
      annotations: { [PARENT_ANNOTATION]: "true" },
      labels: { app: "kube-apiserver" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "DaemonSet", name: "kube-apiserver", uid: "ds", controller: true },
      ],
    } as never,
    spec: {
      nodeName: NODE,
      containers: [{ name: "kube-apiserver", image: "api:v1", volumeMounts: [{ name: "keys", mountPath: "/keys" }] }],
      volumes: [{ name: "keys", secret: { secretName: "api-keys" } }],
    },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [{ name: "kube-apiserver", ready: true, restartCount: 0, state: { running: {} } }],
    },
    ...change,
  });
}

const running = (pod: string, uid: string): RuntimePod => ({
  namespace: "kube-system",
  name: pod,
  uid,
  ready: true,
  labels: {},
  annotations: {},
  containers: [{ id: `c-${uid}`, name: "kube-apiserver", attempt: 0, running: true }],
});
const PARENT_RUNS = running("kube-apiserver-x1", "uid-x1");

const KEYS = secret("kube-system/api-keys", { "ca.key": "very secret" });

/** `answer` comes before what the objects say. */
async function serve(
  objects: readonly KubeObject[],
  answer?: NonNullable<Parameters<typeof ApiServerStandIn.start>[1]["answer"]>,
): Promise<void> {
  server = await ApiServerStandIn.start(directory, {
    version: "v1.30.2",
    objects,
    ...(answer !== undefined && { answer }),
  });
}

function options(change: Partial<CheckpointerOptions> = {}): CheckpointerOptions {
  return {
    place: { nodeName: NODE, podName: undefined, namespace: "kube-system" },
    places: placesIn(directory),
    kubeconfig: join(directory, "kubeconfig"),
    hostIp: "127.0.0.1",
    lockFile: join(directory, "lock"),
    machine: {
      runtime: {
        list: async () => runtime,
        get failure() {
          return runtime === undefined ? new Error("the runtime is away") : undefined;
        },
        close: () => {},
      },
      kubeletPods: async () => {
        throw new Error("the kubelet is away");
      },
      watchDirectories: () => ({ close: () => {} }),
      releaseMemory: () => {},
    },
    patience: PATIENCE,
    generations: 2,
    healthyAfterMs: 1000,
    refreshMs: 1000,
    metricsAddress: undefined,
    signal: stop.signal,
    now: () => ++now,
    clock: () => performance.now() * CLOCK_SPEED,
    log: (_, text, fields) => log.push({ ...fields, text }),
    ...change,
  };
}

function run(change: Partial<CheckpointerOptions> = {}): void {
  agent = new AgentLoop(options(change));
  ended = agent.run();
  ended.catch(() => {});
}

function report(): AgentReport {
  if (agent === undefined) throw new Error("no agent runs");
  return reportOf(agent.view(), options().place, now);
}

const checkpoint = () => report().checkpoints.find(({ id }) => id === ID);

/** Whether there is a proven copy, which is not needed: its state is reported a moment after it was proven. */
const isKept = (): boolean =>
  checkpoint()?.state === "inactive" && checkpoint()?.generations.some(({ proven }) => proven) === true;

/** Until it holds: what an agent does comes after what it has seen. */
async function until(what: () => unknown): Promise<void> {
  for (let tries = 0; tries < 2000; tries++) {
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not so after 20 s: ${what}\n${JSON.stringify(report(), undefined, 2)}\n${JSON.stringify(log)}`);
}

const manifests = () => readdirSync(join(directory, "manifests")).filter((name) => !name.startsWith("."));

/** A running parent with a copy, and an API server that has just gone away together with the parent. */
async function loseApiServer(): Promise<void> {
  await serve([parent(), KEYS]);
  runtime = [PARENT_RUNS];
  run();
  await until(isKept);
  server?.close();
  runtime = [];
  await until(() => manifests().length > 0);
}

describe("while the API server answers", () => {
  test("a running parent is copied, with the secrets that it mounts, and proven when it has run for a while", async () => {
    await serve([parent(), KEYS]);
    runtime = [PARENT_RUNS];
    run();
    await until(isKept);
    expect(checkpoint()).toMatchObject({ state: "inactive", pod: "kube-apiserver-x1", runs: null });
    expect(checkpoint()?.files).toHaveLength(1);
    const [folder = ""] = checkpoint()?.files ?? [];
    expect(readFileSync(join(folder, "ca.key"), "utf8")).toBe("very secret");
    expect(manifests()).toEqual([]);
    expect(report()).toMatchObject({ apiServer: null, runtime: null, findings: [] });
  });

  test("a parent whose secret is missing cannot be copied, until it is there", async () => {
    await serve([parent(), secret("kube-system/other", {})]);
    runtime = [PARENT_RUNS];
    run();
    await until(() => report().findings.length > 0);
    expect(report().findings).toMatchObject([
      { code: "checkpoint-impossible", text: expect.stringMatching(/secret "kube-system\/api-keys"/) },
    ]);
    server?.put(KEYS);
    await until(() => (checkpoint()?.generations.length ?? 0) > 0 && report().findings.length === 0);
    expect(log).toContainEqual(expect.objectContaining({ text: "over", code: "checkpoint-impossible" }));
  });

  test("a changed parent gives a new generation, and only as many are kept as are asked for", async () => {
    await serve([parent(), KEYS]);
    runtime = [PARENT_RUNS];
    run();
    for (const image of ["api:v2", "api:v3"]) {
      await until(() => checkpoint()?.generations[0]?.proven === true);
      const before = checkpoint()?.generations[0]?.number ?? 0;
      server?.put(parent({ spec: { nodeName: NODE, containers: [{ name: "kube-apiserver", image }] } }));
      await until(() => (checkpoint()?.generations[0]?.number ?? 0) > before);
    }
    expect(checkpoint()?.generations).toHaveLength(2);
  });

  test("a parent that was deleted is forgotten after its grace period, with its secrets", async () => {
    await serve([parent(), KEYS]);
    runtime = [PARENT_RUNS];
    run();
    await until(() => (checkpoint()?.generations.length ?? 0) > 0);
    const [folder = ""] = checkpoint()?.files ?? [];
    server?.remove(parent());
    runtime = [];
    await until(() => checkpoint() === undefined);
    expect(existsSync(folder)).toBe(false);
    expect(log).toContainEqual(
      expect.objectContaining({ text: "state changed", from: "inactive-grace", to: "remove" }),
    );
  });

  test("what the container runtime does not say changes nothing", async () => {
    await serve([parent(), KEYS]);
    runtime = [PARENT_RUNS];
    run();
    await until(isKept);
    runtime = undefined;
    server?.put(parent()); // so that it looks
    await until(() => report().runtime !== null && report().findings.length > 0);
    expect(report().findings).toMatchObject([{ where: "container runtime", text: "the runtime is away" }]);
    expect(checkpoint()?.state).toBe("inactive");
    runtime = [PARENT_RUNS];
    server?.put(parent());
    await until(() => report().findings.length === 0);
  });
});

describe("without an API server", () => {
  test("a copy runs where its parent no longer does, and says so", async () => {
    await loseApiServer();
    expect(checkpoint()).toMatchObject({ state: "active", runs: 1 });
    const [name = ""] = manifests();
    const manifest = readFileSync(join(directory, "manifests", name), "utf8");
    expect(manifest).toMatch(/checkpoint-secrets\/kube-system/);
    expect(manifest).not.toMatch(/very secret/);
    expect(log).toContainEqual(expect.objectContaining({ text: "runs from now on", checkpoint: ID, generation: 1 }));
    expect(agent?.view().lastActivationMs).toBeGreaterThanOrEqual(0);
  });

  test("and gives way to the parent when that runs again", async () => {
    await loseApiServer();
    runtime = [PARENT_RUNS];
    await until(() => manifests().length === 0 && checkpoint()?.state === "inactive");
    expect(log).toContainEqual(expect.objectContaining({ text: "state changed", from: "active", to: "handing-over" }));
  });

  test("an agent that restarts continues with what lies in the kubelet's directory", async () => {
    await loseApiServer();
    stop.abort();
    await ended;
    stop = new AbortController();
    run();
    await until(() => checkpoint()?.state === "active");
    expect(checkpoint()?.cause).toBe("found on disk");
    expect(manifests()).toHaveLength(1);
  });

  test("the kubelet's list shows parents that nothing else knows", async () => {
    await serve([]);
    server?.close();
    const pods = [parent()];
    run({ machine: { ...options().machine, kubeletPods: async () => pods } });
    await until(() => checkpoint() !== undefined);
    expect(checkpoint()).toMatchObject({ state: "none", pod: "kube-apiserver-x1" });
  });

  test("a kubelet that does not answer is reported, until an API server does", async () => {
    await serve([]);
    server?.close();
    run();
    await until(() => report().findings.some(({ where }) => where === "kubelet"));
    expect(report().apiServer).not.toBeNull();
  });
});

describe("an API server that accepts the agent no more", () => {
  const denies = () => status(401, "Unauthorized", "Unauthorized");
  test("ends an agent that is a pod, so that another may try", async () => {
    await serve([], denies);
    run({ place: { nodeName: NODE, podName: "pod-checkpointer-1", namespace: "kube-system" } });
    await ended;
    expect(log.map(({ text }) => text)).toContain("no API server accepts this agent: another one may try");
  });

  test("does not end one that nothing would start again", async () => {
    await serve([], denies);
    run();
    await until(() => (agent?.view().counts.looks ?? 0) > 5);
    expect(report().apiServer).toMatch(/Unauthorized|refus|denied|401/i);
    expect(stop.signal.aborted).toBe(false);
  });
});

test("the agent's own checkpoint runs always, and is removed last where nobody wants it", async () => {
  const own = parent({});
  const self = { ...own, metadata: { ...own.metadata, name: "pod-checkpointer-1", uid: "uid-self" } };
  await serve([self, KEYS]);
  runtime = [running("pod-checkpointer-1", "uid-self")];
  run({ place: { nodeName: NODE, podName: "pod-checkpointer-1", namespace: "kube-system" } });
  await until(() => manifests().length > 0);
  expect(checkpoint()?.state).toBe("self");
  server?.remove(self);
  runtime = [];
  await until(() => manifests().length === 0);
});

test("what cannot be written is a finding of its own, and is tried again", async () => {
  await serve([parent(), KEYS]);
  runtime = [PARENT_RUNS];
  let isFull = true;
  const create: typeof realFileSystem.create = (path, mode) => {
    if (isFull) throw new MendError("no-space", "no space is left");
    return realFileSystem.create(path, mode);
  };
  run({ fileSystem: { ...realFileSystem, create } });
  await until(() => report().findings.length > 0);
  expect(report().findings).toMatchObject([{ level: "error", where: ID, text: "no space is left" }]);
  expect(agent?.view().counts.failures).toBeGreaterThan(0);
  expect(checkpoint()?.generations).toEqual([]);
  isFull = false;
  await until(() => (checkpoint()?.generations.length ?? 0) > 0 && report().findings.length === 0);
});

test("one agent a node: the next one waits for the lock, and the first leaves it behind", async () => {
  await serve([parent(), KEYS]);
  const first = new AbortController();
  const texts: string[] = [];
  const named = (name: string, signal: AbortSignal) =>
    runCheckpointer(
      options({ signal, metricsAddress: "127.0.0.1:0", log: (_, text) => texts.push(`${name}: ${text}`) }),
    );
  const one = named("one", first.signal);
  await until2(() => texts.includes("one: started"));
  ended = named("two", stop.signal);
  await until2(() => texts.some((text) => text.startsWith("two: another agent of this node is at work")));
  expect(texts).not.toContain("two: started");
  first.abort();
  await one;
  await until2(() => texts.includes("two: started"));
  expect(texts.indexOf("one: ended")).toBeLessThan(texts.indexOf("two: started"));

  async function until2(what: () => boolean): Promise<void> {
    for (let tries = 0; tries < 2000 && !what(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(what(), texts.join("\n")).toBe(true);
  }
});
