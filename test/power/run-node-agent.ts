/**
 * The whole node agent on one of three simulated nodes, on virtual time and a real directory: it makes copies, follows a
 * rotated secret and a new version, takes over when all nodes lose their power, gives way again, and removes what is no
 * longer wanted. Run as a program, so that it can be recorded.
 *
 * `boot`: all nodes start with what is on this one's disk; whoever has a copy that was reported must bring the API back.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placesIn } from "../../src/checkpoint/data-directory.ts";
import { readStoredCheckpoints } from "../../src/io/agent/checkpoint-store.ts";
import { type FileSystem, realFileSystem } from "../../src/io/files/durable/file-system.ts";
import { SimulatedAgent } from "../simulation/agents/agent.ts";
import { CHECKPOINT_ID, ClusterState } from "../simulation/agents/cluster-state.ts";
import { Disk } from "../simulation/agents/disk.ts";
import { SimulatedNode } from "../simulation/agents/node.ts";
import { beginVirtualTime, passUntil, pause, virtualNow } from "../simulation/agents/virtual-time.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const QUIET_MS = 15 * MINUTE;
/** As `Invariants` of the simulation has it. */
const DOWN_AT_MOST_MS = 25 * MINUTE;
const HEALS_WITHIN_MS = 3 * 60 * MINUTE;
const LAST = { version: 2, isSound: true };
const LAST_SECRET = 2;

/** Flushes for real, and takes a little time. */
class RecordedDisk extends Disk {
  override mount(): FileSystem {
    const sync = (path: string): void => {
      const descriptor = openSync(path, "r");
      fsyncSync(descriptor);
      closeSync(descriptor);
    };
    const syncTree = (path: string): void => {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const each = join(path, entry.name);
        if (entry.isDirectory()) syncTree(each);
        else if (entry.isFile()) sync(each);
      }
      sync(path);
    };
    const counted = <T>(run: () => T): T => {
      this.changes++;
      return run();
    };
    return {
      ...realFileSystem,
      makeDirectory: (path, mode) => counted(() => realFileSystem.makeDirectory(path, mode)),
      rename: (from, to) => counted(() => realFileSystem.rename(from, to)),
      link: (from, to) => counted(() => realFileSystem.link(from, to)),
      remove: (path) => counted(() => realFileSystem.remove(path)),
      create: (path, mode) => {
        const file = counted(() => realFileSystem.create(path, mode));
        const flush = async (): Promise<void> => {
          await pause(this.flush);
          fsyncSync(file.descriptor);
        };
        return Object.create(file, { sync: { value: flush } });
      },
      syncTree: async (path) => syncTree(path),
    };
  }
}

class World {
  readonly cluster = new ClusterState();
  readonly agents: SimulatedAgent[] = [];
  readonly #own = mkdtempSync(join(tmpdir(), "kubemend-power-nodes-"));
  readonly #faults: string[] = [];

