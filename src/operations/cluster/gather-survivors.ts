/**
 * The data directories of several nodes, brought to one place, and the one that is made of them. The system's own `tar`
 * packs and unpacks: it keeps the holes of preallocated logs.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { runRemote } from "../../io/ssh/ssh.ts";
import type { SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type SalvageResult, salvage } from "../etcd/salvage.ts";
import type { NodeTarget, Reach } from "./nodes.ts";

export interface SurvivorData {
  readonly target: NodeTarget;
  readonly name: string;
  readonly peerUrl: string;
  /** Where its copy is, here. */
  readonly directory: string;
}

/** Copies `member` of a node's data directory to a directory below `work`. Returns where. */
export async function gatherData(
  target: NodeTarget,
  dataDir: string,
  reach: Reach,
  work: string,
  signal: AbortSignal,
): Promise<string> {
  const directory = join(work, target.name);
  realFileSystem.makeDirectory(directory, 0o700);
  const tar = spawn("tar", ["--sparse", "-C", directory, "-xf", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  let output = "";
  tar.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-2000);
  });
  const ended = once(tar, "close") as Promise<[number | null]>;
  const command = ["tar", "--sparse", "-C", dataDir, "-cf", "-", "member"];
  try {
    await runRemote(target.address, command, reach.ssh, { input: [], output: tar.stdin, signal });
  } catch (error) {
    tar.kill();
    throw error;
  }
  const [code] = await ended;
  if (code === 0) return directory;
  throw new MendError(
    "io",
    `cannot unpack the data of node "${target.name}": ${output.trim() || `tar ended with ${code}`}`,
    {
      where: directory,
      hint: `check the space on its disk, or name another with ${input("workDir")}`,
    },
  );
}

export interface Chosen {
  /** The survivor whose data is the newest: the node that begins. */
  readonly head: SurvivorData;
  readonly result: SalvageResult;
}

/**
 * Makes one data directory of all, as a member alone, for the node that begins: `head` where an earlier run has chosen
 * it, else the newest.
 */
export async function joinData(
  survivors: readonly SurvivorData[],
  out: string,
  head: string | undefined,
  options: SnapshotOptions,
): Promise<Chosen> {
  const [first] = survivors;
  if (first === undefined)
    throw new MendError("not-found", "no survivor has any data", {
      hint: "restore a backup: kubemend cluster restore",
    });
  const directories = survivors.map(({ directory }) => directory);
  const as = ({ name, peerUrl }: SurvivorData) => ({
    ...options,
    dataDir: out,
    name,
    initialAdvertisePeerUrls: peerUrl,
  });
  const { chosen } = await salvage(directories, { ...as(first), dryRun: true }).catch((error: unknown) => {
    throw ofNodes(error, survivors);
  });
  const newest =
    survivors.find(({ target }) => target.name === head) ??
    survivors.find(({ directory }) => directory === chosen) ??
    first;
  return { head: newest, result: await salvage(directories, as(newest)) };
}

/** What is wrong with a copy here, as what is wrong with the data of its node. */
function ofNodes(error: unknown, survivors: readonly SurvivorData[]): unknown {
  if (!(error instanceof MendError)) return error;
  const named = (text: string): string =>
    survivors.reduce((result, { directory, target }) => result.replaceAll(directory, target.name), text);
  const code = error.code === "usage" ? "plan-refused" : error.code; // the nodes were named right
  return new MendError(code, named(error.message), {
    ...(error.where === undefined ? {} : { where: named(error.where) }),
    hint: `${error.hint === undefined ? "" : `${named(error.hint)}; `}a node joins the others when its own data is left out`,
    cause: error,
  });
}

/** `member` of a data directory as a tar archive. */
export async function* packData(dataDir: string): AsyncGenerator<Uint8Array> {
  const tar = spawn("tar", ["--sparse", "-C", dataDir, "-cf", "-", "member"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(tar, "close") as Promise<[number | null]>;
  yield* tar.stdout as AsyncIterable<Uint8Array>;
  const [code] = await ended;
  if (code !== 0) throw new MendError("io", `tar cannot pack "${dataDir}": it ended with ${code}`, { where: dataDir });
}
