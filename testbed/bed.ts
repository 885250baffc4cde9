/**
 * A bed: everything that one test cluster puts on this machine, under one id. It owns a directory, a network namespace with a bridge and no
 * way out, and every process, mount, namespace and cgroup whose name or environment carries its id. That is also how a leftover
 * of a run that was killed is found: nothing has to be written down at the right moment.
 */
import { randomInt } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Forwarder } from "./forwarder.ts";
import { removeAll } from "./leftovers.ts";
import { addBridge, type HostAddress } from "./network.ts";
import {
  type BedProcess,
  isSameProcess,
  marked,
  type ProcessIdentity,
  parentOf,
  processIdentity,
  type RunOptions,
  type RunResult,
  run,
  runForResult,
  startProcess,
} from "./processes.ts";

/** Where beds live: a real disk, because containers' overlays cannot lie on another overlay. */
export const BEDS_DIRECTORY = process.env.KUBEMEND_TESTBED_DIR ?? "/var/lib/kubemend-testbed";

/** The last number of the first node's address. */
export const FIRST_NODE_NUMBER = 11;

interface BedRecord {
  readonly id: string;
  /** The process that tears it down, or null for a bed that stays until `down`. */
  readonly owner: ProcessIdentity | null;
}

export interface BedOptions {
  /** A bed that outlives this process: `npm run testbed -- up`. */
  readonly keep?: boolean;
}

export class Bed {
  readonly id: string;
  readonly directory: string;
  readonly processes = new Map<string, BedProcess>();
  /** Carries connections from this machine's loopback into the bed. */
  readonly forwarder: Forwarder;
  /** The machines on its bridge that run pods. */
  readonly hosts: HostAddress[] = [];
  readonly #starts = new Map<string, () => BedProcess>();
  #gone = false;

  constructor(id: string) {
    this.id = id;
    this.directory = join(BEDS_DIRECTORY, id);
    this.forwarder = new Forwarder(this);
  }

  /** The network namespace of the bridge, or of a host on it. */
  namespace(host?: string): string {
    return host === undefined ? this.id : `${this.id}-${host}`;
  }

  /** Reserves a name and an address for a node. */
  takeHost(name: string, pods: boolean): HostAddress {
    if (!/^[a-z][a-z0-9-]{0,14}$/.test(name))
      throw new Error(`"${name}" is no name for a node: use up to 15 of a-z, 0-9 and "-"`);
    if (this.hosts.some((host) => host.name === name)) throw new Error(`there is a node "${name}" already`);
    const host = { name, number: FIRST_NODE_NUMBER + this.hosts.length, pods };
    this.hosts.push(host);
    return host;
  }

  /** Gives a name and an address back: the next node has the last one's address. The node must have been killed. */
  releaseLastHost(): void {
    this.hosts.pop();
  }

  /** A path in the bed's directory. */
  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  /** Starts a long-running program in a network namespace of the bed; its output goes to `logs/NAME.log`. */
  start(
    name: string,
    command: readonly string[],
    options: { readonly host?: string; readonly restart?: boolean } = {},
  ): BedProcess {
    const enter = ["nsenter", `--net=/run/netns/${this.namespace(options.host)}`, "--"];
    return this.startIn(name, enter, command, options.restart === true);
  }

  /** As {@link start}, with another way into the namespaces. */
  startIn(name: string, enter: readonly string[], command: readonly string[], restart: boolean): BedProcess {
    this.#starts.set(name, () => this.startIn(name, enter, command, restart));
    const child = startProcess({ name, bed: this.id, enter, command, restart, log: this.path("logs", `${name}.log`) });
    this.processes.set(name, child);
    return child;
  }

  /** Starts a program that has ended once more, as it was started. */
  startAgain(name: string): BedProcess {
    const start = this.#starts.get(name);
    if (start === undefined) throw new Error(`nothing called "${name}" was ever started`);
    return start();
  }

  /** Runs a program to its end in a network namespace of the bed and returns what it printed. */
  run(command: readonly string[], options: RunOptions & { readonly host?: string } = {}): Promise<string> {
    return run(
      ["nsenter", `--net=/run/netns/${this.namespace(options.host)}`, "--", ...command],
      marked(this.id, options),
    );
  }

