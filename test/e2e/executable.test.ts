/**
 * The single executable in a root directory that has nothing but itself, the libraries that docs/install.md names, and
 * the kernel's own `/proc`: no Node, no shell. It does what the sources do, byte for byte; all transcripts read the
 * same from it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generateSnapshot } from "../../bench/generate-snapshot.ts";
import { FIXTURES, runTranscript } from "../transcript.ts";
import { builtExecutable } from "./executable.ts";

const PROJECT = join(import.meta.dirname, "../..");
const isRoot = process.platform === "linux" && process.getuid?.() === 0;

/** More than 32 MB, so that threads read it. */
const LARGE = { pods: 9000, history: 900, seed: 1 };
/** As docs/install.md names them: glibc's, libstdc++, and GCC's own. */
const NAMED = ["ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "libstdc++.so", "libgcc_s.so"];
const MOUNT_AND_CHANGE_ROOT = `
set -e
mount --bind "$2" "$1$2"
mount -t proc proc "$1/proc"
root=$1 work=$2
shift 2
exec unshare --root="$root" --wd="$work" /bin/kubemend "$@"
`;

/** A token that is proposed has the time in it. */
const withoutTokens = (text: string) => text.replace(/restored-\d{8}T\d{6}/g, "restored-TIME");

const TRANSCRIPTS = join(PROJECT, "test/transcripts");

describe.skipIf(process.platform !== "linux")("what a user types and sees, from the executable", () => {
  // Without those that need a terminal or another time than now.
  const files = globSync("**/*.txt", { cwd: TRANSCRIPTS }).filter(
    (file) => !/^#! (now|tty) |"at":/m.test(readFileSync(join(TRANSCRIPTS, file), "utf8")),
  );
  const withoutAges = (text: string) =>
    withoutTokens(text).replace(/ +(?<open>\(?)\d+[smhdy](?:\d+[smhd])?(?= |$)/gm, " $<open>AGE");
  test.each(files.sort())("%s", async (file) => {
    const executable = await builtExecutable();
    const expected = readFileSync(join(TRANSCRIPTS, file), "utf8");
    const found = await runTranscript(expected, async (argv, env) => {
      const { stdout, stderr, status } = spawnSync(executable, argv, { encoding: "utf8", cwd: FIXTURES, env });
      return { stdout, stderr, code: status ?? -1 };
    });
    expect(withoutAges(found)).toBe(withoutAges(expected));
  });
});

describe.skipIf(!isRoot)(`the executable on a machine without Node${isRoot ? "" : " (needs root on Linux)"}`, () => {
  let base: string;
  let work: string;
  let root: string;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), "kubemend-executable-"));
    work = join(base, "work");
    root = join(base, "root");
    for (const directory of ["bin", "dev", "proc", work]) mkdirSync(join(root, directory), { recursive: true });
    symlinkSync("/proc/self/fd", join(root, "dev/fd"));
    const executable = await builtExecutable();
    copyFileSync(executable, join(root, "bin/kubemend"));
    // The same loader finds them all, so that what is not in the list is not there.
    for (const [, name, library] of execFileSync("ldd", [executable], { encoding: "utf8" }).matchAll(
      /^\s*(\S+?)(?: => (\S+))? \(0x/gm,
    )) {
      const path = library ?? name!;
      if (!NAMED.some((named) => basename(path).startsWith(named))) continue;
      mkdirSync(dirname(root + path), { recursive: true });
      copyFileSync(path, root + path);
    }
    mkdirSync(work);
    generateSnapshot(join(work, "large.db"), LARGE);
    for (const name of ["selfhosted-k120", "kubeadm-k120"]) {
      const fixture = join(PROJECT, "test/fixtures", name, "snapshot.db.gz");
      writeFileSync(join(work, `${name}.db`), gunzipSync(readFileSync(fixture)));
    }
    copyFileSync(join(PROJECT, "examples/kubeconfig"), join(work, "kubeconfig"));
  });
  afterAll(() => rmSync(base, { recursive: true }));

  function inEmptyRoot(command: string, env = {}) {
    const argv = ["-m", "sh", "-c", MOUNT_AND_CHANGE_ROOT, "sh", root, work, ...command.split(" ")];
    return spawnSync("unshare", argv, { encoding: "utf8", env: { PATH: process.env.PATH, ...env } });
  }
  function fromSources(command: string) {
    const argv = [join(PROJECT, "src/cli/main.ts"), ...command.split(" ")];
    return spawnSync(process.execPath, argv, { encoding: "utf8", cwd: work, env: {} });
  }
  /** Runs it both ways, into the same directory, which is moved aside in between. */
  function bothWays(command: string) {
    return [inEmptyRoot, fromSources].map((way) => {
      const { status, stdout, stderr } = way(command);
      const out = join(work, "out");
      const files = globSync("**", { cwd: out, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
        .map((file) => ({ file, mode: statSync(file).mode, bytes: readFileSync(file).toString("base64") }));
      rmSync(out, { recursive: true, force: true });
      return { status, stdout: withoutTokens(stdout), stderr: withoutTokens(stderr), files };
    });
  }

  test.each([
    "--version",
    "snapshot status large.db -o json",
    "snapshot verify large.db",
    "snapshot stats large.db",
    "snapshot verify selfhosted-k120.db",
    "snapshot get kubeadm-k120.db pods -A",
    "snapshot restore kubeadm-k120.db --data-dir out --name m1 --initial-cluster m1=https://10.0.0.1:2380 " +
      "--initial-advertise-peer-urls https://10.0.0.1:2380",
    "recover --etcd-backup-file selfhosted-k120.db --kubeconfig kubeconfig --recovery-dir out",
    "recover --etcd-backup-file kubeadm-k120.db --kubeconfig kubeconfig --recovery-dir out",
    "snapshot status no-such-file",
  ])("%s", (command) => {
    const [executable, sources] = bothWays(command);
    expect(executable).toEqual(sources);
    expect(sources!.stdout + sources!.stderr).not.toBe("");
    if (command.includes(" out")) expect(sources!.files.length).toBeGreaterThan(2);
  });

  test("asks a question on a terminal", () => {
    for (const name of ["manifests", "kubelet/pods", "logs", "keep"]) mkdirSync(join(work, name), { recursive: true });
    writeFileSync(join(work, "manifests/a.yaml"), "apiVersion: v1\n");
    const places = "--keep-in keep --pod-manifest-path manifests --kubelet-dir kubelet --log-dir logs";
    const command = `${join(root, "bin/kubemend")} node clean --skip-containers --keep-etcd --no-start-kubelet ${places}`;
    // A terminal of util-linux's `script`; the answer is typed when the question stands there.
    const typed = `(sleep 2; echo n) | script -qec ${JSON.stringify(command)} /dev/null`;
    const { stdout, status } = spawnSync("sh", ["-c", typed], { encoding: "utf8", cwd: work, timeout: 60_000 });
    expect(stdout).toContain("[y/N]");
    expect(stdout).toContain("nothing was changed");
    expect({ status, bug: /internal error|Warning/.test(stdout) }).toEqual({ status: 0, bug: false });
    expect(readFileSync(join(work, "manifests/a.yaml"), "utf8")).toBe("apiVersion: v1\n");
  });

  test("takes the native checksum from a private file that is gone at once, and does without where there is no place for one", () => {
    const command = "snapshot status large.db -o json";
    const loading = inEmptyRoot(command, { LD_DEBUG: "files" }); // the dynamic linker names what it loads
    expect(loading.stderr).toMatch(/\/tmp\/kubemend-\w+\/crc32\.node/);
    expect(globSync("kubemend-*/crc32.node", { cwd: join(root, "tmp") })).toEqual([]);
    const nowhere = inEmptyRoot(command, { LD_DEBUG: "files", TMPDIR: "/nowhere" });
    expect(nowhere.stderr).not.toContain("crc32.node");
    expect(nowhere).toMatchObject({ status: 0, stdout: loading.stdout });
  });

  test("renders a cluster: the same files, and the same text where there is no key in it", () => {
    const command = "render --asset-dir out --api-servers=https://10.0.0.10:6443 --etcd-servers=http://10.0.0.5:2379";
    const [executable, sources] = bothWays(command);
    expect(executable).toMatchObject({ status: 0, stdout: sources!.stdout, stderr: sources!.stderr });
    const plain = ({ file, mode, bytes }: { file: string; mode: number; bytes: string }) =>
      file.includes("/manifests/") && !/secret|token|kubeconfig/.test(file) ? { file, mode, bytes } : { file, mode };
    expect(executable!.files.map(plain)).toEqual(sources!.files.map(plain));
  });
});
