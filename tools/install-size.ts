/**
 * What `npm ci` brings, by size: what kubemend itself needs, and the largest of what only those need who change it.
 *
 * usage: npm run install:size
 */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import packageLock from "../package-lock.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "..");
const SHOWN = 6;

/** Files with several names count once. */
const counted = new Set<string>();

/** In bytes on the disk. */
function sizeOf(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) {
    const identity = `${stat.dev}:${stat.ino}`;
    if (counted.has(identity)) return 0;
    counted.add(identity);
    return stat.blocks * 512;
  }
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

/** By package; scopes such as `@biomejs` count as one. Nested packages are part of what they are in. */
const needed = new Map<string, number>();
const others = new Map<string, number>();
for (const [path, entry] of Object.entries(packageLock.packages)) {
  const [, name] = /^node_modules\/(@[^/]+|[^/]+)(?:\/[^/]+)?$/.exec(path) ?? [];
  if (name === undefined) continue;
  const sizes = "dev" in entry || "devOptional" in entry ? others : needed;
  sizes.set(name, (sizes.get(name) ?? 0) + sizeOf(join(ROOT, path)));
}

const sum = (sizes: ReadonlyMap<string, number>): number =>
  [...sizes.values()].reduce((total, size) => total + size, 0);
const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`.padStart(7);
console.log(`${megabytes(sum(needed) + sum(others))}  all
${megabytes(sum(needed))}  what kubemend needs: npm ci --omit=dev
${megabytes(sum(others))}  what only those need who change it, such as`);
for (const [name, size] of [...others].sort(([, a], [, b]) => b - a).slice(0, SHOWN))
  console.log(`  ${megabytes(size)}  ${name}`);
