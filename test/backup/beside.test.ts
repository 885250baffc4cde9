/** The backup agent inside the node agent's process, and two agents of one node. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runBackupBeside } from "../../src/operations/backup/agent/run-beside.ts";
import { startEtcd } from "../etcd-server.ts";
import { findProgram, PROGRAMS_MISSING } from "../programs.ts";
import { makeRepository, startAgent, storedTo } from "./agent.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-backup-beside-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(findProgram("trixie", "etcd") === undefined)(`beside another program (${PROGRAMS_MISSING})`, () => {
  test("a configuration that is wrong is reported, and read again", async () => {
    const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "etcd") });
    try {
      const place = await makeRepository(join(directory, "place"));
      const config = join(directory, "backup.yaml");
      const stop = new AbortController();
      const said: string[] = [];
      let isWritten = (): void => {};
      const complained = new Promise<void>((resolve) => {
        isWritten = resolve;
      });
      const running = runBackupBeside({
        ...{ config, nodeName: "node-1", retryMs: 100, env: {}, cwd: directory, signal: stop.signal },
        now: Date.now,
        clock: () => performance.now(),
        log: (level, text) => {
          said.push(text);
          if (level === "error") isWritten();
        },
      });
      await complained;
      expect(said[0]).toContain("the backup agent has ended, and is started again");
      const value = {
        repository: place.repository,
        signingKeyFile: place.signingKey,
        etcd: { endpoints: [server.endpoint] },
        interval: "200ms",
        spool: { directory: join(directory, "spool") },
        nodeFiles: false,
        metricsAddress: "none",
      };
      writeFileSync(config, JSON.stringify(value));
      await storedTo(place, 1);
      const answer = JSON.parse(await server.etcdctl("put", "a", "b", "-w", "json"));
      await storedTo(place, answer.header.revision);
      stop.abort();
      await running;
      expect(said).toContain("stopped");
    } finally {
      await server.stop("SIGKILL");
    }
  });

  test("two agents with one spool: the second one waits until the first has ended", async () => {
    const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "two") });
    const place = await makeRepository(join(directory, "two-place"));
    const settings = { endpoints: [server.endpoint], spool: { directory: join(directory, "one-spool") } };
    const first = startAgent(place, settings);
    try {
      await first.logged("full stored");
      const second = startAgent(place, settings);
      try {
        await second.logged("another backup agent of this node is at work");
        expect(await first.stop("SIGKILL")).toBeNull();
        await second.logged("writing");
        const answer = JSON.parse(await server.etcdctl("put", "a", "b", "-w", "json"));
        await storedTo(place, answer.header.revision);
        expect(await second.stop()).toBe(0);
      } finally {
        await second.stop("SIGKILL");
      }
    } finally {
      await first.stop("SIGKILL");
      await server.stop("SIGKILL");
    }
  });
});
