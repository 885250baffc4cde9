/**
 * What reaches machines: commands over ssh, and those that ask this node's container runtime, each against all that may
 * answer there.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askPeer } from "../../src/io/etcd/peer-status.ts";
import { openContainerRuntime } from "../../src/io/node/container-runtime.ts";
import { HOSTILE_API, startHostileApi } from "./hostile-api.ts";
import { HOSTILE_ETCD, startHostileEtcd } from "./hostile-etcd.ts";
import { HOSTILE_SSH, hostileSsh, STAYING } from "./hostile-ssh.ts";
import { type Attacked, attack, expectCleanText, expectTrueEnd, SSH_COMMANDS } from "./matrix.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-attack-nodes-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.concurrent.each(HOSTILE_SSH)("an ssh with: %s", (mode) => {
  test.each(SSH_COMMANDS)("$name", async (attacked) => {
    const place = mkdtempSync(join(directory, "ssh-"));
    const outcome = await attack(attacked, hostileSsh(place, mode), { interrupted: STAYING.has(mode) });
    expect(outcome.code, attacked.name).not.toBe("still running");
    if (outcome.code !== 130) expectTrueEnd(attacked, outcome);
    else expectCleanText(outcome.stderr);
  });
});

describe.concurrent.each(HOSTILE_ETCD)("a container runtime that answers with: %s", (mode) => {
  test("is asked in its time", async () => {
    const socket = join(mkdtempSync(join(directory, "runtime-")), "socket");
    const server = await startHostileEtcd(mode, socket);
    try {
      const look = openContainerRuntime(`unix://${socket}`, { timeout: 1000, cri: "v1" }).then(async (runtime) => {
        try {
          return await runtime.containers();
        } finally {
          runtime.close();
        }
      });
      const result = await look.catch((error: unknown) => error);
      // What is empty is a runtime without containers, by the protocol.
      if (Array.isArray(result)) expect(result).toEqual([]);
      else expect(result).toMatchObject({ name: "MendError" });
      expectCleanText(String((result as { readonly code?: string }).code));
    } finally {
      server.close();
    }
  });

  test("and node clean is interrupted while it waits", async () => {
    const socket = join(mkdtempSync(join(directory, "runtime-")), "socket");
    const server = await startHostileEtcd(mode, socket);
    const clean = ["node", "clean", "--dry-run", "--keep-in=$OUT/keep", "--pod-manifest-path=$OUT/manifests"];
    const argv = [...clean, "--kubelet-dir=$OUT/kubelet", "--etcd-data-dir=$OUT/etcd", "--log-dir=$OUT/log"];
    const attacked: Attacked = {
      name: "node clean",
      argv: [...argv, `--container-runtime-endpoint=unix://${socket}`],
      codes: [0, 1],
    };
    try {
      const outcome = await attack(attacked, server, { interrupted: true });
      expect([0, 1, 130], outcome.stderr).toContain(outcome.code);
      expectCleanText(outcome.stdout + outcome.stderr);
    } finally {
      server.close();
    }
  });
});

describe.concurrent("the node agent continues, and ends when it is interrupted", () => {
  const agent = (kubeconfig: string, socket: string): Attacked => ({
    name: "checkpoint run",
    argv: [
      "checkpoint",
      "run",
      `--kubeconfig=${kubeconfig}`,
      `--container-runtime-endpoint=unix://${socket}`,
      "--runtime-request-timeout=1s",
      "--lock-file=$OUT/lock",
      "--kubernetes-directory=$OUT",
      "--metrics-address=none",
    ],
    env: { NODE_NAME: "m1" },
  });

  test.each(HOSTILE_API)("with an API server that answers with: %s", async (mode) => {
    const server = await startHostileApi(mode);
    try {
      const outcome = await attack(agent("@", join(directory, "no-socket")), server, { interrupted: true });
      expect([0, 130], outcome.stderr).toContain(outcome.code);
      expectCleanText(outcome.stderr);
    } finally {
      server.close();
    }
  });

  test.each(HOSTILE_ETCD)("with a container runtime that answers with: %s", async (mode) => {
    const socket = join(mkdtempSync(join(directory, "runtime-")), "socket");
    const [runtime, api] = [await startHostileEtcd(mode, socket), await startHostileApi("silent")];
    const both = {
      url: api.url,
      get connections() {
        return Math.min(runtime.connections, api.connections);
      },
    };
    try {
      const outcome = await attack(agent("@", socket), both, { interrupted: true });
      expect([0, 130], outcome.stderr).toContain(outcome.code);
      expectCleanText(outcome.stderr);
    } finally {
      runtime.close();
      api.close();
    }
  });
});

describe.concurrent("a peer of cluster apply is believed with the operation's secret alone", () => {
  const ask = (url: string, signal: AbortSignal) => askPeer(url, undefined, "11".repeat(32), signal);
  const servers = [
    ...HOSTILE_API.map((mode) => [mode, () => startHostileApi(mode)] as const),
    ...HOSTILE_ETCD.map((mode) => [`etcd's, ${mode}`, () => startHostileEtcd(mode)] as const),
  ];

  test.each(servers)("where it answers with: %s", async (_, start) => {
    const server = await start();
    try {
      const answer = await ask(server.url, new AbortController().signal);
      expect(answer).toMatchObject({ kind: "silent" });
    } finally {
      server.close();
    }
  });

  test("and an interruption ends the question", async () => {
    const server = await startHostileApi("silent");
    const interruption = new AbortController();
    try {
      const asked = ask(server.url, interruption.signal);
      setTimeout(() => interruption.abort(new Error("interrupted")), 50);
      await expect(asked).rejects.toThrow("interrupted");
    } finally {
      server.close();
    }
  });
});
