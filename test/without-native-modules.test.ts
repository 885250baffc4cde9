/**
 * What npm leaves behind where it does not install the binaries of this platform (`--omit=optional`, or a `node_modules`
 * made on another one): everything works, with the same results.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..");
const FOLDER = mkdtempSync(join(tmpdir(), "kubemend-without-native-"));
const BACKUP = join(ROOT, "examples/self-hosted-cluster.db.gz");
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** The packages whose folder holds nothing but binaries of a platform, as npm leaves them out. */
const isBinary = (name: string): boolean => /^crc32-/.test(name);

beforeAll(() => {
  cpSync(join(ROOT, "src"), join(FOLDER, "src"), { recursive: true, filter: (path) => !path.endsWith(".test.ts") });
  cpSync(join(ROOT, "package.json"), join(FOLDER, "package.json"));
  mkdirSync(join(FOLDER, "node_modules/@node-rs"), { recursive: true });
  const modules = join(ROOT, "node_modules");
  for (const name of readdirSync(modules).filter((each) => each !== "@node-rs" && !each.startsWith(".")))
    symlinkSync(join(modules, name), join(FOLDER, "node_modules", name));
  for (const name of readdirSync(join(modules, "@node-rs")).filter((each) => !isBinary(each)))
    cpSync(join(modules, "@node-rs", name), join(FOLDER, "node_modules/@node-rs", name), { recursive: true });
});

/** Both streams: a command that had something to complain about differs. */
async function kubemend(root: string, ...argv: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [join(root, "src/cli/main.ts"), ...argv], { cwd: FOLDER });
  return `${stdout}${stderr}`;
}

test("its binary is really missing", async () => {
  const load = `require("@node-rs/crc32")`;
  await expect(run(process.execPath, ["-e", load], { cwd: FOLDER })).rejects.toThrow(/native binding/);
});

test("hashes are the same", { timeout: 120_000 }, async () => {
  const status = await kubemend(FOLDER, "snapshot", "status", BACKUP, "-o", "json");
  expect(status).toContain('"hash":');
  expect(status).toBe(await kubemend(ROOT, "snapshot", "status", BACKUP, "-o", "json"));
});

test("a data dir is written, with its log, and salvaged", { timeout: 120_000 }, async () => {
  const restore = ["snapshot", "restore", BACKUP, "--name=m", "--initial-cluster=m=http://127.0.0.1:2380"];
  const peer = "--initial-advertise-peer-urls=http://127.0.0.1:2380";
  await kubemend(ROOT, ...restore, peer, `--data-dir=${join(FOLDER, "with")}`);
  await kubemend(FOLDER, ...restore, peer, `--data-dir=${join(FOLDER, "without")}`);
  for (const log of readdirSync(join(FOLDER, "with/member/wal")))
    expect(readFileSync(join(FOLDER, "without/member/wal", log))).toEqual(
      readFileSync(join(FOLDER, "with/member/wal", log)),
    );
  await kubemend(FOLDER, "etcd", "salvage", join(FOLDER, "with"), "--name=m", peer, "--data-dir=salvaged");
  const status = ["snapshot", "status", "salvaged/member/snap/db", "-o", "json"];
  expect(await kubemend(FOLDER, ...status)).toBe(await kubemend(ROOT, ...status));
});
