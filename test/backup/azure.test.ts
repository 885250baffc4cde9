/** Azure Blob Storage, on Microsoft's emulator. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { one } from "../../src/io/repository/seal.ts";
import { openStore } from "../../src/io/stores/open-store.ts";
import { ACCOUNT, type AzureServer, connectionString, hasAzure, KEY, sasToken, startAzure } from "./azure-server.ts";
import { type Fault, type S3Server, startFaults } from "./s3-server.ts";
import { contract, names } from "./store-contract.ts";

const TWO_BLOCKS = 17_000_001;

const cwd = mkdtempSync(join(tmpdir(), "kubemend-azure-"));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe.skipIf(!hasAzure)("Azure Blob Storage by azurite (tools/install-test-programs.sh)", () => {
  let server: AzureServer;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startAzure(cwd, ["plain", "nested", "faulty", "sas"]);
    env = { AZURE_STORAGE_CONNECTION_STRING: connectionString(server.endpoint) };
  });
  afterAll(() => server.stop());

  describe("directly", () => contract(() => openStore("azblob://plain", { env, cwd }), [1, 5_000_000, TWO_BLOCKS]));

  describe("below a prefix, with the account's key", () =>
    contract(
      () =>
        openStore(`azblob://nested/clusters/prod?account=${ACCOUNT}&endpoint=${server.endpoint}`, {
          env: { AZURE_STORAGE_KEY: KEY },
          cwd,
        }),
      [1],
    ));

  describe("with a shared access signature", () =>
    contract(
      () =>
        openStore("azblob://sas", {
          env: {
            AZURE_STORAGE_ACCOUNT: ACCOUNT,
            AZURE_STORAGE_SAS_TOKEN: sasToken("sas", "rcwdl"),
            AZURE_STORAGE_BLOB_ENDPOINT: server.endpoint,
          },
          cwd,
        }),
      [1],
    ));

  test("a token that may not write adds links, overwrites nothing, and is refused the blocks of a full", async () => {
    const token = sasToken("sas", "rcl");
    const store = await openStore("azblob://sas", {
      env: {
        AZURE_STORAGE_ACCOUNT: ACCOUNT,
        AZURE_STORAGE_SAS_TOKEN: token,
        AZURE_STORAGE_BLOB_ENDPOINT: server.endpoint,
      },
      cwd,
    });
    expect(await store.create("agent/link", Buffer.from("first"))).toBe(true);
    expect(await store.create("agent/link", Buffer.from("second"))).toBe(false);
    await expect(store.upload("agent/full", one(Buffer.alloc(TWO_BLOCKS, 1)))).rejects.toMatchObject({
      code: "permission-denied",
      hint: expect.stringContaining("rcwl"),
    });
    const put = await fetch(`${server.endpoint}/sas/agent/link?${token}`, {
      method: "PUT",
      headers: { "x-ms-blob-type": "BlockBlob", "x-ms-version": "2020-12-06" },
      body: "forged",
    });
    expect(put.status).toBe(403);
    await expect(store.remove("agent/link")).rejects.toMatchObject({ code: "permission-denied" });
    expect(String(await store.read("agent/link"))).toBe("first");
  });

  describe("through a network that cuts, delays and repeats", () => {
    let proxy: S3Server;
    let count = 0;
    const faults: Fault[] = ["cut-before", "slow-down", "truncate", "error", "repeat", "cut-after"];
    beforeAll(async () => {
      const next = (): Fault | undefined =>
        count++ % 3 === 0 ? faults[Math.floor(count / 3) % faults.length] : undefined;
      proxy = await startFaults(server.endpoint, next, false);
    });
    afterAll(() => proxy.stop());
    contract(
      () =>
        openStore("azblob://faulty", {
          env: { AZURE_STORAGE_CONNECTION_STRING: connectionString(`${proxy.endpoint}/${ACCOUNT}`) },
          cwd,
        }),
      [1, TWO_BLOCKS],
    );
  });

  test.each(["cut-after", "repeat"] as const)(
    "a create whose answer was lost (%s) is known to have succeeded",
    async (fault) => {
      let isFirst = true;
      const next = ({ method }: IncomingMessage): Fault | undefined => {
        if (method !== "PUT" || !isFirst) return undefined;
        isFirst = false;
        return fault;
      };
      const proxy = await startFaults(server.endpoint, next, false);
      const store = await openStore("azblob://plain", {
        env: { AZURE_STORAGE_CONNECTION_STRING: connectionString(`${proxy.endpoint}/${ACCOUNT}`) },
        cwd,
      });
      expect(await store.create(`chain/lost-${fault}`, Buffer.from("mine"))).toBe(true);
      await proxy.stop();
    },
  );

  test("a wrong key, a container that is not there and a token that allows too little are named", async () => {
    const wrong = connectionString(server.endpoint, Buffer.from("another key").toString("base64"));
    const store = await openStore("azblob://plain", { env: { AZURE_STORAGE_CONNECTION_STRING: wrong }, cwd });
    await expect(store.create("x", Buffer.from("x"))).rejects.toMatchObject({
      code: expect.stringMatching(/store-refused|permission-denied/),
      where: "azblob://plain/x",
      hint: expect.stringMatching(/AZURE_STORAGE_KEY|SAS/),
    });
    const nobodys = await openStore("azblob://nobodys", { env, cwd });
    await expect(names(nobodys, "chain/")).rejects.toMatchObject({
      code: "store-refused",
      message: `"azblob://nobodys" at ${new URL(server.endpoint).origin}, account "${ACCOUNT}": there is no such container`,
    });
    const reader = await openStore("azblob://sas", {
      env: {
        AZURE_STORAGE_ACCOUNT: ACCOUNT,
        AZURE_STORAGE_SAS_TOKEN: sasToken("sas", "rl"),
        AZURE_STORAGE_BLOB_ENDPOINT: server.endpoint,
      },
      cwd,
    });
    await expect(reader.create("x", Buffer.from("x"))).rejects.toMatchObject({ code: "permission-denied" });
  });
});

/** Answers every request in the same way, and keeps what it was asked. */
async function startAnswering(
  status: number,
  headers: Record<string, string>,
): Promise<{ readonly endpoint: string; readonly asked: IncomingHttpHeaders[]; stop(): void }> {
  const asked: IncomingHttpHeaders[] = [];
  const answering = createServer((request, answer) => {
    asked.push(request.headers);
    answer.writeHead(status, headers).end();
  });
  await once(answering.listen(0, "127.0.0.1"), "listening");
  const { port } = answering.address() as { port: number };
  return {
    endpoint: `http://127.0.0.1:${port}/${ACCOUNT}`,
    asked,
    stop: () => void answering.close().closeAllConnections(),
  };
}

