/** Continuous backups of a real etcd: everything that was stored comes back as etcd had it, whatever died meanwhile. */
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EtcdServer, program, startEtcd } from "../etcd-server.ts";
import { kubemend } from "../kubemend.ts";
import { findProgram, PROGRAMS_MISSING } from "../programs.ts";
import { type BackupPlace, listed, makeRepository, type RunningAgent, startAgent, storedTo } from "./agent.ts";

const exec = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "kubemend-backup-run-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const KEYS = ["get", "", "--from-key", "-w", "json"] as const;

interface Answer {
  readonly header: { readonly revision: number };
  readonly kvs?: readonly object[];
}

/** What a restored etcd answers for all keys, and for its history. */
async function restored(
  place: BackupPlace,
  moment: string,
  dataDir: string,
): Promise<{ proof: string; answer: Answer; result: { revision: number } }> {
  const outcome = await kubemend(place.directory, [
    ...[
      "backup",
      "restore",
      place.repository,
      moment,
      "--identity",
      place.identity,
      "--data-dir",
      dataDir,
      "-o",
      "json",
    ],
  ]);
  expect(outcome.code, outcome.stderr).toBe(0);
  const result = JSON.parse(outcome.stdout) as { revision: number; moment: { proof: { verdict: string } | null } };
  const server = await startEtcd({ suite: "trixie", dataDir });
  try {
    const answer = JSON.parse(await server.etcdctl(...KEYS)) as Answer;
    return { proof: result.moment.proof?.verdict ?? "none", answer, result };
  } finally {
    await server.stop("SIGKILL");
  }
}

async function revisionOf(server: EtcdServer): Promise<number> {
  return (JSON.parse(await server.etcdctl("get", "x", "-w", "json")) as Answer).header.revision;
}

async function write(server: EtcdServer, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    if (i % 9 === 8) await server.etcdctl("del", `/registry/things/${i % 4}`);
    else await server.etcdctl("put", `/registry/things/${i % 7}`, `value ${i}`);
  }
}

/** Who wrote the newest delta. */
function newestWriter({ repository }: BackupPlace): string {
  const chain = join(repository, "chain");
  for (const name of existsSync(chain) ? readdirSync(chain).sort().reverse() : []) {
    if (name.startsWith(".")) continue;
    const head = readFileSync(join(chain, name), "latin1").split("\n")[0]!;
    if (head.includes('"kind":"delta"')) return /"writer":"([^"]+)"/.exec(head)?.[1] ?? "none";
  }
  return "none";
}

/** Several changes in one revision. */
async function writeTransaction(server: EtcdServer, value: string): Promise<void> {
  const text = `\n\nput /registry/a ${value}\nput /registry/b ${value}\ndel /registry/things/1\n\n\n`;
  const running = exec(program("trixie", "etcdctl"), ["--endpoints", server.endpoint, "txn"]);
  running.child.stdin?.end(text);
  await running;
}

