import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeTemporaryDirectory } from "./temporary-directory.ts";

const MODULE = join(import.meta.dirname, "temporary-directory.ts");

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "temporary-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** Another run, which has a secret in its directory. */
async function otherRun() {
  const program = `
    const { makeTemporaryDirectory } = await import(${JSON.stringify(MODULE)});
    const { writeFileSync } = await import("node:fs");
    const { path } = makeTemporaryDirectory("kubemend-test-", ${JSON.stringify(parent)});
    writeFileSync(path + "/secret", "a whole cluster's");
    process.stdout.write(path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [path] = (await once(child.stdout, "data")) as [Buffer];
  return { child, path: path.toString() };
}

test.runIf(process.platform === "linux")(
  "of a run that was killed it is removed by the next, of one that lives it stays",
  async () => {
    const { child, path } = await otherRun();
    try {
      makeTemporaryDirectory("kubemend-test-", parent)[Symbol.dispose]();
      expect(existsSync(join(path, "secret"))).toBe(true);
      child.kill("SIGKILL");
      await once(child, "exit");
      makeTemporaryDirectory("kubemend-other-", parent)[Symbol.dispose]();
      expect(existsSync(path)).toBe(true);
      makeTemporaryDirectory("kubemend-test-", parent)[Symbol.dispose]();
      expect(readdirSync(parent)).toEqual([]);
    } finally {
      child.kill("SIGKILL");
    }
  },
);

test("nothing is removed that is not provably ours", () => {
  const lock = ".kubemend-lock";
  const victim = join(parent, "victim");
  for (const place of [victim, join(parent, "kubemend-test-aaaaaa"), join(parent, "kubemend-test-bbbbbb")]) {
    mkdirSync(place, { mode: 0o700 });
    writeFileSync(join(place, "kept"), "kept");
  }
  writeFileSync(join(victim, lock), "");
  symlinkSync(victim, join(parent, "kubemend-test-cccccc")); // a link to one that has a lock
  writeFileSync(join(parent, "kubemend-test-bbbbbb", lock), "");
  chmodSync(join(parent, "kubemend-test-bbbbbb"), 0o755); // others could have written there
  mkdirSync(join(parent, "kubemend-test-longer-name"), { mode: 0o700 });
  writeFileSync(join(parent, "kubemend-test-longer-name", lock), "");
  makeTemporaryDirectory("kubemend-test-", parent)[Symbol.dispose]();
  expect(readdirSync(parent).sort()).toEqual([
    ...["kubemend-test-aaaaaa", "kubemend-test-bbbbbb", "kubemend-test-cccccc", "kubemend-test-longer-name", "victim"],
  ]);
  for (const name of ["victim", "kubemend-test-aaaaaa", "kubemend-test-bbbbbb"])
    expect(existsSync(join(parent, name, "kept")), name).toBe(true);
});