test.each([
  ["AuthenticationFailed", 403, "store-refused", "the key, the token or the time is not accepted"],
  ["AuthorizationPermissionMismatch", 403, "permission-denied", "the credentials do not allow this"],
  ["AccountIsDisabled", 403, "store-refused", "the storage account is disabled"],
  ["InsufficientStorage", 507, "no-space", "it has no space left"],
])("%s is named", async (code, status, mend, text) => {
  const server = await startAnswering(status, { "x-ms-error-code": code });
  const env = { AZURE_STORAGE_CONNECTION_STRING: connectionString(server.endpoint) };
  const store = await openStore("azblob://plain", { env, cwd });
  await expect(store.remove("chain/0000000001")).rejects.toMatchObject({
    code: mend,
    message: expect.stringContaining(text),
  });
  server.stop();
});

test.each(["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"])("%s keeps an object", async (code) => {
  const server = await startAnswering(409, { "x-ms-error-code": code });
  const env = { AZURE_STORAGE_CONNECTION_STRING: connectionString(server.endpoint) };
  const store = await openStore("azblob://plain", { env, cwd });
  expect(await store.remove("chain/0000000001")).toBe("locked");
  server.stop();
});

test("objects are locked as the address says, and reports are not", async () => {
  const server = await startAnswering(201, {});
  const env = { AZURE_STORAGE_CONNECTION_STRING: connectionString(server.endpoint) };
  const store = await openStore("azblob://plain?lock=compliance:30d", { env, cwd });
  const before = Date.now();
  await store.create("chain/0000000001", Buffer.from("x"));
  await store.create("reports/drill", Buffer.from("x"));
  const [link, report] = server.asked;
  expect(link?.["x-ms-immutability-policy-mode"]).toBe("locked");
  const until = Date.parse(String(link?.["x-ms-immutability-policy-until-date"]));
  expect(until).toBeGreaterThanOrEqual(before + 30 * 86_400_000);
  expect(until).toBeLessThan(before + 31 * 86_400_000);
  expect(report?.["x-ms-immutability-policy-mode"]).toBeUndefined();
  server.stop();
  await expect(openStore("azblob://plain?lock=30d", { env, cwd })).rejects.toMatchObject({ code: "usage" });
  await expect(openStore("azblob://plain?versions=first", { env, cwd })).rejects.toMatchObject({ code: "usage" });
});

test("no account is an error of usage", async () => {
  await expect(openStore("azblob://plain", { env: {}, cwd })).rejects.toMatchObject({ code: "usage" });
});
