/**
 * A member of the simulated etcd: a real server on a host of its own on the test bed's bridge, with a small disk of its
 * own. It can be killed, stopped for a while, cut off, slowed down, and its disk can be full or lost.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bed } from "../../../testbed/bed.ts";
import { addHost, addressOf, type HostAddress, setCable } from "../../../testbed/network.ts";

/** Two WAL files of 64 MB, which etcd takes beforehand, and a database. */
const DISK_MB = 176;
const FIRST_NUMBER = 2;
/** A second after SIGSTOP, nothing of a member has been heard for longer than an election takes. */
const SLOW_FSYNC_MICROSECONDS = 150_000;

export type MemberFault = "killed" | "cut off" | "stopped" | "disk full" | "disk slow";

export class Member {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  /** What it suffers from now. */
  readonly faults = new Set<MemberFault>();
  /** Whether it is part of the cluster: a member whose disk was lost is not until it was added again. */
  isPart = true;
  readonly #bed: Bed;
  readonly #host: HostAddress;
  readonly #disk: string;
  #starts = 0;
  #command: readonly string[] = [];

  constructor(bed: Bed, index: number) {
    this.name = `m${index + 1}`;
    this.#bed = bed;
    this.#host = { name: this.name, number: FIRST_NUMBER + index, pods: false };
    this.clientUrl = `http://${addressOf(this.#host.number)}:2379`;
    this.peerUrl = `http://${addressOf(this.#host.number)}:2380`;
    this.#disk = bed.path(this.name);
    this.dataDir = join(this.#disk, "data");
    addHost(bed, this.#host, []);
    mkdirSync(this.#disk, { mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m,mode=0700`, "tmpfs", this.#disk]);
  }

  get isRunning(): boolean {
    return this.#process?.running ?? false;
  }

  get #process() {
    return this.#bed.processes.get(`${this.name}-${this.#starts}`);
  }

  /** `flags` are those of its first start; without any it starts as it did before. */
  start(program: string, flags?: readonly string[]): void {
    if (flags !== undefined) {
      this.#command = [
        program,
        `--name=${this.name}`,
        `--data-dir=${this.dataDir}`,
        `--listen-client-urls=${this.clientUrl}`,
        `--advertise-client-urls=${this.clientUrl}`,
        `--listen-peer-urls=${this.peerUrl}`,
        `--initial-advertise-peer-urls=${this.peerUrl}`,
        ...flags,
      ];
    }
    this.#starts++;
    this.#bed.start(`${this.name}-${this.#starts}`, ["env", "ETCD_UNSUPPORTED_ARCH=arm64", ...this.#command], {
      host: this.name,
    });
    this.faults.delete("killed");
  }

  startAgain(): void {
    const [program = ""] = this.#command;
    this.start(program);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
    await this.#bed.processes.get(`${this.name}-slow`)?.kill();
    this.faults.delete("stopped");
    this.faults.delete("disk slow");
    this.faults.add("killed");
  }

  stop(): void {
    this.#process?.signal("SIGSTOP");
    this.faults.add("stopped");
  }

  goOn(): void {
    this.#process?.signal("SIGCONT");
    this.faults.delete("stopped");
  }

  cutOff(): void {
    setCable(this.#bed, this.#host, false);
    this.faults.add("cut off");
  }

  plugIn(): void {
    setCable(this.#bed, this.#host, true);
    this.faults.delete("cut off");
  }

  fillDisk(): void {
    const { bavail, bsize } = statfsSync(this.#disk);
    try {
      writeFileSync(join(this.#disk, "ballast"), Buffer.alloc(Math.max(0, bavail * bsize - 8192)));
    } catch (error) {
      // etcd has written meanwhile, and it is full all the same.
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
    this.faults.add("disk full");
  }

  freeDisk(): void {
    rmSync(join(this.#disk, "ballast"), { force: true });
    this.faults.delete("disk full");
  }

  /** Each flush takes longer, by a tracer that delays the system call. */
  slowDisk(): void {
    const child = this.#process;
    if (child === undefined || !child.running) return;
    const inject = `inject=fsync,fdatasync:delay_enter=${SLOW_FSYNC_MICROSECONDS}`;
    const trace = [
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=fsync,fdatasync",
      "-e",
      inject,
      "-p",
      String(child.pid),
    ];
    this.#bed.start(`${this.name}-slow`, ["strace", ...trace]);
    this.faults.add("disk slow");
  }

  async quickDisk(): Promise<void> {
    await this.#bed.processes.get(`${this.name}-slow`)?.stop(2);
    this.faults.delete("disk slow");
  }

  /** Everything on it is gone. It must have been killed before. */
  loseDisk(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
    rmSync(join(this.#disk, "ballast"), { force: true });
    this.faults.delete("disk full");
    this.isPart = false;
  }

  get hasData(): boolean {
    return existsSync(join(this.dataDir, "member"));
  }

  /** Ends it and takes everything back, for the next seed. */
  async reset(): Promise<void> {
    await this.kill();
    if (this.faults.has("cut off")) this.plugIn();
    this.loseDisk();
    this.isPart = true;
    this.faults.clear();
  }

  log(lines: number): string {
    return this.#process?.lastLines(lines) ?? "";
  }
}
