/** Stops this node's control plane: its static pods are taken from the kubelet's directory and kept, and their containers end. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EndWatch } from "../../../cluster/end-watch.ts";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { MendError } from "../../../errors/errors.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { names } from "../../../io/files/quiet-reads.ts";
import { componentManifests, componentOfManifest, componentProcesses } from "../../../io/node/local-components.ts";
import { openStaticPods } from "./end-static-pods.ts";
import { operationDirectory, writeJournal } from "./journal.ts";

/** The kubelet looks every 20 s, and gives containers 30 s to end. */
const STOP_MS = 150_000;
const POLL_MS = 200;
/** A kubelet that watches its directory begins to end a pod at once. */
const KUBELET_MS = 1500;
/** What {@link writeManifest} writes first. */
const DRAFT = /^\..*\.kubemend$/;

export interface StopOptions {
  /** The kubelet's directory. */
  readonly staticPods: string;
  /** Manifests by file name, for those that the node does not have. */
  readonly spare: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly report: (text: string) => void;
}

export async function stopComponents(journal: NodeJournal, options: StopOptions): Promise<NodeJournal> {
  const { staticPods } = options;
  const kept = join(operationDirectory(journal.id), "manifests");
  realFileSystem.makeDirectory(kept, 0o700);
  const there = componentManifests(staticPods).map(({ path }) => path);
  const spare = missingFrom(staticPods, options.spare);
  for (const path of there) await keepCopy(path, join(kept, basename(path)));
  const original = names(kept).filter((name) => !spare.includes(name) && !/^\.|\.draft$/.test(name));
  for (const name of spare)
    if (!names(kept).includes(name)) await keepWhole(join(kept, name), options.spare[name] ?? "");
  realFileSystem.syncDirectory(kept);
  const manifests = { from: staticPods, kept, names: original.sort(), spare };
  const noted = await writeJournal({ ...journal, manifests: journal.manifests ?? manifests });
  await removeManifests(staticPods, options);
  return writeJournal({ ...noted, state: "stopped" });
}

/**
 * The file names of those manifests whose components the directory does not have, under whatever name: two manifests of
 * one component would be two of it.
 */
export function missingFrom(staticPods: string, spare: Readonly<Record<string, string>>): string[] {
  const there = componentManifests(staticPods);
  return Object.entries(spare).flatMap(([file, text]) => {
    const component = componentOfManifest(text);
    const isThere = there.some(({ name, path }) => basename(path) === file || name === component);
    return isThere ? [] : [file];
  });
}

/** Takes the components' manifests away, of which copies are kept, and waits until nothing of them runs. */
export async function removeManifests(
  staticPods: string,
  options: Pick<StopOptions, "signal" | "report">,
): Promise<void> {
  const there = componentManifests(staticPods);
  for (const { path } of there) realFileSystem.remove(path);
  // Of a run that was killed while it wrote one: the kubelet passes over them, and nobody else would take them away.
  for (const name of names(staticPods)) if (DRAFT.test(name)) realFileSystem.remove(join(staticPods, name));
  if (there.length > 0) realFileSystem.syncDirectory(staticPods);
  await waitForEnd(staticPods, options);
}

/** Puts manifests back, so that the kubelet starts them. `which` chooses by what the pod is, and by its file's name. */
export async function startComponents(
  { manifests }: Pick<NodeJournal, "manifests">,
  which: (component: string, file: string) => boolean,
): Promise<readonly string[]> {
  if (manifests === null) return [];
  const chosen = componentManifests(manifests.kept).filter(({ name, path }) => which(name, basename(path)));
  for (const { path } of chosen) {
    const target = join(manifests.from, basename(path));
    if (!isSame(path, target)) await writeManifest(target, readFileSync(path, "utf8"));
  }
  return chosen.map(({ name }) => name);
}

/** The kubelet passes over names that begin with a dot, and sees the manifest whole. */
export async function writeManifest(path: string, text: string): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.kubemend`);
  realFileSystem.remove(draft);
  await keepText(draft, text);
  realFileSystem.rename(draft, path);
  realFileSystem.syncDirectory(dirname(path));
}

/** Until no process is left, and the kubelet starts none again. */
async function waitForEnd(
  staticPods: string,
  { signal, report }: Pick<StopOptions, "signal" | "report">,
): Promise<void> {
  const pods = await openStaticPods(staticPods, report, signal);
  const began = performance.now();
  const watch = new EndWatch(began);
  try {
    for (let last = ""; ; ) {
      const running = [...new Set(componentProcesses().map(({ name }) => name))].sort().join(", ");
      const elapsed = performance.now() - began;
      // The kubelet has seen it by now; one that looks every 20 s has not, and what it starts again is ended again.
      const isToEnd = running === "" || elapsed > KUBELET_MS;
      const held = (isToEnd ? await pods?.end() : undefined) ?? [];
      const next = watch.next(running !== "", held.length > 0, performance.now());
      if (next === "over") break;
      if (next === "stop held") await pods?.stop();
      const text =
        running === ""
          ? `waiting for the kubelet to let go of ${held.join(", ") || "its pods"}`
          : `waiting for ${running} to end`;
      if (text !== last) report(text);
      last = text;
      if (elapsed > STOP_MS) {
        throw new MendError("timeout", `${running} did not end within ${STOP_MS / 1000} s`, {
          hint: "see whether the kubelet runs, and what starts them if not the kubelet; then run the same command again",
        });
      }
      await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
    }
    await pods?.removeEnded();
  } finally {
    pods?.close();
  }
}

/** The first copy is the one that counts: a run that was cut off may have left less to copy. */
async function keepCopy(from: string, to: string): Promise<void> {
  if (!isSame(from, to)) await keepWhole(to, readFileSync(from, "utf8"));
}

async function keepWhole(to: string, text: string): Promise<void> {
  const draft = `${to}.draft`;
  realFileSystem.remove(draft);
  await keepText(draft, text);
  realFileSystem.rename(draft, to);
}

async function keepText(path: string, text: string): Promise<void> {
  const file = realFileSystem.create(path, 0o600);
  try {
    file.write(new TextEncoder().encode(text), 0);
    await file.sync();
  } finally {
    file.close();
  }
}

function isSame(a: string, b: string): boolean {
  try {
    return readFileSync(a).equals(readFileSync(b));
  } catch {
    return false; // one of them is not there
  }
}
