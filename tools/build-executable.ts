/**
 * `npm run build:exe`: kubemend as one executable file, `build/kubemend`, for the machine that this runs on. It is the
 * devDependency's Node, stripped, with our bundles in it (Node's single executable applications): the command line, the
 * threads' code, and the native CRC-32C.
 *
 * usage: node tools/build-executable.ts [--platform linux-arm64|darwin-arm64|darwin-x64|win-x64]
 *   --platform  for another one: `build/kubemend-PLATFORM`, with that platform's Node from npm. It is not started here,
 *               not stripped, and compiles its code when it starts. macOS starts it once it is signed: codesign -s - FILE
 */
import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { buildPage } from "./build-page.ts";
import { FOREIGN, fetchForeign } from "./foreign-node.ts";
import { linkAtomic } from "./link-atomic.ts";

const ROOT = join(import.meta.dirname, "..");
const { platform } = parseArgs({ options: { platform: { type: "string" } } }).values;
const suffix = platform?.startsWith("win-") ? ".exe" : "";
const OUT = join(ROOT, "build", platform === undefined ? "kubemend" : `kubemend-${platform}${suffix}`);
/** The threads' entry files, by the names that src/snapshot/start-thread.ts knows them by. */
const ENTRIES = {
  kubemend: "src/cli/main.ts",
  "sweep-worker": "src/snapshot/sweep-worker.ts",
  "hash-worker": "src/snapshot/hash-worker.ts",
  "content-worker": "src/snapshot/content-worker.ts",
};
const LOADER = "load-chunk.cjs";
const MINIFY = { mangle: false, compress: false, codegen: { removeWhitespace: true } };

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** Our code as chunks of CommonJS, and what loads them. Returns their names. */
async function bundle(directory: string): Promise<string[]> {
  const options = { platform: "node", transform: { target: "node26" }, cwd: ROOT } as const;
  const plugins = [{ name: "checksum", resolveId: checksumOf }];
  const chunks = await rolldown({ ...options, input: ENTRIES, plugins });
  const names = { entryFileNames: "[name].cjs", chunkFileNames: "[name]-[hash].cjs" };
  // The loader compiles chunks as functions, in which import() fails: all of them become calls of require.
  const format = { format: "cjs", dynamicImportInCjs: false } as const;
  const { output } = await chunks.write({ dir: directory, ...format, minify: MINIFY, ...names });
  for (const { fileName } of output) {
    if (/\bimport\(\s*["'`]/.test(readFileSync(join(directory, fileName), "utf8")))
      throw new Error(`${fileName} has an import(), which the executable cannot do`);
  }
  const loader = await rolldown({ ...options, input: "src/executable/load-chunk.ts" });
  await loader.write({ file: join(directory, LOADER), format: "cjs" });
  return [...output.map(({ fileName }) => fileName), LOADER];
}

/** No module of npm's is beside the executable: it has a loader of its own for what is inside. */
function checksumOf(specifier: string): string | undefined {
  return specifier.endsWith("/checksum/crc32c.ts") ? join(ROOT, "src/executable/crc32c.ts") : undefined;
}

/** Chunks are the functions that src/executable/load-chunk.ts calls. */
function wrap(directory: string, names: readonly string[]): void {
  for (const name of names) {
    const source = readFileSync(join(directory, name), "utf8").replace(/^#!.*/, "");
    writeFileSync(join(directory, name), `(function(require,module,exports){${source}\n})`);
  }
}

/** A real snapshot, on which the compiling process runs short commands. */
const EXAMPLE = join(ROOT, "examples/self-hosted-cluster.db.gz");
const SHORT_COMMANDS = [
  ["snapshot", "get", "example.db", "pods", "-A"],
  ["snapshot", "get", "example.db", "namespaces", "default", "-o", "yaml"],
  ["snapshot", "get", "example.db", "deployments", "-n", "kube-system", "-o", "json"],
  ["snapshot", "get", "example.db", "nosuchname", "-A"],
  ["snapshot", "status", "example.db"],
  ["snapshot", "keys", "example.db"],
];

/**
 * Each chunk as V8 compiles it, so that the executable does not have to: the same source and file name as
 * src/executable/load-chunk.ts has. What is compiled depends on nothing but them, so that the same sources give the same
 * bytes. Of the chunks that short commands load, V8 compiles every function, otherwise what a chunk does when it is
 * loaded (docs/adr/0241).
 */
async function compiled(directory: string, names: readonly string[]): Promise<string[]> {
  writeFileSync(join(directory, "compile.cjs"), COMPILE);
  writeFileSync(join(directory, "example.db"), gunzipSync(readFileSync(EXAMPLE)));
  // V8 hashes strings with a random seed, and hashes get into the result.
  const options = { cwd: directory, env: { TZ: "UTC" } };
  const { stdout } = await run(process.execPath, ["compile.cjs", "list", JSON.stringify(SHORT_COMMANDS)], options);
  await run(process.execPath, ["--random-seed=1", "compile.cjs", "compile", stdout, ...names], options);
  return names.map((name) => `${name}.compiled`);
}

const COMPILE = `
  const { readFileSync, writeFileSync } = require("node:fs");
  const { setFlagsFromString } = require("node:v8");
  const { Script } = require("node:vm");
  const [, , step, what, ...names] = process.argv;

  /** Prints the names of the chunks that the commands load. */
  async function list(commands) {
    const { exit, stdout, stderr } = process;
    const { write: print } = stdout;
    for (const stream of [stdout, stderr])
      stream.write = (text, encoding, done) => {
        const then = typeof encoding === "function" ? encoding : done;
        if (then !== undefined) process.nextTick(then);
        return true;
      };
    const used = new Set();
    for (const command of commands) {
      const loaded = new Map();
      function load(name) {
        if (!name.startsWith("./")) return require(name);
        const known = loaded.get(name);
        if (known !== undefined) return known.exports;
        const module = { exports: {} };
        loaded.set(name, module);
        const filename = name.slice(2);
        used.add(filename);
        new Script(readFileSync(filename, "utf8"), { filename }).runInThisContext()(load, module, module.exports);
        return module.exports;
      }
      process.argv = [process.execPath, "kubemend", ...command];
      await new Promise((ended) => {
        process.exit = ended;
        load("./kubemend.cjs");
      });
    }
    print.call(stdout, JSON.stringify([...used]), () => exit(0));
  }

  function compile(whole) {
    for (const filename of names) {
      const source = readFileSync(filename, "utf8");
      // The flag is in the result: it is as before when that is made.
      if (whole.has(filename)) setFlagsFromString("--no-lazy");
      const script = new Script(source, { filename });
      setFlagsFromString("--lazy");
      const cachedData = script.createCachedData();
      if (new Script(source, { filename, cachedData }).cachedDataRejected !== false)
        throw new Error(filename + " has no compiled form that can be used");
      writeFileSync(filename + ".compiled", cachedData);
    }
  }

  if (step === "list") list(JSON.parse(what));
  else compile(new Set(JSON.parse(what)));
`;

/** The native module that `@node-rs/crc32` would load here. */
function nativeCrc32c(): string {
  const paths = [require.resolve("@node-rs/crc32")];
  return require.resolve(`@node-rs/crc32-${process.platform}-${process.arch}-gnu`, { paths });
}

/** For loaders that pass over what is empty: what V8 compiles here is nothing to another platform. */
function uncompiled(directory: string, names: readonly string[]): string[] {
  for (const name of names) writeFileSync(join(directory, `${name}.compiled`), "");
  return names.map((name) => `${name}.compiled`);
}

/** Symbols for debuggers only: native modules find what they need in .dynsym. */
async function strip(program: string): Promise<void> {
  try {
    await run("strip", [program]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    console.error("strip is missing (Debian: binutils): the executable will be 18 MB larger");
  }
}

async function build(): Promise<void> {
  if (process.platform !== "linux") throw new Error(`the executable is built on Linux, not on ${process.platform}`);
  const foreign = platform === undefined ? undefined : FOREIGN[platform];
  if (platform !== undefined && foreign === undefined)
    throw new Error(`"${platform}" is none of ${Object.keys(FOREIGN).join(", ")}`);
  const draft = `${OUT}.draft`; // always the same: paths go into the blob
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    const inDraft = (name: string) => join(draft, name);
    const names = await bundle(draft);
    const chunks = names.filter((name) => name !== LOADER);
    const main = `${readFileSync(inDraft(LOADER), "utf8")}\nexports.loadChunk("./kubemend.cjs");\n`;
    writeFileSync(inDraft("main.cjs"), main);

    const node = inDraft("node");
    const files =
      foreign === undefined
        ? { node: process.execPath, crc32: nativeCrc32c() }
        : await fetchForeign(foreign, mkdtempSync(inDraft("foreign-")));
    copyFileSync(files.node, node);
    chmodSync(node, 0o755);
    if (foreign === undefined) await strip(node);

    const pages = await buildPage(inDraft("ui"));
    wrap(draft, chunks);
    const made = foreign === undefined ? await compiled(draft, chunks) : uncompiled(draft, chunks);
    const assets = {
      ...Object.fromEntries(pages.map((name) => [`ui/${name}`, `ui/${name}`])),
      ...Object.fromEntries([...names, ...made].map((name) => [name, name])),
      ...(files.crc32 !== undefined && { "crc32.node": files.crc32 }),
    };
    const options = { executable: "node", main: "main.cjs", output: "kubemend", disableExperimentalSEAWarning: true };
    writeFileSync(inDraft("sea.json"), JSON.stringify({ ...options, assets }));
    await run(process.execPath, ["--build-sea", "sea.json"], { cwd: draft });
    const program = readFileSync(inDraft("kubemend"));
    const isLinux = platform === undefined || platform.startsWith("linux-");
    if (isLinux && linkAtomic(program)) writeFileSync(inDraft("kubemend"), program, { mode: 0o755 });
    renameSync(inDraft("kubemend"), OUT);
  } finally {
    rmSync(draft, { recursive: true });
  }
  if (foreign !== undefined) {
    console.log(`${OUT}: ${(statSync(OUT).size / 1e6).toFixed(1)} MB, not started here`);
    return;
  }
  const { stdout } = await run(OUT, ["--version"]);
  console.log(`build/kubemend: version ${stdout.trim()}, ${(statSync(OUT).size / 1e6).toFixed(1)} MB`);
}

await build();
