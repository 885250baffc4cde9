/** SFTP, on OpenSSH's own server. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../../src/io/stores/open-store.ts";
import { type FaultyProxy, startFaultyProxy } from "../faulty-proxy.ts";
import { freePorts } from "../free-ports.ts";
import { hasSftp, type SftpServer, startSftp } from "./sftp-server.ts";
import { contract } from "./store-contract.ts";

/** The last one is written and read in three parts. */
const SIZES = [1, 5_000_000, 17_000_001];

describe.skipIf(!hasSftp)("SFTP by OpenSSH", () => {
  const cwd = mkdtempSync(join(tmpdir(), "kubemend-sftp-"));
  let server: SftpServer;
  beforeAll(async () => {
    server = await startSftp(join(cwd, "sshd"));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(cwd, { recursive: true, force: true });
  });
  const addressOf = (path: string, port = server.port): string => `sftp://127.0.0.1:${port}${join(cwd, path)}`;

  describe("directly", () => contract(() => openStore(addressOf("plain"), { env: server.env(), cwd }), SIZES));

  describe("through a network that cuts every connection", () => {
    let proxy: FaultyProxy;
    beforeAll(async () => {
      // Within each of the larger reads, and now and then within everything else.
      proxy = await startFaultyProxy(`tcp://127.0.0.1:${server.port}`, "cut", 9_500_000);
    });
    afterAll(() => proxy.close());
    contract(() => {
      const port = Number(new URL(proxy.endpoint).port);
      return openStore(addressOf("faulty", port), { env: server.env(port), cwd });
    }, SIZES);
  });

  test("what writers leave that were killed is not shown, and nothing else is left", async () => {
    const store = await openStore(addressOf("left"), { env: server.env(), cwd });
    await store.create("chain/0000000001", Buffer.from("x"));
    expect(readdirSync(join(cwd, "left/chain"))).toEqual(["0000000001"]);
    writeFileSync(join(cwd, "left/chain/.kubemend-staged-0000000002-abc"), "half");
    const found: string[] = [];
    for await (const { name } of store.list("chain/")) found.push(name);
    expect(found).toEqual(["chain/0000000001"]);
    await store.close();
    // The next run removes what nobody has written to for a day, and nothing that may still be written.
    writeFileSync(join(cwd, "left/chain/.kubemend-staged-0000000002-old"), "half");
    utimesSync(join(cwd, "left/chain/.kubemend-staged-0000000002-old"), 1e9, 1e9);
    const next = await openStore(addressOf("left"), { env: server.env(), cwd });
    await next.create("chain/0000000002", Buffer.from("x"));
    await next.close();
    expect(readdirSync(join(cwd, "left/chain")).sort()).toEqual([
      ...[".kubemend-staged-0000000002-abc", "0000000001", "0000000002"],
    ]);
  });

  test("an unknown host, one whose key has changed, and a key that is not accepted are named", async () => {
    const unknown = server.env();
    writeFileSync(join(cwd, "sshd", `known-${server.port}`), "");
    const address = addressOf("plain");
    const stranger = await openStore(address, { env: unknown, cwd });
    await expect(stranger.read("x")).rejects.toMatchObject({
      code: "store-refused",
      message: expect.stringContaining("the key of the host is not known"),
    });
    writeFileSync(
      join(cwd, "sshd", `known-${server.port}`),
      server.knownHosts(server.port).replace(/.{8}\n$/, "AAAAAAAA\n"),
    );
    const changed = await openStore(address, { env: unknown, cwd });
    await expect(changed.read("x")).rejects.toMatchObject({
      code: "store-refused",
      message: expect.stringContaining("the key of the host is not the one that is known"),
    });
    const { KUBEMEND_SSH: program = "", ...rest } = server.env();
    const other = `${program} -i ${join(cwd, "sshd/stranger")} -o IdentityFile=none`;
    const own = join(cwd, "sshd", `config-${server.port}`);
    const without = join(cwd, "without");
    writeFileSync(without, `Host *\n  UserKnownHostsFile ${join(cwd, "sshd", `known-${server.port}`)}\n`);
    const refused = await openStore(address, {
      env: { ...rest, KUBEMEND_SSH: other.replace(own, without) },
      cwd,
    });
    await expect(refused.read("x")).rejects.toMatchObject({
      code: "store-refused",
      message: expect.stringContaining("the host accepts none of the keys"),
    });
  });

  test("a host that does not answer is unreachable, and a directory that is another's is named", async () => {
    const [port = 0] = await freePorts(1);
    const gone = await openStore(addressOf("plain", port), { env: server.env(port), cwd });
    await expect(gone.read("x")).rejects.toMatchObject({
      code: "store-unreachable",
      message: expect.stringContaining("Connection refused"),
    });
    mkdirSync(join(cwd, "file"), { recursive: true });
    writeFileSync(join(cwd, "file/chain"), "no directory");
    const store = await openStore(addressOf("file"), { env: server.env(), cwd });
    await expect(store.create("chain/0000000001", Buffer.from("x"))).rejects.toMatchObject({ code: "store-refused" });
    await store.close();
  });
});

test("a password in the address is refused, and not shown", async () => {
  const failure = await openStore("sftp://user:hunter2@host/path", { env: {}, cwd: "/" }).catch(
    (error: Error) => error,
  );
  expect(failure).toMatchObject({ code: "usage" });
  expect(JSON.stringify(failure) + String(failure)).not.toContain("hunter2");
});
