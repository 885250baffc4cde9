/** One seed's cluster: three members, the clients that write to it, and the directory in which commands are run. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bed } from "../../../testbed/bed.ts";
import { program } from "../../etcd-server.ts";
import { kubemend, type Outcome } from "../../kubemend.ts";
import type { Suite } from "../../programs.ts";
import { Chance } from "../chance.ts";
import { Ledger } from "./acknowledged.ts";
import { hashOf, put, readAll, serves } from "./gateway.ts";
import type { Member } from "./member.ts";
import { Writer } from "./writer.ts";

const SERVES_WITHIN_MS = 60_000;
/** On a busy machine a member that serves may answer one of them too late. */
const WRITES_IN_THE_END = 3;
const HASHES_AGREE_WITHIN_MS = 15_000;
/** Longer than any command may take with the limits that it is given. */
const COMMAND_ENDS_WITHIN_MS = 60_000;

export interface SavedSnapshot {
  readonly file: string;
  readonly revision: number;
}

export class World {
  readonly seed: number;
  readonly suite: Suite;
  readonly chance: Chance;
  readonly members: readonly Member[];
  readonly ledger = new Ledger();
  readonly directory: string;
  readonly bed: Bed;
  /** What the seed has done, a line each. */
  readonly story: string[] = [];
  /** What was found to be wrong. */
  readonly faults: string[] = [];
  readonly counts = { commands: 0, "commands done": 0, "commands killed": 0, faults: 0, "acknowledged writes": 0 };
  saved: SavedSnapshot[] = [];
  #writers: Writer[] = [];
  #began = Date.now();
  #names = 0;

  constructor(bed: Bed, seed: number, suite: Suite, members: readonly Member[]) {
    this.bed = bed;
    this.seed = seed;
    this.suite = suite;
    this.chance = new Chance(seed);
    this.members = members;
    this.directory = bed.path("work");
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
  }

  get etcd(): string {
    return program(this.suite, "etcd");
  }

  get endpoints(): string {
    return this.members.map(({ clientUrl }) => clientUrl).join(",");
  }

  /** A path that nothing is at yet. */
  newPath(name: string): string {
    return join(this.directory, `${++this.#names}-${name}`);
  }

  say(line: string): void {
    this.story.push(`${String(Date.now() - this.#began).padStart(6)} ms  ${line}`);
  }

  wrong(line: string): void {
    this.say(`WRONG: ${line}`);
    this.faults.push(line);
  }

  /** Members that nothing is wrong with, as far as the schedule knows. */
  get sound(): Member[] {
    return this.members.filter((member) => member.isPart && member.isRunning && member.faults.size === 0);
  }

  get hasQuorum(): boolean {
    return this.sound.length >= 2;
  }

  async begin(): Promise<void> {
    const cluster = this.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    for (const member of this.members) {
      member.start(this.etcd, [`--initial-cluster=${cluster}`, "--initial-cluster-state=new"]);
    }
    if (!(await this.untilItServes())) throw new Error("the cluster of this seed does not come up");
    this.write();
  }

