/** A node's directories as `node clean` finds them, made small, and what is in them before and after. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSystem } from "../src/io/files/durable/file-system.ts";
import { type CleanOptions, type CleanResult, prepareClean } from "../src/operations/clean/clean.ts";
import { prepareUndo, type UndoResult } from "../src/operations/clean/undo-clean.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

const SHA256_SIZE = 32;
/** Another file system than that of the temporary directory, where there is one. */
const OTHER_DISK = "/dev/shm";

export const hasOtherDisk = (() => {
  try {
    return lstatSync(OTHER_DISK).dev !== lstatSync(tmpdir()).dev;
  } catch {
    return false;
  }
})();

export class CleanWorld {
  /** In memory where it can be: what is flushed at every step takes no time there. */
  readonly root: string;
  readonly keep: string;
  readonly reported: string[] = [];

  /** One that is there. */
  static at(root: string): CleanWorld {
    return new CleanWorld(false, root, true);
  }

  constructor(otherDisk = false, root?: string, isThere = false) {
    this.root = root ?? mkdtempSync(join(hasOtherDisk ? OTHER_DISK : tmpdir(), "kubemend-clean-"));
    this.keep = otherDisk ? mkdtempSync(join(tmpdir(), "kubemend-clean-")) : join(this.root, "keep");
    if (isThere) return;
    for (const directory of ["manifests", "kubelet/pods", "log", "etcd/member/snap", "etcd/member/wal", "elsewhere"]) {
      mkdirSync(this.path(directory), { recursive: true });
    }
    this.write("elsewhere/secret", "not to be touched");
    this.write("manifests/kube-apiserver.yaml", "kind: Pod\n");
    this.write("manifests/etcd.yaml", "kind: Pod\nspec: {}\n");
    this.write("kubelet/pods/u1/etc-hosts", "127.0.0.1 localhost\n");
    this.write("kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data/big", "x".repeat(100_000));
    linkSync(this.path("kubelet/pods/u1/etc-hosts"), this.path("kubelet/pods/u1/same"));
    symlinkSync(this.path("elsewhere"), this.path("kubelet/pods/u1/leads-out"));
    symlinkSync("nowhere", this.path("kubelet/pods/u1/broken"));
    this.write("kubelet/pods/u2/plugins/x", "");
    chmodSync(this.path("kubelet/pods/u2"), 0o750);
    this.write("log/web_default_web-1.log", "2026-11-21T11:00:00Z stdout F hello\n");
    symlinkSync(this.path("elsewhere/secret"), this.path("log/leads-out.log"));
    symlinkSync("/var/log/pods/gone", this.path("log/gone.log"));
    const snapshot = madeSnapshot(
      clusterEntries([{ apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } }]),
    );
    writeFileSync(this.path("etcd/member/snap/db"), snapshot.subarray(0, snapshot.length - SHA256_SIZE), {
      mode: 0o600,
    });
    this.write("etcd/member/wal/0000000000000000-0000000000000000.wal", "w".repeat(10_000));
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.path(path), ".."), { recursive: true });
    writeFileSync(this.path(path), text);
  }

  /** Everything on the node, what was kept aside. */
  contents(): Record<string, string> {
    return treeOf(this.root, [this.keep]);
  }

  /** Everything that was kept aside, by whatever runs. */
  everythingKept(): Record<string, string> {
    return existsSync(this.keep) ? treeOf(this.keep, []) : {};
  }

  /** Everything in the one directory of a clean. */
  cleaned(): Record<string, string> {
    const names = readdirSync(this.keep).filter((name) => name.startsWith("cleaned-"));
    if (names.length !== 1) throw new Error(`expected one clean, found ${names.join(", ") || "none"}`);
    return treeOf(join(this.keep, names[0]!), []);
  }

  options(more: Partial<CleanOptions> = {}): CleanOptions {
    return {
      time: Date.UTC(2026, 10, 21, 12, 3, 5),
      keep: this.keep,
      manifests: this.path("manifests"),
      kubeletDirectory: this.path("kubelet"),
      etcd: [this.path("etcd")],
      logs: this.path("log"),
      skipContainers: true,
      purge: false,
      startKubelet: false,
      allowDamagedEtcd: false,
      graceSeconds: 1,
      signal: new AbortController().signal,
      report: (text) => void this.reported.push(text),
      progress: () => {},
      ...more,
    };
  }

  async clean(fileSystem?: FileSystem, more: Partial<CleanOptions> = {}): Promise<CleanResult> {
    const prepared = await prepareClean(this.options({ ...more, ...(fileSystem === undefined ? {} : { fileSystem }) }));
    // This machine's own kubelet, if it has one, is not a test's to stop.
    if (prepared.plan.steps.some(({ step }) => step === "stop-kubelet")) throw new Error("a kubelet runs here");
    return prepared.run();
  }

  async undo(fileSystem?: FileSystem): Promise<UndoResult> {
    const prepared = await prepareUndo(this.options(fileSystem === undefined ? {} : { fileSystem }));
    if (prepared.kubelet !== undefined) throw new Error("a kubelet runs here");
    return prepared.run();
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
    rmSync(this.keep, { recursive: true, force: true });
  }
}

/** Path to kind, mode and content. */
function treeOf(root: string, without: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const relative = join(path, name);
      const full = join(root, relative);
      if (without.includes(full)) continue;
      const stat = lstatSync(full);
      const mode = (stat.mode & 0o777).toString(8);
      if (stat.isSymbolicLink()) found[relative] = `-> ${readlinkSync(full)}`;
      else if (stat.isDirectory()) {
        found[relative] = `${mode} /`;
        visit(relative);
      } else found[relative] = `${mode} ${readFileSync(full, "latin1")}`;
    }
  };
  visit("");
  return found;
}
