/** `--as` and `--as-group`: every request says as whom it is made, as kubectl's do. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-as-"));
const KUBECONFIG = join(DIRECTORY, "kubeconfig");
let server: Server;
let seen: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request.headers);
    response.writeHead(403, { "content-type": "application/json" });
    const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Forbidden", code: 403 };
    response.end(JSON.stringify({ ...status, message: "no" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    KUBECONFIG,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "c",
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: "u", user: { token: "t", as: "somebody" } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    }),
  );
});
afterAll(() => {
  server.close();
  rmSync(DIRECTORY, { recursive: true });
});
beforeEach(() => {
  seen = [];
});

const run = (...argv: readonly string[]) => kubemend(DIRECTORY, [...argv, "--kubeconfig", KUBECONFIG]);

test.each([[["diagnose"]], [["node", "status"]], [["node", "drain", "w1"]], [["node", "cordon", "w1"]]])(
  "%j",
  async (argv) => {
    await run(...argv, "--as", "jane", "--as-group", "sre", "--as-group", "ops");
    expect(seen.length).toBeGreaterThan(0);
    for (const headers of seen) {
      expect(headers["impersonate-user"]).toBe("jane");
      expect(headers["impersonate-group"]).toBe("sre, ops");
    }
  },
);

test("without the flags it is whom the kubeconfig names", async () => {
  await run("node", "status");
  expect(new Set(seen.map((headers) => headers["impersonate-user"]))).toEqual(new Set(["somebody"]));
});

test("a group without a user is refused, as is what no header can carry", async () => {
  expect(await run("node", "status", "--as-group", "sre")).toMatchObject({ code: 2 });
  expect(await run("node", "status", "--as", "a\nb")).toMatchObject({ code: 2 });
  expect(seen).toEqual([]);
});