  write(): void {
    const urls = this.members.map(({ clientUrl }) => clientUrl);
    const round = this.#names;
    this.#writers = [0, 1].map((i) => new Writer(this.ledger, urls, this.seed * 2 + i, `w${i}-${round}`));
    for (const writer of this.#writers) writer.start();
  }

  async stopWriting(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    this.#writers = [];
  }

  /** Until all members that are part of the cluster answer reads of the quorum. False, and a fault, where they do not. */
  async untilItServes(): Promise<boolean> {
    const deadline = Date.now() + SERVES_WITHIN_MS;
    const parts = this.members.filter(({ isPart }) => isPart);
    for (;;) {
      // One that ended by itself, such as of a disk that was full a moment ago, is started again, as kubelets do.
      for (const member of parts) if (!member.isRunning && !member.faults.has("killed")) member.startAgain();
      const served = await Promise.all(parts.map(({ clientUrl }) => serves(clientUrl)));
      if (served.every(Boolean)) return true;
      if (Date.now() > deadline) {
        const silent = parts.filter((_, i) => served[i] !== true);
        const logs = silent.map((member) => `${member.name}:\n${member.log(6)}`).join("\n");
        const seconds = SERVES_WITHIN_MS / 1000;
        this.wrong(
          `the cluster does not serve ${seconds} s after everything was healed: ${silent.length} silent\n${logs}`,
        );
        return false;
      }
      await sleep(100);
    }
  }

  /** Runs a command as a user does, on a clock that is wrong by so many milliseconds. */
  async kubemend(argv: readonly string[], clockShift = 0): Promise<Outcome> {
    this.counts.commands++;
    const running = kubemend(this.directory, argv, {}, { now: () => Date.now() + clockShift });
    const late = sleep(COMMAND_ENDS_WITHIN_MS, "late" as const, { ref: false });
    const outcome = await Promise.race([running, late]);
    if (outcome === "late") {
      this.wrong(`"kubemend ${argv.join(" ")}" does not end within ${COMMAND_ENDS_WITHIN_MS / 1000} s`);
      return { code: -1, stdout: "", stderr: "" };
    }
    const { code, stderr } = outcome;
    this.say(`kubemend ${argv.slice(0, 3).join(" ")}: exit code ${code} ${firstError(stderr)}`);
    if (code === 0) this.counts["commands done"]++;
    if (![0, 1, 3].includes(code)) this.wrong(`"kubemend ${argv.join(" ")}" ends with ${code}: ${stderr.trim()}`);
    if (/internal error|"internal"/.test(stderr)) this.wrong(`"kubemend ${argv.join(" ")}": ${stderr.trim()}`);
    return outcome;
  }

  /** Compares what the cluster serves with what it has acknowledged, at each member. */
  async checkKeyspace(what: string): Promise<void> {
    const url = this.members.find(({ isPart }) => isPart)?.clientUrl ?? "";
    const { revision, kvs } = await readAll(url);
    const found = new Map(kvs.map(({ key, value }) => [key, value]));
    const faults = this.ledger.compare(found, revision);
    for (const fault of faults.slice(0, 3)) this.wrong(`${what}: ${fault}`);
    if (faults.length > 3) this.wrong(`${what}: ${faults.length - 3} more`);
    await this.#checkHashes(revision, what);
    this.say(`${what}: ${this.ledger.size} acknowledged writes are there, up to revision ${revision}`);
  }

  /** A compaction reaches the members one after the other: they are asked again until they agree, or for long enough. */
  async #checkHashes(revision: number, what: string): Promise<void> {
    const parts = this.members.filter(({ isPart }) => isPart);
    for (const deadline = Date.now() + HASHES_AGREE_WITHIN_MS; ; await sleep(250)) {
      const hashes = await Promise.all(parts.map(({ clientUrl }) => hashOf(clientUrl, revision))).catch(() => []);
      const of = new Set(hashes.map(({ hash, compact_revision }) => `${compact_revision} ${hash}`));
      if (of.size === 1) return;
      if (Date.now() < deadline) continue;
      this.wrong(`${what}: the members' hashes at revision ${revision} differ: ${[...of].join(", ")}`);
      return;
    }
  }

  /** That the cluster takes writes, and that all members have them. */
  async checkServes(): Promise<void> {
    for (const { name, clientUrl } of this.members.filter(({ isPart }) => isPart)) {
      let fault: Error | undefined;
      for (let tries = 0; tries < WRITES_IN_THE_END; tries++) {
        fault = await this.#write(name, clientUrl);
        if (fault === undefined) break;
      }
      if (fault !== undefined) this.wrong(`${name} takes no write in the end: ${fault.message}`);
    }
  }

  /** Of a write without an answer nobody knows what became. */
  async #write(name: string, clientUrl: string): Promise<Error | undefined> {
    const value = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name } });
    const key = `/registry/configmaps/default/last-${name}-${this.#names++}`;
    try {
      this.ledger.acknowledge({ key, value, revision: await put(clientUrl, key, value) });
      return undefined;
    } catch (error) {
      this.ledger.unknown(key, value);
      return error as Error;
    }
  }

  /** etcdutl's own word on a snapshot file. */
  snapshotStatus(file: string): { readonly revision: number; readonly totalKey: number } {
    const text = execFileSync(program("trixie", "etcdutl"), ["snapshot", "status", file, "-w", "json"], {
      encoding: "utf8",
    });
    return JSON.parse(text) as { readonly revision: number; readonly totalKey: number };
  }
}

export function firstError(stderr: string): string {
  return /^error: .*$/m.exec(stderr)?.[0] ?? "";
}
