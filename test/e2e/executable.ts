/** The single executable file as `npm run build:exe` makes it: built again where its sources have changed since. */
import { execFile } from "node:child_process";
import { globSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");
const SOURCES = ["src/**/*", "tools/build-executable.ts", "package.json", "package-lock.json"];

/** Its path. */
export async function builtExecutable(): Promise<string> {
  const path = join(ROOT, "build/kubemend");
  const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (globSync(SOURCES, { cwd: ROOT }).some((source) => statSync(join(ROOT, source)).mtimeMs > made)) {
    await promisify(execFile)(process.execPath, [join(ROOT, "tools/build-executable.ts")], { cwd: ROOT });
  }
  return path;
}
