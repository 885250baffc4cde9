/** `diagnose` where there is no cluster to speak of: servers that refuse, hang, fail and talk nonsense. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { DiagnoseResult } from "../src/operations/diagnose/diagnose.ts";
import { kubemend } from "./kubemend.ts";

// The etcd servers of tests that run beside these are none of theirs.
vi.mock("../src/operations/diagnose/gather/local-control-plane.ts", () => ({ gatherLocal: () => undefined }));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-diagnose-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function diagnose(server: string, ...flags: string[]): Promise<DiagnoseResult> {
  const path = join(directory, "kubeconfig");
  const cluster = `{name: c, cluster: {server: "${server}"}}`;
  const context = "{name: c, context: {cluster: c, user: u}}";
  writeFileSync(path, `clusters: [${cluster}]\ncontexts: [${context}]\ncurrent-context: c\nusers: [{name: u}]\n`);
  const words = ["diagnose", `--kubeconfig=${path}`, "-o", "json", ...flags];
  const { code, stdout, stderr } = await kubemend(directory, words);
  if (stdout === "") throw new Error(stderr);
  const result = JSON.parse(stdout) as DiagnoseResult;
  expect(code).toBe({ healthy: 0, broken: 1, unknown: 3 }[result.verdict]);
  expect(result.healthy).toBe(result.verdict === "healthy");
  return result;
}

const troubleOf = ({ troubles }: DiagnoseResult, area: string) =>
  troubles.filter((trouble) => trouble.area === area).map(({ code, text }) => ({ code, text }));

async function serving<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe("an API server that", () => {
  test("is not there is unreachable, and the rest is not known", async () => {
    const result = await diagnose("https://127.0.0.1:1");
    expect(troubleOf(result, "api-server")).toEqual([
      { code: "api-server-unreachable", text: expect.stringContaining("nothing listens there") },
    ]);
    expect(result.areas.find(({ area }) => area === "nodes")).toMatchObject({ state: "unknown" });
  });

  test("takes connections and says nothing is silent", async () => {
    const server = createTcpServer(() => {}).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const result = await diagnose(url, "--probe-timeout=700ms");
      expect(troubleOf(result, "api-server")).toMatchObject([{ code: "api-server-silent" }]);
    } finally {
      server.close();
    }
  });

  test("answers with errors is failing, with the checks that it names", async () => {
    const result = await serving(
      (request, response) => {
        response.statusCode = 500;
        response.end(request.url?.startsWith("/readyz") ? "[+]ping ok\n[-]etcd failed: reason withheld\n" : "{}");
      },
      (url) => diagnose(url),
    );
    expect(troubleOf(result, "api-server")).toMatchObject([{ code: "api-server-failing" }]);
    expect(result.troubles[0]!.evidence).toContain("check etcd fails: reason withheld");
  });

  test("knows nobody denies us", async () => {
    const result = await serving(
      (_, response) => {
        response.statusCode = 401;
        response.end('{"kind":"Status","message":"Unauthorized","reason":"Unauthorized"}');
      },
      (url) => diagnose(url),
    );
    expect(troubleOf(result, "api-server")).toMatchObject([{ code: "api-server-denies-us" }]);
  });

  test("lists nothing that makes sense leaves what it does not tell unknown, and nothing breaks", async () => {
    const answers = ["null", "[]", "{}", '{"items": 7}', '{"items": [null, {}, {"metadata": 3}]}', "not JSON", ""];
    for (const answer of answers) {
      const result = await serving(
        (request, response) => {
          const well =
            request.url === "/version"
              ? '{"gitVersion":"v1.20.2"}'
              : '{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system"}}';
          const isBase = request.url === "/version" || request.url === "/api/v1/namespaces/kube-system";
          response.setHeader("content-type", "application/json");
          response.end(isBase ? well : answer);
        },
        (url) => diagnose(url),
      );
      expect(result.areas).toHaveLength(8);
    }
  });
});

test("etcd that was named is asked even without an API server", async () => {
  const result = await diagnose("https://127.0.0.1:1", "--endpoints=http://127.0.0.1:2");
  expect(troubleOf(result, "etcd")).toMatchObject([{ code: "etcd-unreachable" }]);
  // It is why the API server does not answer, as far as can be told.
  expect(troubleOf(result, "api-server")).toEqual([]);
});

test("a kubeconfig that is not there is an error", async () => {
  const { code, stderr } = await kubemend(directory, ["diagnose", "--kubeconfig=none"]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("no such file") });
});
