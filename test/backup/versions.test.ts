/**
 * Buckets that keep versions and lock them: what a name held first is what is read, and a removal is what it is. On a
 * stand-in, and on a real server where `KUBEMEND_TEST_S3=http://HOST:PORT` names one, with AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY of a user who may make buckets.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/io/stores/open-store.ts";
import { pruneRepository } from "../../src/operations/backup/prune.ts";
import { startEtcd } from "../etcd-server.ts";
import { kubemend } from "../kubemend.ts";
import { makeRepository } from "./agent.ts";
import { environment, type S3Server } from "./s3-server.ts";
import { contract, inPieces, names } from "./store-contract.ts";
import { startVersionedS3 } from "./versioned-s3.ts";

const given = process.env.KUBEMEND_TEST_S3;
const directory = mkdtempSync(join(tmpdir(), "kubemend-versions-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("a stand-in", () => versioned(startVersionedS3));
describe.skipIf(given === undefined)("the S3 server that is given", () => {
  versioned(() => Promise.resolve(theGivenServer(given ?? "")));
});

function theGivenServer(endpoint: string): S3Server {
  const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = process.env;
  const env = { ...environment(endpoint), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY };
  return { endpoint, env, stop: () => Promise.resolve() };
}

function versioned(start: () => Promise<S3Server>): void {
  let server: S3Server;
  let client: AwsClient;
  const bucket = `locked-${randomUUID()}`;
  const open = (query = "") => openStore(`s3://${bucket}/objects${query}`, { env: server.env, cwd: directory });
  beforeAll(async () => {
    server = await start();
    const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = server.env;
    client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "us-east-1" });
    const headers = { "x-amz-bucket-object-lock-enabled": "true" };
    const answer = await client.fetch(`${server.endpoint}/${bucket}`, { method: "PUT", headers });
    expect(answer.status).toBe(200);
  });
  afterAll(() => server.stop());

  describe("read by first versions", () => {
    const address = `s3://${bucket}/contract?versions=first`;
    contract(() => openStore(address, { env: server.env, cwd: directory }), [1, 10_000_000]);
  });

  test("what was written over an object, or hides it, changes nothing", async () => {
    const store = await open("?lock=governance:1h");
    await store.create("chain/0000000001", Buffer.from("kept"));
    await store.create("chain/0000000010", Buffer.from("ten"));
    await store.upload("data/large", inPieces(Buffer.alloc(9_000_000, 7), 1 << 20));
    const attacker = await open();
    await client.fetch(`${server.endpoint}/${bucket}/objects/chain/0000000001`, { method: "PUT", body: "forged" });
    expect(await attacker.remove("chain/0000000010")).toBe("hidden");
    expect(await attacker.remove("data/large")).toBe("hidden");
    expect(await names(attacker, "")).toEqual(["chain/0000000001"]);
    for (const reader of [store, await open("?versions=first")]) {
      expect(await names(reader, "")).toEqual(["chain/0000000001", "chain/0000000010", "data/large"]);
      expect(await names(reader, "chain/", "chain/0000000001")).toEqual(["chain/0000000010"]);
      expect(String(await reader.read("chain/0000000001"))).toBe("kept");
      expect(await reader.read("data/large")).toHaveLength(9_000_000);
    }
    expect(await store.create("chain/0000000001", Buffer.from("again"))).toBe(false);
    expect(await store.remove("chain/0000000001")).toBe("locked");
    expect(String(await store.read("chain/0000000001"))).toBe("kept");
  });

  test("every folder is found, also one of which everything is hidden", async () => {
    const store = await openStore(`s3://${bucket}/fleet?lock=governance:1h`, { env: server.env, cwd: directory });
    const clusters = ["a", "b", "c d", "e", "f"];
    for (const cluster of clusters) await store.create(`${cluster}/repository.json`, Buffer.from("{}"));
    const hider = await openStore(`s3://${bucket}/fleet`, { env: server.env, cwd: directory });
    await hider.remove("b/repository.json");
    expect(await store.folders()).toEqual(clusters);
  });

  test("of many who create one name at once in a locked bucket, one succeeds, and that one is read", async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open("?lock=governance:1h")));
    const results = await Promise.all(
      stores.map((store, i) => store.create("chain/0000000100", Buffer.from(`writer ${i}`))),
    );
    expect(results.filter((won) => won)).toHaveLength(1);
    expect(String(await (await open("?versions=first")).read("chain/0000000100"))).toBe(
      `writer ${results.indexOf(true)}`,
    );
  });

  test("prune says what a lock keeps, and what is only hidden", async () => {
    const etcd = await startEtcd({ suite: "trixie", dataDir: join(directory, `etcd-${bucket}`) });
    try {
      const address = `s3://${bucket}/cluster?lock=governance:1h`;
      const { env } = server;
      const { signingKey, identity } = await makeRepository(join(directory, bucket), address, env);
      const run = (...args: string[]) => kubemend(directory, args, env);
      for (let i = 0; i < 3; i++) {
        const added = await run("backup", "now", address, "--endpoints", etcd.endpoint, "--signing-key", signingKey);
        expect(added.code, added.stderr).toBe(0);
      }
      const policy = { last: 1 };
      const options = { env, cwd: directory, signingKeyFile: signingKey, policy, dryRun: false, now: Date.now };
      const kept = { removedLinks: 0, removedObjects: 0, removedBytes: 0, lockedObjects: 4 };
      expect(await pruneRepository(address, options)).toMatchObject({ ...kept, hiddenObjects: 0 });
      const printed = await run("backup", "prune", address, "--keep-last", "1", "--signing-key", signingKey);
      expect(printed.stdout).toContain("locked: 4 objects stay until their retention has ended");
      expect((await run("backup", "list", address)).stdout).toContain("3 links");

      const plain = `s3://${bucket}/cluster`;
      const hidden = await pruneRepository(plain, options);
      expect(hidden).toMatchObject({ removedObjects: hidden.hiddenObjects, lockedObjects: 0 });
      expect(hidden.hiddenObjects).toBeGreaterThan(0);
      expect((await run("backup", "list", plain)).stdout).toContain("1 links");
      // The bucket has them, and so has who asks for what was first.
      expect((await run("backup", "list", `${plain}?versions=first`)).stdout).toContain("3 links");
      const verified = await run("backup", "verify", `${plain}?versions=first`, "--identity", identity);
      expect(verified.code, verified.stdout).toBe(0);
    } finally {
      await etcd.stop("SIGKILL");
    }
  });
}
