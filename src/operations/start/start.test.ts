import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { status } from "../../../test/api-server-stand-in.ts";
import { node, object, workload } from "../../../test/cluster-objects.ts";
import { NODE, runningPod, StartWorld, type StartWorldOptions } from "../../../test/start-world.ts";
import type { MendError } from "../../errors/errors.ts";
import { previewStart, startControlPlane } from "./start.ts";
import type { StartOptions } from "./start-options.ts";

let directory: string;
let world: StartWorld | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-start-"));
});
afterEach(() => {
  world?.close();
  rmSync(directory, { recursive: true });
});

async function open(options: StartWorldOptions = {}): Promise<StartWorld> {
  world = await StartWorld.open(directory, options);
  return world;
}

async function failure(options: StartOptions): Promise<MendError> {
  return startControlPlane(options).then(
    () => {
      throw new Error("it started");
    },
    (error: unknown) => error as MendError,
  );
}

const lease = (name: string, holderIdentity: string) =>
  object("coordination.k8s.io/v1", "Lease", `kube-system/${name}`, {
    spec: { holderIdentity, leaseDurationSeconds: 15, renewTime: "2026-11-28T00:00:00Z" },
  });

/** Nothing of the temporary control plane is left on the machine. */
function expectTornDown({ manifests, secretsDir }: StartWorld): void {
  expect(readdirSync(manifests)).toEqual([]);
  expect(existsSync(secretsDir)).toBe(false);
}

test("a start creates what the assets hold, hands over, and leaves nothing behind", async () => {
  const { story, server, ...rest } = await open().then((opened) => ({
    story: opened.story,
    server: opened.server,
    options: opened.options(),
  }));
  const result = await startControlPlane(rest.options);
  expect(result).toEqual({ node: NODE, created: 3, existed: 0, failed: [], etcd: undefined });
  const steps = story.filter((line) => !line.startsWith("waiting for"));
  expect(steps).toEqual([
    'image "hyperkube:v1" is not on this machine: the kubelet has to pull it first',
    "temporary control plane: bootstrap-kube-apiserver, bootstrap-kube-controller-manager, bootstrap-kube-scheduler",
    "the API server is ready",
    "created 3 objects, 0 were there already",
    "handing over to the permanent control plane",
  ]);
  expectTornDown(world!);
  // The temporary leaders' leases were given up, and the permanent ones hold them.
  for (const name of ["kube-controller-manager", "kube-scheduler"])
    expect(server.get("Lease", `kube-system/${name}`)?.spec).toMatchObject({ holderIdentity: `${NODE}_${name}-1` });
});

test("a preview changes nothing", async () => {
  const { manifests, server, ...opened } = await open();
  void opened;
  const preview = await previewStart(world!.options());
  expect(preview).toMatchObject({
    node: NODE,
    objects: 3,
    etcd: undefined,
    required: ["kube-system/kube-apiserver", "kube-system/kube-controller-manager", "kube-system/kube-scheduler"],
  });
  expect(preview.manifests[0]).toBe(join(manifests, "bootstrap-kube-apiserver.json"));
  expectTornDown(world!);
  expect(server.writes).toEqual([]);
});

test("what was there already stays, and a start that was killed is gone on with", async () => {
  await open({ objects: [workload("kube-scheduler")] });
  const controller = new AbortController();
  const first = world!.options({ signal: controller.signal, report: () => controller.abort(new Error("killed")) });
  await expect(startControlPlane(first)).rejects.toThrow("killed");
  const result = await startControlPlane(world!.options());
  expect(result).toMatchObject({ created: 2, existed: 1 });
  expectTornDown(world!);
});

test("leases of dead holders of this machine are given up, those of others are not", async () => {
  await open({
    objects: [lease("kube-scheduler", `${NODE}_dead`), lease("kube-controller-manager", "m9_alive")],
    slowMs: 30_000,
  });
  const error = await failure(world!.options({ timeoutMs: 100_000 }));
  expect(error.code).toBe("timeout");
  expect(error.message).toMatch(/kube-controller-manager to hold its lease/);
  expect(error.message).not.toMatch(/kube-scheduler to hold its lease/);
  expect(world!.server.get("Lease", "kube-system/kube-controller-manager")?.spec).toMatchObject({
    holderIdentity: "m9_alive",
  });
  expectTornDown(world!);
});

