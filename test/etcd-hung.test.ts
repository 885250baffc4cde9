/**
 * Members that hang, and passwords that nobody may hear: real etcd, stopped in its tracks, and a listener at an address
 * that it advertises.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EtcdServer, ready, startEtcd } from "./etcd-server.ts";
import { kubemend } from "./kubemend.ts";
import { findProgram, PROGRAMS_MISSING } from "./programs.ts";
import { planMembers, startMembers } from "./restored-cluster.ts";

const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
let directory: string;
let running: EtcdServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "etcd-hung-"));
});
afterEach(async () => {
  for (const server of running) if (!server.ended) process.kill(server.pid, "SIGCONT");
  await Promise.all(running.splice(0).map((server) => server.stop("SIGKILL")));
  rmSync(directory, { recursive: true });
});
const suite = (["sid", "trixie", "bookworm"] as const).find((each) => findProgram(each, "etcd"));

/** In a process of its own: that it ends is what counts. */
async function program(...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd: directory, env: { PATH: process.env.PATH } });
  const out = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    out.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    out.stderr += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...out };
}

const loopback = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address));
const hosts: readonly (readonly [host: string, written: string])[] = [
  ["127.0.0.1", "127.0.0.1"],
  ...(loopback.includes("::1") ? ([["::1", "[::1]"]] as const) : []),
  ...(loopback.includes("::1") ? ([["::1", "[0:0:0:0:0:0:0:1]"]] as const) : []),
];

describe.skipIf(suite === undefined)(PROGRAMS_MISSING, () => {
  test("with one member of three hung every command ends by itself, with what the others say", async () => {
    const { members, initialCluster } = await planMembers(3);
    running = await startMembers(suite!, directory, members, initialCluster);
    process.kill(running[2]!.pid, "SIGSTOP");
    const endpoints = `--endpoints=${running.map(({ endpoint }) => endpoint).join(",")}`;
    const hungFirst = `--endpoints=${running
      .toReversed()
      .map(({ endpoint }) => endpoint)
      .join(",")}`;
    const timeout = "--command-timeout=2s";

    const health = await program("etcd", "health", endpoints, timeout);
    expect(health.stdout).toContain("2 of 3 voters answer");
    expect(health.code).not.toBeNull();
    expect((await program("etcd", "members", hungFirst, timeout)).code).toBe(0);
    const saved = await program("snapshot", "save", join(directory, "s.db"), hungFirst, timeout);
    expect([saved.code, saved.stdout], saved.stderr).toEqual([0, expect.stringContaining("saved")]);
    const recovered = await program(
      "recover",
      "--recovery-dir=out",
      `--etcd-servers=${hungFirst.split("=")[1]}`,
      timeout,
    );
    expect(recovered.code).toBe(1); // there is no control plane in it, which is known
    expect(recovered.stderr).toMatch(/^error: /m);
    const diagnosis = await program("diagnose", endpoints, timeout);
    expect(diagnosis.stdout + diagnosis.stderr).toMatch(/etcd/);
  });

  test.each(hosts)("a password goes where it was meant to go, with a member at %s", async (host, written) => {
    const seen: string[] = [];
    const sockets = new Set<Socket>();
    const listener = createServer().on("stream", (stream: ServerHttp2Stream, headers) => {
      seen.push(String(headers[":path"]));
      stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "14" }, { endStream: true });
    });
    listener.on("connection", (socket: Socket) => sockets.add(socket));
    listener.listen(0, host);
    await once(listener, "listening");
    const strange = `http://${written}:${(listener.address() as AddressInfo).port}`;
    try {
      const { members, initialCluster } = await planMembers(2);
      const start = ({ name, ports }: (typeof members)[number], ...flags: string[]) =>
        startEtcd(
          {
            suite: suite!,
            name,
            ports,
            dataDir: join(directory, name),
            flags: ["--initial-cluster", initialCluster, ...flags],
          },
          false,
        );
      const [first, second] = [await start(members[0]!), await start(members[1]!, "--advertise-client-urls", strange)];
      running.push(first, second);
      await ready(first);
      for (const args of [
        ["user", "add", "root:secret"],
        ["user", "grant-role", "root", "root"],
        ["auth", "enable"],
      ])
        await first.etcdctl(...args);
      const flags = ["--endpoints", first.endpoint, "--user=root", "--command-timeout=2s"];
      writeFileSync(join(directory, "password"), "secret\n");
      const env = { ETCDCTL_PASSWORD: "secret" };
      const byFile = await kubemend(directory, [
        "etcd",
        "health",
        ...flags,
        `--password-file=${join(directory, "password")}`,
      ]);
      expect(byFile.stdout, byFile.stderr).toContain("1 of 2 voters answer");
      expect((await kubemend(directory, ["etcd", "members", ...flags], env)).stderr).toBe("");
      expect(seen).toContain("/etcdserverpb.Maintenance/Status"); // asked, without a login
      expect(seen).not.toContain("/etcdserverpb.Auth/Authenticate");
      await kubemend(directory, ["etcd", "health", "--cluster", ...flags], env);
      expect(seen).toContain("/etcdserverpb.Auth/Authenticate");
    } finally {
      for (const socket of sockets) socket.destroy();
      listener.close();
    }
  });
});

test("a password is asked for where there is a terminal, and none is given", async () => {
  const questions: string[] = [];
  const outcome = await kubemend(
    directory,
    ["etcd", "members", "--endpoints=http://127.0.0.1:1", "--user=root"],
    {},
    {
      askSecret: async (question: string) => {
        questions.push(question);
        return "S3cret";
      },
    },
  );
  expect(questions).toEqual([`password of etcd's user "root": `]);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).not.toContain("S3cret");
  expect(
    (await kubemend(directory, ["etcd", "members", "--endpoints=http://127.0.0.1:1", "--user=root"])).stderr,
  ).toContain("has no password");
});