  constructor(directory: string) {
    for (let i = 0; i < 3; i++) {
      const place = i === 0 ? directory : join(this.#own, `m${i + 1}`);
      const node = new SimulatedNode(this.cluster, i, place, i === 0 ? new RecordedDisk() : new Disk());
      this.cluster.nodes.push(node);
      const broken = (error: unknown): void => void this.#faults.push(String((error as Error).stack ?? error));
      this.agents.push(new SimulatedAgent(this.cluster, node, () => {}, broken));
    }
  }

  get node(): SimulatedNode {
    return this.cluster.nodes[0]!;
  }

  async pass(milliseconds: number, until: () => boolean = () => false): Promise<void> {
    const end = virtualNow() + milliseconds;
    while (virtualNow() < end && !until()) {
      await passUntil(virtualNow() + SECOND);
      this.cluster.control();
      for (const node of this.cluster.nodes) node.tick();
      for (const agent of this.agents) agent.tick();
      if (this.#faults.length > 0) throw new Error(this.#faults.join("\n"));
    }
  }

  losePower(): void {
    for (const node of this.cluster.nodes) {
      node.isUp = false;
      node.loseMemory();
    }
    for (const agent of this.agents) agent.kill();
  }

  boot(): void {
    for (const node of this.cluster.nodes) node.isUp = true;
  }

  /** What speaks against this node being as it was before anything happened, with the newest of everything copied. */
  unsettled(): string | undefined {
    const { cluster, node } = this;
    if (!cluster.serving().includes(node)) return "it serves no API";
    if (readdirSync(join(node.directory, "manifests")).length > 0) return "its checkpoint still runs";
    const [newest] = copiesOf(node.directory);
    if (newest === undefined) return "it has no copy";
    if (newest.secret !== `secret ${cluster.secretVersion}`) return `its copy has ${newest.secret}`;
    return newest.image === `kube-apiserver:v${cluster.template?.version}` ? undefined : `its copy is ${newest.image}`;
  }

  async end(): Promise<void> {
    for (const agent of this.agents) agent.kill();
    await passUntil(virtualNow() + HEALS_WITHIN_MS);
    rmSync(this.#own, { recursive: true });
  }
}

/** The copies that an agent would run from, the newest first, each with what it holds. */
export function copiesOf(directory: string): readonly { readonly secret: string; readonly image: string }[] {
  const stored = readStoredCheckpoints(placesIn(directory)).generations.get(CHECKPOINT_ID) ?? [];
  return stored.map(({ data, manifest }) => ({
    secret: readFileSync(join(data[0]!, "ca.key"), "utf8"),
    image: /kube-apiserver:v\d+/.exec(JSON.stringify(manifest.spec))?.[0] ?? "",
  }));
}

/** A few hours of a node. Something is said as soon as it must hold, whatever happens later. */
async function live(directory: string): Promise<void> {
  beginVirtualTime(1);
  const world = new World(directory);
  const { cluster } = world;
  cluster.begin();
  for (const node of cluster.nodes) node.begin();
  await world.pass(QUIET_MS);
  if (copiesOf(directory).length === 0) throw new Error("no copy was made");
  process.stdout.write("copied\n");
  cluster.secretVersion = LAST_SECRET;
  await world.pass(QUIET_MS);
  cluster.template = LAST;
  await world.pass(QUIET_MS, () => world.unsettled() === undefined && virtualNow() > 3 * QUIET_MS);
  world.losePower();
  await world.pass(MINUTE);
  world.boot();
  await world.pass(HEALS_WITHIN_MS, () => cluster.serving().length > 0);
  await world.pass(HEALS_WITHIN_MS, () => world.unsettled() === undefined);
  const open = world.unsettled();
  if (open !== undefined) throw new Error(open);
  process.stdout.write("healed\n");
  await world.end();
}

/** All nodes boot; this one with the disk as it is, the others with nothing but etcd. Throws what does not come back. */
async function boot(directory: string, mustServe: boolean): Promise<void> {
  beginVirtualTime(2);
  const world = new World(directory);
  const { cluster } = world;
  cluster.secretVersion = LAST_SECRET;
  cluster.template = LAST;
  cluster.begin();
  if (mustServe) {
    await world.pass(DOWN_AT_MOST_MS, () => cluster.serving().length > 0);
    if (cluster.serving().length === 0) throw new Error("no API server came back from the copies");
  } else for (const node of cluster.nodes) node.begin();
  await world.pass(HEALS_WITHIN_MS, () => world.unsettled() === undefined);
  const open = world.unsettled();
  if (open !== undefined) throw new Error(`hours later: ${open}`);
  await world.end();
}

if (process.argv[1] === import.meta.filename) {
  const [what, directory = "", mustServe] = process.argv.slice(2);
  await (what === "boot" ? boot(directory, mustServe === "must-serve") : live(directory));
}