test("a permanent component that never runs ends in a timeout that says why, and the temporary ones are removed", async () => {
  await open({ broken: ["kube-scheduler"] });
  const error = await failure(world!.options({ timeoutMs: 40_000 }));
  expect(error.code).toBe("timeout");
  expect(error.message).toMatch(
    /did not come up in 40 s; waiting for:\npod "kube-system\/kube-scheduler-1" to run: ImagePull/,
  );
  expect(world!.story.filter((line) => /kube-scheduler-1" to run/.test(line)).length).toBeGreaterThan(1);
  expect(world!.story).not.toContain("handing over to the permanent control plane");
  expectTornDown(world!);
});

test("a node whose machine this one replaced is deleted with its pods, and stranded pods make way", async () => {
  const lost = {
    ...node("m0"),
    status: { addresses: [{ type: "InternalIP", address: "10.0.0.1" }] },
  };
  const stranded = { ...runningPod("kube-scheduler", true, "m0") };
  const other = { ...runningPod("kube-controller-manager", true, "m7") };
  await open({
    objects: [
      lost,
      node("m7"),
      stranded,
      { ...other, metadata: { ...other.metadata, name: "kube-controller-manager-7" } },
    ],
  });
  await startControlPlane(world!.options());
  expect(world!.server.get("Node", "m0")).toBeUndefined();
  expect(world!.story.join("\n")).toMatch(/address of node "m0".*deleted that node and 1 pods/);
  expect(world!.story.join("\n")).toMatch(/warning: node "m7" gives no sign of life; 1 pods stay bound to it/);
});

test("a component that was scaled to 0 is scaled to 1, and the node gets the label that is asked for", async () => {
  const scaled = workload("kube-scheduler", {
    spec: { nodeSelector: { "node-role.kubernetes.io/control-plane": "" } },
  });
  await open({ objects: [{ ...scaled, spec: { ...(scaled.spec as object), replicas: 0 } }] });
  await startControlPlane(world!.options());
  expect(world!.story).toContain('Deployment "kube-system/kube-scheduler" was scaled to 0: scaling it to 1');
  expect(world!.story).toContain(`node "${NODE}" is labelled "node-role.kubernetes.io/control-plane"`);
  expect(world!.server.get("Node", NODE)?.metadata.labels).toHaveProperty("node-role.kubernetes.io/control-plane");
});

describe("an API server that answers already", () => {
  test("is used, without a temporary one", async () => {
    await open({ isUp: true });
    await startControlPlane(world!.options());
    expect(world!.story.join("\n")).toMatch(/answers at \S+ already: no temporary one is needed/);
    expect(world!.story).toContain(
      "temporary control plane: bootstrap-kube-controller-manager, bootstrap-kube-scheduler",
    );
  });

  test("and that goes away is not brought back", async () => {
    await open({
      isUp: true,
      broken: ["kube-scheduler"],
      answer: ({ path }, { server }) => {
        if (path === "/api/v1/nodes") setTimeout(() => server.close(), 50);
        return undefined;
      },
    });
    const error = await failure(world!.options());
    expect([error.code, error.message]).toEqual(["api-unreachable", expect.stringMatching(/does so no longer/)]);
    expectTornDown(world!);
  });
});

test("an API server that continues to refuse the credential is another cluster's", async () => {
  await open({
    answer: ({ path }, { manifests }) =>
      path === "/readyz" && readdirSync(manifests).length > 0 ? status(401, "Unauthorized", "Unauthorized") : undefined,
  });
  const error = await failure(world!.options());
  expect(error.code).toBe("api-denied");
  expect(world!.story.join("\n")).toMatch(/waiting for the API server to be ready: /);
  expectTornDown(world!);
});

describe("manifests that cannot be created", () => {
  const write = (opened: StartWorld) =>
    writeFileSync(
      join(opened.options().assetDir, "manifests/odd.json"),
      JSON.stringify(object("apps/v1", "Deployment", "default/odd")),
    );
  const answer: StartWorldOptions["answer"] = ({ method, body }) =>
    method === "POST" && (body as { metadata?: { name?: string } })?.metadata?.name === "odd"
      ? status(422, "Invalid", "it is odd")
      : undefined;

  test("are reported, and the start continues", async () => {
    write(await open({ answer }));
    const { failed, created } = await startControlPlane(world!.options());
    expect([created, failed.length]).toEqual([3, 1]);
    expect(failed[0]).toMatch(/Deployment "default\/odd" of \S*manifests\/odd.json cannot be created: .*it is odd/);
  });

  test("end it where that is asked for", async () => {
    write(await open({ answer }));
    const error = await failure(world!.options({ strict: true }));
    expect(error.message).toMatch(/cannot be created: .*it is odd/);
    expectTornDown(world!);
  });
});

describe("nothing is touched", () => {
  test.each<[string, StartWorldOptions["machine"], string, RegExp]>([
    ["without a kubelet", { findKubelet: () => undefined }, "kubelet-not-found", /no kubelet runs/],
    [
      "where its static pods are elsewhere",
      { isSameDirectory: () => false },
      "kubelet-not-found",
      /looks for static pods/,
    ],
    ["where the port is taken", { listenerOf: () => "nginx" }, "port-taken", /port 6443.*"nginx"/],
  ])("%s", async (_, machine, code, message) => {
    await open({ machine, ...(code === "port-taken" && { answer: () => status(503, "No", "no") }) });
    const error = await failure(world!.options());
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expectTornDown(world!);
    expect(world!.server.writes).toEqual([]);
  });

  test("where files of others are in the way", async () => {
    const { manifests } = await open();
    writeFileSync(join(manifests, "bootstrap-kube-scheduler.json"), "{}");
    const error = await failure(world!.options());
    expect(error.code).toBe("already-exists");
    expect(readFileSync(join(manifests, "bootstrap-kube-scheduler.json"), "utf8")).toBe("{}");
  });

  test("for assets of static pods", async () => {
    await open();
    const { assetDir } = world!.options();
    rmSync(join(assetDir, "bootstrap-manifests"), { recursive: true });
    mkdirSync(join(assetDir, "nodes", NODE, "manifests"), { recursive: true });
    const error = await failure(world!.options());
    expect([error.code, error.message]).toEqual(["unsupported", expect.stringMatching(/holds static pods of "m1"/)]);
  });
});
