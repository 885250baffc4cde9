/**
 * `npm run build:image`: the image of kubemend without Docker, `build/kubemend-image.tar`: the executable of `npm run
 * build:exe`, the libraries that this machine's linker finds for it, and nothing else. The same files give the same
 * bytes.
 *
 * usage: node deploy/image/build.ts [--executable FILE] [--name REFERENCE] [--out FILE]
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { CHECKPOINTER_IMAGE } from "../../src/bootstrap/checkpointer-image.ts";
import type { TarEntry } from "../tar.ts";
import { encodeImage } from "./archive.ts";

const ROOT = join(import.meta.dirname, "../..");
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64" };
/** What glibc loads by name to resolve hosts; older than 2.34, it is not in libc itself. */
const RESOLVERS = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/** Writes the image to `out`; returns the SHA-256 of the file. */
export function writeImage(out: string, name: string, executable: string): string {
  const parts = encodeImage({
    name,
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    files: imageFiles(executable),
    entrypoint: ["/usr/local/bin/kubemend"],
    labels: {
      "org.opencontainers.image.title": packageJson.name,
      "org.opencontainers.image.version": packageJson.version,
      "org.opencontainers.image.licenses": packageJson.license,
    },
  });
  const hash = createHash("sha256");
  const file = openSync(`${out}.draft`, "w");
  for (const part of parts) {
    hash.update(part);
    for (let at = 0; at < part.length; ) at += writeSync(file, part, at);
  }
  closeSync(file);
  renameSync(`${out}.draft`, out);
  return hash.digest("hex");
}

function imageFiles(executable: string): TarEntry[] {
  const files = new Map<string, TarEntry>();
  const add = (path: string, bytes: Uint8Array, mode: number) => {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
      const directory = path.slice(0, at + 1);
      files.set(directory, { path: directory, mode: 0o755, directory: true });
    }
    files.set(path, { path, mode, bytes });
  };
  const text = (path: string, lines: string) => add(path, Buffer.from(lines), 0o644);
  text("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\n");
  text("etc/group", "root:x:0:\n");
  text("etc/nsswitch.conf", "hosts: files dns\n");
  add("usr/local/bin/kubemend", readFileSync(executable), 0o755);
  for (const library of librariesOf(executable)) add(library.slice(1), readFileSync(library), 0o755);
  files.set("tmp/", { path: "tmp/", mode: 0o1777, directory: true });
  return [...files.keys()].sort().map((path) => files.get(path)!);
}

/** By the paths under which the linker looks for them. */
function librariesOf(executable: string): string[] {
  const printed = execFileSync("ldd", [executable], { encoding: "utf8" });
  const linked = [...printed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  const libc = linked.find((path) => path.endsWith("/libc.so.6"));
  const resolvers = libc === undefined ? [] : RESOLVERS.map((name) => join(dirname(libc), name));
  return [...new Set([...linked, ...resolvers.filter((path) => existsSync(path))])];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      executable: { type: "string", default: join(ROOT, "build/kubemend") },
      name: { type: "string", default: CHECKPOINTER_IMAGE },
      out: { type: "string", default: join(ROOT, "build/kubemend-image.tar") },
    },
  });
  const sha256 = writeImage(values.out, values.name, values.executable);
  console.log(`${values.out}: ${values.name}, sha256 ${sha256}`);
}
