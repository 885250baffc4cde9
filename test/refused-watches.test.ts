/**
 * Users without rights: a watch that the API server refuses ends the command with its words, at once; one that a
 * starting server refuses is waited for.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ApiServerStandIn, type StandInAnswer, type StandInRequest, status } from "./api-server-stand-in.ts";
import { node, object, workload } from "./cluster-objects.ts";
import { kubemend } from "./kubemend.ts";

let base: string;
let server: ApiServerStandIn;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "kubemend-refused-"));
});
afterEach(() => {
  server?.close();
  rmSync(base, { recursive: true, force: true });
});

const MASTER = {
  ...node("m1", { "node-role.kubernetes.io/control-plane": "" }),
  status: { conditions: [{ type: "Ready", status: "True" }] },
};
const OBJECTS = [
  workload("kube-scheduler"),
  MASTER,
  object("v1", "ServiceAccount", "kube-system/default"),
  object("v1", "Endpoints", "kube-system/kube-scheduler"),
];
const forbidden = (what: string) => status(403, "Forbidden", `${what} is forbidden: User "dev" cannot list resource`);

async function serve(answer: (request: StandInRequest) => StandInAnswer | undefined): Promise<string> {
  server = await ApiServerStandIn.start(base, { version: "v1.12.10", objects: OBJECTS, answer });
  const config = JSON.parse(readFileSync(server.kubeconfig, "utf8"));
  const context = { name: "x", context: { cluster: "c", user: "dev" } };
  const users = [{ name: "dev", user: { token: "of-a-developer" } }];
  writeFileSync(server.kubeconfig, JSON.stringify({ ...config, users, contexts: [context], "current-context": "x" }));
  return `--kubeconfig=${server.kubeconfig}`;
}
const ready = (path: string) => (path === "/readyz" ? { status: 200, body: {} } : undefined);

test.each([
  ["pods", ["rescue", "scheduler"]],
  ["nodes", ["rescue", "scheduler", "--dry-run"]],
  ["endpoints", ["rescue", "scheduler"]],
  ["nodes", ["node", "status", "--watch"]],
])("%s are refused to %j", async (what, words) => {
  const flag = await serve(({ path, method }) =>
    method === "GET" && path.includes(`/${what}`) && !path.endsWith("/m1") ? forbidden(what) : ready(path),
  );
  const { code, stderr } = await kubemend(base, [...words, flag]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(`${what} is forbidden`) });
  expect(server.writes).toEqual([]);
});

test("a server that has not read yet who may do what is waited for", async () => {
  let refused = 0;
  const flag = await serve(({ path }) => {
    if (path === "/readyz") return refused < 8 ? status(500, "", "not yet") : { status: 200, body: {} };
    return path === "/api/v1/pods" && refused++ < 8 ? forbidden("pods") : undefined;
  });
  const { code, stdout, stderr } = await kubemend(base, ["rescue", "scheduler", "--dry-run", flag]);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("would create pod");
});

test("what a rescue will need is asked for before anything is done", async () => {
  const flag = await serve(({ path, body }) => {
    const { verb, resource } =
      ((body?.spec ?? {}) as { resourceAttributes?: Record<string, string> }).resourceAttributes ?? {};
    const denied = path.endsWith("selfsubjectaccessreviews") && verb === "delete" && resource === "pods";
    return denied ? { status: 201, body: { ...body, metadata: {}, status: { allowed: false } } } : ready(path);
  });
  const { code, stderr } = await kubemend(base, ["rescue", "scheduler", flag]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("you may not delete pods") });
  expect(server.writes).toEqual([]);
});
