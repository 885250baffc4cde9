/**
 * Adds to package-lock.json the optional packages of other platforms that the registry in use did not serve. A mirror
 * that holds one platform only leaves them out, and `npm ci` then refuses the lock file everywhere. Hashes that are
 * missing are asked for. Run it after `npm install` has changed dependencies.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

interface LockEntry {
  version?: string;
  integrity?: string;
  link?: boolean;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const OS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const CPU = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, LockEntry> };
let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined || !/^[~^]?\d/.test(range)) continue;
    const words = name.split(/[/-]/);
    const os = OS.find((word) => words.includes(word));
    const cpu =
      CPU.find((word) => words.some((part) => part === word || part === `${word}hf`)) ??
      (words.includes("ppc64le") ? "ppc64" : undefined);
    const libc = words.find((word) => word === "musl") ?? (words.includes("gnu") ? "glibc" : undefined);
    lock.packages[key] = {
      version: range.replace(/^[~^]/, ""),
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(entry.dev === true ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc: [libc] }),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
    };
    added += 1;
  }
}
/** What the registry says, by npm's own client: a package without a hash could be exchanged on its way. */
for (const [key, entry] of Object.entries(lock.packages)) {
  if (key === "" || entry.integrity !== undefined || entry.link === true) continue;
  const name = key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length);
  const integrity = spawnSync("npm", ["view", `${name}@${entry.version}`, "dist.integrity"], {
    encoding: "utf8",
  }).stdout.trim();
  if (/^sha512-[A-Za-z0-9+/=]+$/.test(integrity)) entry.integrity = integrity;
  else console.log(`no hash of ${name}@${entry.version} is known here`);
}
const sorted = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`);
console.log(`added ${added} packages of other platforms`);
