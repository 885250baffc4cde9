/** What the jobs have in common: running a command, and judging what is there. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { kubemend } from "../kubemend.ts";
import { digestOfDirectory } from "./crash-states.ts";
import type { PowerContext } from "./power-job.ts";

export const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

export async function run(directory: string, argv: readonly string[], codes: readonly number[] = [0]): Promise<string> {
  const { code, stdout, stderr } = await kubemend(directory, argv);
  assert.ok(codes.includes(code), `${argv.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}

/**
 * A lock file of a dead run may stay in a data dir that was moved aside meanwhile: it locks nothing, and etcd passes
 * over it.
 */
export function expectNoLeftovers(directory: string): void {
  const left = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
    (path) => /\.kubemend-(?:[0-9a-f]{16}|lock)$/.test(path) && !/\.before-restore[^/]*\/\.kubemend-lock$/.test(path),
  );
  assert.deepEqual(left, []);
}

/** `name` is as it was before, or as it is after; and as it is after once that was said. */
export function checkEither(name: string, directory: string, { before, after, hasSpoken }: PowerContext): void {
  const digest = (root: string): string | undefined =>
    existsSync(join(root, name)) ? digestOfDirectory(join(root, name)) : undefined;
  const found = digest(directory);
  const [old, fresh] = [digest(before), digest(after)];
  assert.ok(
    found === fresh || (!hasSpoken && found === old),
    `"${name}" is neither what it was nor what it is to be${hasSpoken ? ", and it was said to be done" : ""}`,
  );
}
