/** One contract for every kind of store, on real servers, and what each says when something is wrong. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/io/stores/open-store.ts";
import { initRepository } from "../../src/operations/backup/init.ts";
import { backupStatus } from "../../src/operations/backup/status.ts";
import { startEtcd } from "../etcd-server.ts";
import { kubemend } from "../kubemend.ts";
import { findProgram } from "../programs.ts";
import { makeRepository, startAgent } from "./agent.ts";
import { type Fault, hasS3, type S3Server, startFaults, startS3 } from "./s3-server.ts";
import { contract, names } from "./store-contract.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-stores-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("a directory", () => contract(() => openStore(join(directory, "plain"), { env: {}, cwd: directory })));

describe.skipIf(!hasS3)("S3 by s3rver (tools/install-test-programs.sh)", () => {
  const served = join(directory, "served");
  let bare: S3Server;
  let server: S3Server;
  beforeAll(async () => {
    bare = await startS3(served, ["plain", "faulty", "nested"]);
    server = await startFaults(bare.endpoint, () => undefined);
  });
  afterAll(async () => {
    await server.stop();
    await bare.stop();
  });

  describe("directly", () => contract(() => openStore("s3://plain", { env: server.env, cwd: directory })));

  describe("below a prefix", () =>
    contract(() => openStore("s3://nested/clusters/prod", { env: server.env, cwd: directory })));

  describe("through a network that cuts, delays and repeats", () => {
    let proxy: S3Server;
    let count = 0;
    const faults: Fault[] = ["cut-before", "slow-down", "truncate", "error", "repeat", "cut-after"];
    beforeAll(async () => {
      proxy = await startFaults(bare.endpoint, () =>
        count++ % 3 === 0 ? faults[Math.floor(count / 3) % faults.length] : undefined,
      );
    });
    afterAll(() => proxy.stop());
    contract(() => openStore("s3://faulty", { env: proxy.env, cwd: directory }));
  });

  test.each(["cut-after", "repeat"] as const)(
    "a create whose answer was lost (%s) is known to have succeeded",
    async (fault) => {
      let isFirst = true;
      const proxy = await startFaults(bare.endpoint, ({ method }) => {
        if (method !== "PUT" || !isFirst) return undefined;
        isFirst = false;
        return fault;
      });
      const store = await openStore("s3://plain", { env: proxy.env, cwd: directory });
      const created = await store.create(`chain/lost-${fault}`, Buffer.from("mine"));
      expect(created).toBe(true);
      expect(String(await store.read(`chain/lost-${fault}`))).toBe("mine");
      await proxy.stop();
    },
  );

  test("a store that is down is unreachable, after several tries", async () => {
    const proxy = await startFaults(bare.endpoint, () => "slow-down");
    const store = await openStore("s3://plain", { env: proxy.env, cwd: directory });
    await expect(store.read("x")).rejects.toMatchObject({ code: "store-unreachable" });
    await proxy.stop();
    const gone = await openStore("s3://plain", { env: proxy.env, cwd: directory });
    await expect(gone.read("x")).rejects.toMatchObject({
      code: "store-unreachable",
      message: `"s3://plain" at ${proxy.endpoint} cannot be reached: ECONNREFUSED`,
    });
  });

  test("another key is named", async () => {
    const store = await openStore("s3://plain", {
      env: { ...server.env, AWS_ACCESS_KEY_ID: "somebody-else" },
      cwd: directory,
    });
    await expect(store.create("x", Buffer.from("x"))).rejects.toMatchObject({
      code: "store-refused",
      message: expect.stringContaining("it does not know the access key"),
    });
  });

  test.each([
    ["SignatureDoesNotMatch", 403, {}, "store-refused", "the secret key is not that of the access key"],
    ["RequestTimeTooSkewed", 403, {}, "store-refused", "the clock of this machine is wrong"],
    ["AccessDenied", 403, {}, "permission-denied", "the credentials do not allow this"],
    [
      "PermanentRedirect",
      301,
      { "x-amz-bucket-region": "eu-west-1" },
      "store-refused",
      "the bucket is in eu-west-1, and us-east-1 was asked",
    ],
    ["QuotaExceeded", 403, {}, "no-space", "its quota is used up"],
    ["ExpiredToken", 400, {}, "store-refused", "the credentials have expired"],
  ])("%s is named", async (code, status, headers, mend, text) => {
    const answering = createServer(
      (_, answer) => void answer.writeHead(status, headers).end(`<Error><Code>${code}</Code></Error>`),
    );
    await once(answering.listen(0, "127.0.0.1"), "listening");
    const { port } = answering.address() as { port: number };
    const env = { ...server.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
    const store = await openStore("s3://plain", { env, cwd: directory });
    await expect(store.create("x", Buffer.from("x"))).rejects.toMatchObject({
      code: mend,
      message: expect.stringContaining(text),
    });
    await expect(store.create("x", Buffer.from("x"))).rejects.toThrow(`"s3://plain/x" at http://127.0.0.1:${port}`);
    answering.closeAllConnections();
    answering.close();
  });

  test("a bucket that is not there, and no credentials at all, are named", async () => {
    const store = await openStore("s3://nobodys", { env: server.env, cwd: directory });
    await expect(names(store, "chain/")).rejects.toMatchObject({
      code: "store-refused",
      message: `"s3://nobodys" at ${server.endpoint}: there is no such bucket`,
    });
    const env = { AWS_ENDPOINT_URL: server.endpoint, AWS_EC2_METADATA_DISABLED: "true", HOME: directory };
    const bareStore = await openStore("s3://plain", { env, cwd: directory });
    await expect(bareStore.read("x")).rejects.toMatchObject({ message: "no credentials for S3 are found" });
  });
});

describe.skipIf(!hasS3)("a fleet in one bucket", () => {
  test("status shows every repository, with the endpoint of the address", async () => {
    const server = await startS3(join(directory, "fleet"), ["fleet"]);
    const { AWS_ENDPOINT_URL: _, ...env } = server.env;
    const address = (name: string): string => `s3://fleet${name}?endpoint=${server.endpoint}`;
    try {
      const clusters = Array.from({ length: 40 }, (_each, i) => `cluster-${String(i).padStart(3, "0")}`);
      for (const name of clusters) {
        await initRepository(address(`/${name}`), {
          env,
          cwd: directory,
          signingKeyFile: join(directory, `${name}.key`),
          identityFile: undefined,
          recipients: [],
          unencrypted: true,
          now: () => Date.parse("2026-11-29T10:00:00Z"),
        });
      }
      const status = await backupStatus(address(""), { env, cwd: directory, now: Date.now, maxLagMs: 60_000 });
      expect(status.map(({ repository }) => repository)).toEqual(clusters.map((name) => `s3://fleet/${name}`));
      expect(status.every(({ state }) => state === "empty")).toBe(true);
    } finally {
      await server.stop();
    }
  });
});

describe.skipIf(!hasS3 || findProgram("trixie", "etcd") === undefined)("a repository in S3, through faults", () => {
  test("an agent keeps it, and it comes back", async () => {
    const bare = await startS3(join(directory, "repositories"), ["backups"]);
    let count = 0;
    const faults: Fault[] = ["cut-before", "slow-down", "truncate", "error", "cut-after", "repeat"];
    const proxy = await startFaults(bare.endpoint, () =>
      count++ % 4 === 0 ? faults[((count / 4) % faults.length) | 0] : undefined,
    );
    const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
    const place = await makeRepository(join(directory, "s3-place"), "s3://backups/prod", proxy.env);
    const agent = startAgent(place, { endpoints: [server.endpoint] }, proxy.env);
    try {
      await agent.logged("full stored");
      for (let i = 0; i < 40; i++) await server.etcdctl("put", `/registry/things/${i % 5}`, `${i}`);
      const answer = JSON.parse(await server.etcdctl("get", "", "--from-key", "-w", "json"));
      const deadline = Date.now() + 30_000;
      for (;;) {
        const status = await kubemend(directory, ["backup", "status", "s3://backups", "-o", "json"], proxy.env);
        if (status.code === 0 && JSON.parse(status.stdout)[0].newestRevision === answer.header.revision) break;
        if (Date.now() > deadline) throw new Error(status.stdout + status.stderr);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      expect(await agent.stop()).toBe(0);
      const verdict = await kubemend(
        directory,
        ["backup", "verify", "s3://backups/prod", "--identity", place.identity],
        proxy.env,
      );
      expect(verdict.stdout).toContain("no findings");
      const file = join(directory, "from-s3.db");
      const restored = await kubemend(
        directory,
        ["backup", "restore", "s3://backups/prod@latest", "--identity", place.identity, "--output-file", file],
        proxy.env,
      );
      expect(restored.code, restored.stderr).toBe(0);
      const keys = await kubemend(directory, ["snapshot", "keys", file]);
      expect(keys.stdout.trimEnd().split("\n")).toHaveLength(answer.kvs.length);
    } finally {
      await agent.stop("SIGKILL");
      await server.stop("SIGKILL");
      await proxy.stop();
      await bare.stop();
    }
  }, 90_000);
});

test("an address of an unknown kind is named", async () => {
  await expect(openStore("ftp://host/x", { env: {}, cwd: directory })).rejects.toMatchObject({ code: "usage" });
});