  /** As {@link run}, and returns how it came out. */
  runForResult(command: readonly string[], options: RunOptions & { readonly host?: string } = {}): Promise<RunResult> {
    return runForResult(
      ["nsenter", `--net=/run/netns/${this.namespace(options.host)}`, "--", ...command],
      marked(this.id, options),
    );
  }

  /** Ends every process and removes every trace. Can be called again. Synchronous, so that it also works while the process exits. */
  remove(): void {
    if (this.#gone) return;
    this.#gone = true;
    removeAll(this.id, this.directory);
    open.delete(this);
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}

const open = new Set<Bed>();
let watching = false;

/** Makes an empty bed: its directory and its bridge. First removes what runs that are gone have left behind. */
export function createBed(options: BedOptions = {}): Bed {
  removeLeftovers();
  watchForTheEnd();
  const bed = new Bed(
    `km${randomInt(36 ** 5)
      .toString(36)
      .padStart(5, "0")}`,
  );
  if (options.keep !== true) open.add(bed);
  try {
    const record: BedRecord = { id: bed.id, owner: options.keep === true ? null : processIdentity(process.pid) };
    const draft = join(BEDS_DIRECTORY, `.${bed.id}`); // a bed's directory never exists without its record
    mkdirSync(join(draft, "logs"), { recursive: true, mode: 0o700 });
    writeFileSync(join(draft, "bed.json"), JSON.stringify(record));
    renameSync(draft, bed.directory);
    addBridge(bed);
    return bed;
  } catch (error) {
    bed.remove();
    throw error;
  }
}

/** The ids of the beds on this machine, with the process that owns each. */
export function listBeds(): BedRecord[] {
  let names: string[];
  try {
    names = readdirSync(BEDS_DIRECTORY);
  } catch {
    return []; // no bed was ever made here
  }
  return names
    .filter((name) => /^km[0-9a-z]{5}$/.test(name))
    .flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(BEDS_DIRECTORY, name, "bed.json"), "utf8")) as BedRecord];
      } catch {
        return [{ id: name, owner: { pid: 0, startTime: "" } }]; // half removed: its owner is gone
      }
    });
}

/** Removes the beds whose owner is gone. Returns their ids. */
export function removeLeftovers(): string[] {
  const left = listBeds().filter(({ owner }) => owner !== null && !isSameProcess(owner));
  for (const { id } of left) removeAll(id, join(BEDS_DIRECTORY, id));
  return left.map(({ id }) => id);
}

/**
 * Removes the beds of this process and of those that it has started, such as the workers of a run of tests: these end
 * first. Synchronous, for a process that is about to end itself. Returns the ids.
 */
export function removeBedsOfRun(): string[] {
  const own = listBeds().flatMap(({ id, owner }) => (owner !== null && isOfRun(owner) ? [{ id, owner }] : []));
  for (const { owner } of own)
    if (owner.pid !== process.pid && isSameProcess(owner)) process.kill(owner.pid, "SIGKILL");
  for (const { id } of own) removeAll(id, join(BEDS_DIRECTORY, id));
  return own.map(({ id }) => id);
}

function isOfRun(owner: ProcessIdentity): boolean {
  if (!isSameProcess(owner)) return true; // it has ended already, as the watchdog of a test runner sees to
  for (let pid = owner.pid; pid > 1; pid = parentOf(pid)) if (pid === process.pid) return true;
  return false;
}

/** Removes a bed by its id, whoever owns it. */
export function removeBed(id: string): void {
  removeAll(id, join(BEDS_DIRECTORY, id));
}

/** On the way out, whichever way but SIGKILL, the open beds are removed. */
function watchForTheEnd(): void {
  if (watching) return;
  watching = true;
  const removeOpen = () => {
    for (const bed of open) bed.remove();
  };
  process.on("exit", removeOpen);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      removeOpen();
      process.exit(code);
    });
  }
}

/** Forgets a bed's files that a host had, such as its disk. */
export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
