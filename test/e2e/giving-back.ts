/**
 * What tests of giving objects back share: backups of a test bed's etcd, runs of the command line, and keyspaces
 * compared object by object.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { run } from "../../src/cli/run.ts";
import type { JsonObject, JsonValue, KubeObject } from "../../src/kube/object.ts";
import { openSnapshotSide } from "../../src/operations/objects/snapshot-side.ts";
import { saveSnapshot } from "../../src/operations/snapshot/save.ts";
import type { ControlPlane } from "../../testbed/control-plane.ts";
import { waitFor } from "../../testbed/wait.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as a terminal shows them. */
  readonly shown: string;
}

/** A directory for backups and undo files, and the command line in it. */
export class Workplace implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "kubemend-objects-"));
  readonly #plane: ControlPlane;
  readonly #kubeconfig: string;
  #backups = 0;

  /** `kubeconfig`: of the commands, where it is not the administrator's. */
  constructor(plane: ControlPlane, kubeconfig = plane.kubeconfig) {
    this.#plane = plane;
    this.#kubeconfig = kubeconfig;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async backup(): Promise<string> {
    const file = join(this.directory, `backup-${++this.#backups}.db`);
    const { etcd } = this.#plane;
    await saveSnapshot(file, {
      etcd: {
        endpoints: etcd.localEndpoints,
        cacert: etcd.authority.certificatePath,
        cert: etcd.client.certificatePath,
        key: etcd.client.keyPath,
        timeout: 20_000,
      },
    });
    return file;
  }

  /** Runs `kubemend objects …` as the administrator. */
  objects(...words: readonly string[]): Promise<Ran> {
    return this.kubemend("objects", ...words);
  }

  async kubemend(...words: readonly string[]): Promise<Ran> {
    const written = { stdout: "", stderr: "", shown: "" };
    const sink = (name: "stdout" | "stderr") => ({
      isTTY: false,
      columns: undefined,
      write(text: string) {
        written[name] += text;
        written.shown += text;
        return Promise.resolve();
      },
    });
    const code = await run(words, {
      stdout: sink("stdout"),
      stderr: sink("stderr"),
      env: { KUBECONFIG: this.#kubeconfig },
      cwd: this.directory,
      now: Date.now,
      signal: new AbortController().signal,
    });
    return { code, ...written };
  }

  /** Runs the command line as a process of its own, and kills it when its undo file announces that many writes; it may end before. */
  async killed(words: readonly string[], writes: number): Promise<void> {
    const undo = words.find((word) => word.endsWith(".jsonl"))!;
    const main = join(import.meta.dirname, "../../src/cli/main.ts");
    const env = { ...process.env, KUBECONFIG: this.#kubeconfig };
    const child = spawn(process.execPath, [main, "objects", ...words], { cwd: this.directory, env, stdio: "ignore" });
    const ended = once(child, "exit");
    const announced = () => (existsSync(undo) ? readFileSync(undo, "utf8").split('\n{"write":').length - 1 : 0);
    while (child.exitCode === null && announced() < writes) await setTimeout(2);
    child.kill("SIGKILL");
    await ended;
  }

  /** The undo file that was written last. */
  get undoFile(): string {
    const files = readdirSync(this.directory).filter((name) => name.startsWith("kubemend-undo-"));
    return join(this.directory, files.sort().at(-1)!);
  }

  /** What every object in etcd means, by its key. */
  async keyspace(): Promise<Map<string, string>> {
    const file = await this.backup();
    using side = await openSnapshotSide({ file, atRevision: undefined });
    const found = new Map<string, string>();
    for (const path of side.paths.filter((each) => !MOVING.includes(each))) {
      for (const [rest, entry] of await side.open(path)) {
        const read = entry.read();
        if (read?.state !== "object") throw new Error(`${path}/${rest} cannot be read`);
        found.set(`${path}/${rest}`, meaning(read.object));
      }
    }
    return found;
  }

  /** The keyspace once controllers have made of it what they make: it has not changed for two seconds. */
  async settled(): Promise<Map<string, string>> {
    let last = await this.keyspace();
    await waitFor(
      "controllers to have come to rest",
      async () => {
        await setTimeout(2000);
        const before = JSON.stringify([...last]);
        last = await this.keyspace();
        return JSON.stringify([...last]) === before;
      },
      { seconds: 120 },
    );
    return last;
  }

  /** Waits until the keyspace is what it was: controllers take a moment to clean up. */
  async keyspaceIs(expected: ReadonlyMap<string, string>): Promise<void> {
    let different: string[] = [];
    await waitFor(
      "the keyspace to be what it was",
      async () => {
        const now = await this.keyspace();
        different = [...new Set([...expected.keys(), ...now.keys()])]
          .filter((key) => expected.get(key) !== now.get(key))
          .map((key) => `${key}\n  was ${expected.get(key)}\n  is  ${now.get(key)}`);
        return different.length === 0;
      },
      { seconds: 60, everyMilliseconds: 1000, explain: () => different.slice(0, 5).join("\n") },
    );
  }
}

/** What moves by itself. */
const MOVING = ["events", "leases", "masterleases", "peerserverleases", "ranges/serviceips", "ranges/servicenodeports"];

function meaning({ status: _, ...object }: KubeObject): string {
  const metadata: Record<string, JsonValue | undefined> = { ...object.metadata };
  if (metadata.annotations !== undefined) {
    const annotations: Record<string, JsonValue | undefined> = { ...(metadata.annotations as JsonObject) };
    delete annotations["autoscaling.alpha.kubernetes.io/conditions"]; // its controller's status, before autoscaling/v2
    metadata.annotations = Object.keys(annotations).length === 0 ? undefined : annotations;
  }
  for (const name of ["managedFields", "resourceVersion", "generation", "selfLink"]) delete metadata[name];
  return JSON.stringify(sorted({ ...object, metadata } as JsonObject));
}

function sorted(value: JsonValue | undefined): unknown {
  if (Array.isArray(value)) return value.map((each) => sorted(each as JsonValue));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as JsonObject).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}
