/**
 * `npm run docs`: makes a site of the project's Markdown in build/site (how: site/eleventy.config.js). Its generator is a
 * package of its own, with a lock file of its own, so that nobody who works on kubemend has to install it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "..");
const SITE = join(ROOT, "site");

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, {
    cwd: SITE,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** What npm writes at its end: whether the packages are those of the lock file. */
function isInstalled(): boolean {
  const written = join(SITE, "node_modules/.package-lock.json");
  if (!existsSync(written)) return false;
  const packagesOf = (path: string) => {
    const { packages } = JSON.parse(readFileSync(path, "utf8")) as {
      readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
    };
    return Object.entries(packages).flatMap(([key, { version, optional }]) =>
      key === "" || optional === true ? [] : [`${key}@${version}`],
    );
  };
  return JSON.stringify(packagesOf(written)) === JSON.stringify(packagesOf(join(SITE, "package-lock.json")));
}

if (!isInstalled()) run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
rmSync(join(ROOT, "build/site"), { recursive: true, force: true });
run(process.execPath, ["node_modules/@11ty/eleventy/cmd.cjs", "--config", "eleventy.config.js"]);
console.log(`the site: ${pathToFileURL(join(ROOT, "build/site/index.html"))}, or any web server on build/site`);
