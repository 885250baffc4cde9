/**
 * What comes into this project from elsewhere, and how it is pinned: every package of the lock file by the hash of its
 * archive, one install script and which, base images in a Dockerfile by their digest, actions in a workflow by their
 * commit. `npm run check` runs it, offline; `npm run audit` also asks the registry for its signatures.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** Packages that run a program when they are installed, and why that is needed. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  "node_modules/node":
    "copies Node's binary out of the package of this platform, so that npm scripts run on the Node that is tested",
};
const DOCKERFILES = ["deploy/image/Dockerfile"];

interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

const packagesOf = (path: string) =>
  (JSON.parse(read(path)) as { readonly packages: Readonly<Record<string, LockEntry>> }).packages;
const packages = packagesOf("package-lock.json");
const wrong: string[] = [];
for (const path of ["package-lock.json", "site/package-lock.json"])
  for (const [key, { integrity, resolved, hasInstallScript }] of Object.entries(packagesOf(path))) {
    if (key === "") continue;
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ""))
      wrong.push(`${path}: ${key} has no SHA-512: run node tools/complete-lock.ts`);
    if (resolved !== undefined && !resolved.startsWith("https://registry.npmjs.org/"))
      wrong.push(`${path}: ${key} is from ${resolved}, and not from npm's registry`);
    if (hasInstallScript === true && INSTALL_SCRIPTS[key] === undefined)
      wrong.push(`${path}: ${key} runs a script when it is installed: find out what it does, or do without`);
  }
for (const key of Object.keys(INSTALL_SCRIPTS))
  if (packages[key]?.hasInstallScript !== true)
    wrong.push(`${key} has no install script any more: take it off the list`);

for (const path of globSync(".github/workflows/*.yaml", { cwd: ROOT }))
  for (const [, action] of read(path).matchAll(/^\s*(?:- )?uses:\s*(\S+)/gm))
    if (!/@[0-9a-f]{40}$/.test(action ?? ""))
      wrong.push(`${path}: ${action} is named by a tag, which others can move: name it by its commit`);

for (const path of DOCKERFILES) {
  const stages = new Set<string>();
  const given = new Set<string>();
  for (const line of read(path).split("\n")) {
    const argument = /^ARG\s+(\w+)\s*$/.exec(line)?.[1];
    if (argument !== undefined) given.add(argument);
    const [, image, stage] = /^FROM\s+(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    if (stage !== undefined) stages.add(stage);
    if (image === undefined || image === "scratch" || stages.has(image) || /@sha256:[0-9a-f]{64}$/.test(image))
      continue;
    // One that is to be given, with no default: its digest is checked where it is used.
    if (given.has(/^\$\{?(\w+)\}?$/.exec(image)?.[1] ?? "")) continue;
    wrong.push(`${path}: ${image} is named by a tag, which others can move: name it by its digest`);
  }
}

for (const line of wrong) process.stderr.write(`${line}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
