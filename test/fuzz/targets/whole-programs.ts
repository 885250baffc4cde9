/**
 * Whole commands: damaged files given to the command line, in this process and as an executable of its own, and command
 * lines that are damaged themselves.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEverything } from "../../damage/read-everything.ts";
import { sampleSnapshot, withHash } from "../../damage/sample-snapshot.ts";
import { kubemend } from "../../kubemend.ts";
import { FIXTURES } from "../sample-values.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

let directory: string | undefined;
const scratch = (): string => (directory ??= mkdtempSync(join(tmpdir(), "kubemend-fuzz-program-")));

function expectAnswer(code: number, stderr: string): void {
  if (
    ![0, 1, 2, 3].includes(code) ||
    /internal error|this is a bug|TypeError|RangeError|heap out of memory/.test(stderr)
  )
    throw new Error(`exit code ${code}: ${stderr}`);
  if (code !== 0 && stderr === "") throw new Error(`exit code ${code}, without a word`);
}

const ARCHIVES = join(FIXTURES, "archives");
const archives = (): Uint8Array[] =>
  readdirSync(ARCHIVES)
    .filter((name) => !name.endsWith(".md"))
    .map((name) => readFileSync(join(ARCHIVES, name)));

/** What only reads. The first word of a damaged command line is always one of these. */
const READERS = [
  "snapshot status snapshot.db",
  "snapshot verify snapshot.db -o json",
  "snapshot keys snapshot.db /registry/pods",
  "snapshot get snapshot.db pods -A -l app=web -o wide",
  "snapshot stats snapshot.db --top 3",
  "objects history snapshot.db pods/web -n default",
  "objects diff snapshot.db snapshot.db@5 pods",
  "completion bash",
  "__complete -- snapshot get --ou",
  "explain drain-refused",
];

/** Runs kubemend as users do. `KUBEMEND_EXECUTABLE` names the single file, or else Node runs the sources. */
function runExecutable(args: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> {
  const executable = process.env.KUBEMEND_EXECUTABLE;
  const program = executable ?? process.execPath;
  const words = executable === undefined ? [join(import.meta.dirname, "../../../src/cli/main.ts"), ...args] : args;
  return new Promise((resolve) => {
    execFile(program, words, { timeout: 60_000, maxBuffer: 1 << 28 }, (error, _, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 255, stderr });
    });
  });
}

const EXECUTED = [
  ["snapshot", "status"],
  ["snapshot", "verify"],
  ["snapshot", "get"],
  ["snapshot", "stats"],
] as const;

export const PROGRAM_TARGETS: readonly FuzzTarget[] = [
  {
    name: "snapshot files, read in every way",
    kind: "bytes",
    share: 20,
    corpus: () => [sampleSnapshot(40), sampleSnapshot(200)],
    run: async (bytes) => {
      // Half of them with the right hash: else nothing behind its check is reached.
      const path = join(scratch(), "snapshot.db");
      await readEverything(path, (bytes[20] ?? 0) % 2 === 0 ? bytes : withHash(bytes.subarray(0, bytes.length - 32)));
    },
    close() {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      directory = undefined;
    },
  },
  {
    name: "archives (gzip, zstd, zip, tar)",
    kind: "bytes",
    share: 50,
    corpus: archives,
    run: async (bytes) => {
      const path = join(scratch(), "archive");
      writeFileSync(path, bytes);
      const { code, stderr } = await kubemend(scratch(), ["snapshot", "status", path]);
      expectAnswer(code, stderr);
    },
  },
  {
    name: "command lines",
    kind: "text",
    share: 50,
    words: ["-o", "json", "--", "-A", "--at-revision=", "--etcd-prefix", "--help", "-", "@", "latest", "=", "\n"],
    corpus: () => READERS.map((line) => bytesOf(line.replaceAll(" ", "\n"))),
    run: async (bytes) => {
      writeFileSync(join(scratch(), "snapshot.db"), small());
      const words = textOf(bytes)
        .split("\n")
        .filter((word) => !word.includes("\0"));
      const reader = READERS[(bytes[0] ?? 0) % READERS.length]!.split(" ");
      const group = reader.slice(0, reader[0]!.match(/^(?:completion|__complete|explain)$/) ? 1 : 2);
      const { code, stderr } = await kubemend(scratch(), [...group, ...words.slice(group.length)]);
      expectAnswer(code, stderr);
    },
  },
  {
    name: "the executable, given snapshots and archives",
    kind: "bytes",
    share: 10,
    corpus: () => [sampleSnapshot(200), ...archives()],
    run: async (bytes) => {
      const path = join(scratch(), "executed");
      writeFileSync(path, bytes);
      const words = EXECUTED[(bytes[9] ?? 0) % EXECUTED.length]!;
      const { code, stderr } = await runExecutable([...words, path, ...(words[1] === "get" ? ["pods", "-A"] : [])]);
      expectAnswer(code, stderr);
    },
  },
];

let cached: Uint8Array | undefined;
const small = (): Uint8Array => (cached ??= sampleSnapshot(200));