describe.skipIf(findProgram("trixie", "etcd") === undefined)(`backup run (${PROGRAMS_MISSING})`, () => {
  describe("one agent", () => {
    let server: EtcdServer;
    let place: BackupPlace;
    let agent: RunningAgent;
    const history: { revision: number; time: number; answer: Answer }[] = [];

    beforeAll(async () => {
      server = await startEtcd({ suite: "trixie", dataDir: join(directory, "one") });
      place = await makeRepository(join(directory, "place"));
      agent = startAgent(place, { endpoints: [server.endpoint] });
      await agent.logged("full stored");
      const lease = /lease (\w+) granted/.exec(await server.etcdctl("lease", "grant", "600"))![1]!;
      const short = /lease (\w+) granted/.exec(await server.etcdctl("lease", "grant", "600"))![1]!;
      await server.etcdctl("put", `--lease=${lease}`, "/registry/leased", "x");
      await server.etcdctl("put", `--lease=${short}`, "/registry/short", "x");
      for (let round = 0; round < 4; round++) {
        await write(server, round * 12, 12);
        await writeTransaction(server, `${round}`);
        if (round === 1) await server.etcdctl("lease", "revoke", short);
        const answer = JSON.parse(await server.etcdctl(...KEYS)) as Answer;
        history.push({ revision: answer.header.revision, time: Date.now(), answer });
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      await storedTo(place, history.at(-1)!.revision);
    }, 60_000);
    afterAll(async () => {
      await agent.stop();
      await server.stop("SIGKILL");
    });

    test("every round comes back by its revision, leases and transactions included, proved by HashKV", async () => {
      for (const [i, { revision, answer }] of history.entries()) {
        const found = await restored(place, String(revision), join(directory, `by-revision-${i}`));
        expect(found.answer.kvs).toEqual(answer.kvs);
        expect(found.answer.header.revision).toBe(revision);
        if (i > 1) expect(found.proof).toBe("equal");
      }
    }, 60_000);

    test("every round comes back by its time", async () => {
      for (const [i, { time, revision }] of history.entries()) {
        const found = await restored(place, new Date(time + 300).toISOString(), join(directory, `by-time-${i}`));
        expect(found.result.revision).toBe(revision);
      }
    }, 60_000);

    test("random revisions are what etcd answers at that revision", async () => {
      const last = history.at(-1)!.revision;
      for (let i = 0; i < 12; i++) {
        const revision = 2 + Math.floor(((i * 7919) % 104_729) * ((last - 2) / 104_729));
        const file = join(directory, `random-${i}.db`);
        const outcome = await kubemend(place.directory, [
          ...[
            "backup",
            "restore",
            place.repository,
            String(revision),
            "--identity",
            place.identity,
            "--output-file",
            file,
          ],
        ]);
        expect(outcome.code, outcome.stderr).toBe(0);
        const keys = await kubemend(directory, ["snapshot", "keys", file]);
        const expected = await server.etcdctl("get", "", "--from-key", "--keys-only", `--rev=${revision}`);
        expect(keys.stdout.trimEnd().split("\n")).toEqual(expected.split("\n").filter((line) => line !== ""));
      }
    }, 60_000);

    test("a delta that is damaged or missing is named, and moments before it still come back", async () => {
      const list = await listed(place);
      expect(list.spans[0]!.deltas).toBeGreaterThan(3);
      // Not the newest: what is missing at the end leaves no trace. One with changes: a heartbeat is needed by nothing.
      const chain = join(place.repository, "chain");
      const hasChanges = (each: string): boolean =>
        /"kind":"delta".*"events":[1-9]/.test(readFileSync(join(chain, each), "latin1").split("\n")[0]!);
      const links = readdirSync(chain).sort();
      const name = links.filter(hasChanges).at(-2)!;
      // On a slow machine a compaction may have outrun the agent: a full after it makes it superfluous.
      const isFull = (each: string): boolean =>
        /"kind":"full"/.test(readFileSync(join(chain, each), "latin1").slice(0, 4000));
      const isNeeded = !links.slice(links.indexOf(name)).some(isFull);
      const path = join(place.repository, "chain", name);
      renameSync(path, join(directory, "taken"));
      try {
        const verdict = await kubemend(directory, ["backup", "verify", place.repository]);
        expect(verdict.code).toBe(1);
        expect(verdict.stdout).toContain(`chain/${name}: the link is missing [link-missing]`);
        const early = await restored(place, String(history[0]!.revision), join(directory, "early"));
        expect(early.answer.kvs).toEqual(history[0]!.answer.kvs);
        const late = await kubemend(directory, [
          "backup",
          "restore",
          place.repository,
          "--identity",
          place.identity,
          "--data-dir",
          join(directory, "late"),
        ]);
        expect(late.code).toBe(isNeeded ? 1 : 0);
      } finally {
        renameSync(join(directory, "taken"), path);
      }
    }, 60_000);

    test("SIGTERM stores what was seen, and the next run continues without a new full", async () => {
      await write(server, 100, 5);
      const before = await revisionOf(server);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await agent.stop("SIGTERM")).toBe(0);
      expect((await listed(place)).spans[0]!.toRevision).toBe(before);
      await write(server, 200, 5);
      agent = startAgent(place, { endpoints: [server.endpoint] });
      await storedTo(place, await revisionOf(server));
      const list = await listed(place);
      expect(list).toMatchObject({ gaps: [], spans: [{ fulls: [{}] }] });
    }, 60_000);

    test("kill -9, and etcd killed under it: nothing that was stored is lost, and it continues", async () => {
      await agent.stop("SIGKILL");
      await write(server, 300, 8);
      agent = startAgent(place, { endpoints: [server.endpoint] });
      await storedTo(place, await revisionOf(server));
      const { peer, endpoint } = server;
      await server.stop("SIGKILL");
      await agent.logged("etcd does not answer");
      const ports = [endpoint, peer].map((url) => Number(new URL(url).port)) as [number, number];
      server = await startEtcd({ suite: "trixie", dataDir: join(directory, "one"), ports });
      await write(server, 400, 8);
      const answer = JSON.parse(await server.etcdctl(...KEYS)) as Answer;
      await storedTo(place, answer.header.revision);
      const found = await restored(place, "latest", join(directory, "after-kill"));
      expect(found.answer.kvs).toEqual(answer.kvs);
      expect(
        (await kubemend(directory, ["backup", "verify", place.repository, "--identity", place.identity])).code,
      ).toBe(0);
    }, 60_000);

    test("a store that is away: changes wait on disk, and are stored when it is back", async () => {
      const away = `${place.repository}-away`;
      renameSync(place.repository, away);
      writeFileSync(place.repository, "in the way");
      await write(server, 500, 6);
      await agent.logged("the store takes nothing");
      await server.etcdctl("compact", String(await revisionOf(server)));
      await new Promise((resolve) => setTimeout(resolve, 700));
      rmSync(place.repository);
      renameSync(away, place.repository);
      await storedTo(place, await revisionOf(server));
      expect(await listed(place)).toMatchObject({ gaps: [], spans: [{ fulls: [{}] }] });
    }, 60_000);

    test("a compaction while no agent ran: a new full, and the gap is shown", async () => {
      await agent.stop("SIGKILL");
      await write(server, 600, 10);
      const compacted = await revisionOf(server);
      await write(server, 700, 3);
      await server.etcdctl("compact", String(compacted));
      agent = startAgent(place, { endpoints: [server.endpoint] });
      await agent.logged("a full is needed: etcd compacted revision");
      await storedTo(place, await revisionOf(server));
      const list = await listed(place);
      expect(list.gaps).toHaveLength(1);
      expect(list.gaps[0]!.toRevision).toBe(compacted - 1);
      const inside = await kubemend(directory, [
        "backup",
        "restore",
        place.repository,
        String(compacted - 3),
        "--identity",
        place.identity,
      ]);
      expect(inside.stderr).toContain("cannot restore revision");
    }, 60_000);

    test("a cluster that was restored begins a new history, and both can be restored", async () => {
      const before = await revisionOf(server);
      await storedTo(place, before);
      const { peer, endpoint } = server;
      const dataDir = join(directory, "went-back");
      await kubemend(place.directory, [
        ...[
          "backup",
          "restore",
          place.repository,
          String(before - 1),
          "--identity",
          place.identity,
          "--data-dir",
          dataDir,
        ],
        ...["--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
      ]);
      await server.stop("SIGKILL");
      const ports = [endpoint, peer].map((url) => Number(new URL(url).port)) as [number, number];
      server = await startEtcd({ suite: "trixie", dataDir, ports });
      await write(server, 800, 6);
      await agent.logged("full is needed");
      const deadline = Date.now() + 20_000;
      while ((await listed(place)).spans.at(-1)!.history !== 2 && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 200));
      await storedTo(place, await revisionOf(server));
      const answer = JSON.parse(await server.etcdctl(...KEYS)) as Answer;
      const found = await restored(place, "latest", join(directory, "new-history"));
      expect(found.answer.kvs).toEqual(answer.kvs);
    }, 60_000);
  });

  test("three agents: one writes, and when it is killed another one takes over in seconds, without a gap", async () => {
    const server = await startEtcd({ suite: "trixie", dataDir: join(directory, "three") });
    const place = await makeRepository(join(directory, "three-place"));
    mkdirSync(join(directory, "files/pki"), { recursive: true });
    writeFileSync(join(directory, "files/pki/ca.key"), "secret", { mode: 0o600 });
    const names = ["node-1", "node-2", "node-3"];
    const agents = names.map((name) =>
      startAgent(place, { name, endpoints: [server.endpoint], nodeFiles: [join(directory, "files")] }),
    );
    let writing = true;
    let i = 0;
    const writes = (async () => {
      while (writing) await write(server, i++, 1);
    })();
    try {
      const writer = (): string => newestWriter(place);
      const deadline = Date.now() + 20_000;
      while (writer() === "none" && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
      const first = writer();
      expect(names).toContain(first);
      await agents[names.indexOf(first)]!.stop("SIGKILL");
      const until = Date.now() + 25_000;
      while (writer() === first && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
      expect(writer()).not.toBe(first);
      writing = false;
      await writes;
      const answer = JSON.parse(await server.etcdctl(...KEYS)) as Answer;
      await storedTo(place, answer.header.revision);
      expect(await listed(place)).toMatchObject({ gaps: [], nodes: names.map((node) => ({ node, files: 1 })) });
      const found = await restored(place, "latest", join(directory, "three-restored"));
      expect(found.answer.kvs).toEqual(answer.kvs);
      expect(
        (await kubemend(directory, ["backup", "verify", place.repository, "--identity", place.identity])).stdout,
      ).toContain("no findings");
    } finally {
      writing = false;
      await writes;
      await Promise.all(agents.map((agent) => agent.stop("SIGKILL")));
      await server.stop("SIGKILL");
    }
  }, 90_000);
});
