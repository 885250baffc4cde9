/**
 * The commands that need no node, where the system has no `/proc`, no `/dev/fd` and no `/dev/stdout`, and where the
 * program believes that it is on macOS or Windows: a stand-in for those, which are not to be had here. What the real
 * systems do otherwise (paths of Windows, its locks) is not tried by it.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");
const ARCHIVE = join(import.meta.dirname, "../examples/self-hosted-cluster.db.gz");
const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-other-systems-"));
const SNAPSHOT = join(DIRECTORY, "backup.db");
afterAll(() => rmSync(DIRECTORY, { recursive: true, force: true }));
beforeAll(() => writeFileSync(SNAPSHOT, gunzipSync(readFileSync(ARCHIVE))));

const isRoot = process.platform === "linux" && process.geteuid?.() === 0;

/** Both streams of each command line in turn, in one namespace of mounts without `/proc`, and so without `/dev/fd`. */
async function withoutProc(platform: string, folder: string, script: string): Promise<string> {
  const preload = join(folder, "platform.mjs");
  // Native modules are this system's, and loaded before it is called another.
  const native = `process.getBuiltinModule("node:module").createRequire(${JSON.stringify(MAIN)})("@node-rs/crc32");\n`;
  const called = `Object.defineProperty(process, "platform", { value: ${JSON.stringify(platform)} });\n`;
  writeFileSync(preload, native + called);
  const program = `"${process.execPath}" --import "${preload}" "${MAIN}"`;
  const text = [
    "mount -t tmpfs tmpfs /proc",
    `cd "${folder}"`,
    "export TEMP=/tmp", // what Windows has for temporary files
    `kubemend() { ${program} "$@"; }`,
    `become() { exec ${program} "$@"; }`,
    script,
  ].join("\n");
  const env = { ...process.env, HOME: folder, KUBEMEND_CACHE: join(folder, "cache"), KUBEMEND_AUDIT_LOG: "audit.log" };
  const { stdout } = await run("unshare", ["--mount", "bash", "-ec", text], { env, maxBuffer: 64 << 20 });
  return stdout;
}

describe.skipIf(!isRoot).each(["linux", "darwin", "win32"])("without /proc, as on %s", (platform) => {
  const folder = mkdtempSync(join(tmpdir(), `other-system-${platform}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("snapshots are read, exported, edited and restored", { timeout: 240_000 }, async () => {
    const output = await withoutProc(
      platform,
      folder,
      `! test -e /proc/self && ! test -e /dev/fd/0
kubemend snapshot status "${ARCHIVE}" -o json
kubemend snapshot export "${SNAPSHOT}" --dir out
kubemend snapshot edit "${SNAPSHOT}" edited.db --remove node/hollow-1
kubemend objects diff "${SNAPSHOT}" edited.db || test $? = 1
kubemend snapshot restore "${SNAPSHOT}" --data-dir data
kubemend snapshot status data/member/snap/db -o json`,
    );
    expect(output).toContain('"totalKey":2433');
    expect(output).toMatch(/1 removed|hollow-1/);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(["out", "edited.db", "data", "audit.log"]));
    expect(readFileSync(join(folder, "audit.log"), "utf8")).toContain('"command":"snapshot restore"');
  });

  test("a backup is served, and objects of it are planned to be given back", { timeout: 240_000 }, async () => {
    const output = await withoutProc(
      platform,
      folder,
      `become serve "${SNAPSHOT}" --write-kubeconfig kubeconfig >served.txt & server=$!
trap 'kill $server' EXIT
until test -s kubeconfig && test -s served.txt; do kill -0 $server; sleep 0.1; done
kubemend objects restore "${SNAPSHOT}" deployments -A --kubeconfig kubeconfig --dry-run -o json || test $? = 1`,
    );
    expect(JSON.parse(output)).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ action: "keep", name: "web" })]),
    });
  });
});
