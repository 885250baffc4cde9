/**
 * The Kubernetes programs that a bed runs: a directory of them, or one multi-call binary (`hyperkube`), or else the official release,
 * downloaded once. All end up as a directory where each program has its own name.
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, chmod, copyFile, mkdir, mkdtemp, rename, rm, stat, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "./processes.ts";

/** Names a directory of binaries, or a multi-call binary, plain or compressed with xz. */
export const KUBERNETES_VARIABLE = "KUBEMEND_KUBERNETES";
/** Which official release to download when {@link KUBERNETES_VARIABLE} is not set. */
const VERSION_VARIABLE = "KUBEMEND_KUBERNETES_VERSION";
/** Another place with the same layout as the official one, such as a mirror. */
const RELEASES_VARIABLE = "KUBEMEND_KUBERNETES_RELEASES";

const OFFICIAL_RELEASES = "https://dl.k8s.io/release";
const DEFAULT_VERSION = "v1.34.2";

export const PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
] as const;
/** Not part of a release: only a multi-call binary or a build of one's own has it. */
const KUBEMARK = "kubemark";
type Program = (typeof PROGRAMS)[number] | typeof KUBEMARK;

export interface Kubernetes {
  readonly directory: string;
  /** The minor version: 20 of v1.20.2. The major one has always been 1. */
  readonly minor: number;
  /** As the API server reports it, such as `v1.20.2`. */
  readonly version: string;
  /** The one file that all the programs are, if they are. */
  readonly multiCall: string | undefined;
  program(name: Program): string;
  has(name: Program): Promise<boolean>;
}

/** Why there is no Kubernetes to run, in one sentence that tells what to do. */
export class KubernetesMissing extends Error {}

export async function findKubernetes(env: NodeJS.ProcessEnv = process.env): Promise<Kubernetes> {
  const named = env[KUBERNETES_VARIABLE];
  return named ? fromPath(named) : describe(await download(env));
}

async function fromPath(path: string): Promise<Kubernetes> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new KubernetesMissing(`${KUBERNETES_VARIABLE} names "${path}", which does not exist`);
  if (!found.isDirectory()) return describe(await unpack(path));
  const multiCall = join(path, "hyperkube");
  return describe((await exists(join(path, "kube-apiserver"))) ? path : await unpack(multiCall));
}

async function describe(directory: string): Promise<Kubernetes> {
  const program = (name: Program) => join(directory, name);
  const printed = await run([program("kube-apiserver"), "--version"]).catch((cause) => {
    throw new KubernetesMissing(`"${program("kube-apiserver")}" does not run on this machine`, { cause });
  });
  const match = /v1\.(\d+)\.\S+/.exec(printed);
  if (match === null)
    throw new KubernetesMissing(`"${program("kube-apiserver")}" prints no version that is known here`);
  const hyperkube = join(directory, "hyperkube");
  return {
    directory,
    minor: Number(match[1]),
    version: match[0],
    multiCall: (await exists(hyperkube)) ? hyperkube : undefined,
    program,
    has: (name) => exists(program(name)),
  };
}

/** The cache of what was unpacked and downloaded. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kubemend-testbed");
}

/** Makes `directory` by filling a draft beside it and renaming: a second run in parallel, or one that was killed, does no harm. */
export async function fillOnce(directory: string, fill: (draft: string) => Promise<void>): Promise<string> {
  if (await exists(directory)) return directory;
  await mkdir(join(directory, ".."), { recursive: true });
  const draft = await mkdtemp(`${directory}.`);
  try {
    await fill(draft);
    await chmod(draft, 0o755);
    await rename(draft, directory);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(directory))) throw error; // otherwise another run was faster
  }
  return directory;
}

async function unpack(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash).catch((cause) => {
    throw new KubernetesMissing(`"${file}" cannot be read`, { cause });
  });
  return fillOnce(join(cacheDirectory(), `multicall-${hash.digest("hex").slice(0, 16)}`), async (draft) => {
    const binary = join(draft, "hyperkube");
    if (file.endsWith(".xz")) {
      const xz = spawn("xz", ["--decompress", "--stdout", file], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = new Promise<number | null>((resolve, reject) => xz.on("error", reject).on("close", resolve));
      await pipeline(xz.stdout, createWriteStream(binary));
      if ((await ended) !== 0) throw new KubernetesMissing(`"${file}" cannot be decompressed by xz`);
    } else {
      await copyFile(file, binary);
    }
    await chmod(binary, 0o755);
    for (const name of [...PROGRAMS, KUBEMARK]) await symlink("hyperkube", join(draft, name));
  });
}

async function download(env: NodeJS.ProcessEnv): Promise<string> {
  const version = env[VERSION_VARIABLE] || DEFAULT_VERSION;
  const architecture = { x64: "amd64", arm64: "arm64" }[process.arch as string] ?? process.arch;
  const base = `${env[RELEASES_VARIABLE] || OFFICIAL_RELEASES}/${version}/bin/linux/${architecture}`;
  return fillOnce(join(cacheDirectory(env), `${version}-${architecture}`), async (draft) => {
    for (const name of PROGRAMS) {
      await downloadFile(`${base}/${name}`, join(draft, name)).catch((cause: Error) => {
        throw new KubernetesMissing(
          `there are no Kubernetes binaries: set ${KUBERNETES_VARIABLE} to a directory of them, or allow the ` +
            `download of "${base}/${name}" (${reason(cause)})`,
          { cause },
        );
      });
    }
  });
}

async function downloadFile(url: string, path: string): Promise<void> {
  const sum = await get(`${url}.sha256`);
  const expected = (await sum.text()).trim().split(/\s/)[0];
  const body = (await get(url)).body;
  if (body === null) throw new Error("the answer is empty");
  const hash = createHash("sha256");
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(body), through, createWriteStream(path, { mode: 0o755 }));
  const actual = hash.digest("hex");
  if (actual !== expected) throw new Error(`its SHA-256 is ${actual}, expected ${expected}`);
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(600_000) });
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  return response;
}

function reason(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
