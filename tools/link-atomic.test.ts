/** The real Node, made to run without libatomic: in a root directory that does not have it, through code that calls the function. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { linkAtomic } from "./link-atomic.ts";

const directory = mkdtempSync(join(tmpdir(), "kubemend-atomic-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** WebAssembly takes and frees entries of V8's code pointer table, which is changed by the function; in several threads at once. */
const USES_IT = `
const { Worker, isMainThread } = require("node:worker_threads");
// (func (export "f") (param i32) (result i32) local.get 0)
const bytes = Uint8Array.from([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,32,0,11]);
let sum = 0;
for (let i = 0; i < 2000; i++) sum += new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f(i);
if (sum !== 1999000) throw new Error(String(sum));
if (isMainThread) for (let i = 0; i < 3; i++) new Worker(__filename).on("error", () => process.exit(1));
`;

const isLinux = process.platform === "linux";

test.skipIf(!isLinux)("Node runs, and no longer asks for the library", () => {
  const program = readFileSync(process.execPath);
  const before = execFileSync("readelf", ["-dW", process.execPath], { encoding: "utf8" });
  expect(linkAtomic(program)).toBe(before.includes("libatomic"));
  expect(linkAtomic(program)).toBe(false); // once is enough
  const node = join(directory, "node");
  writeFileSync(node, program, { mode: 0o755 });
  const after = execFileSync("readelf", ["-dW", node], { encoding: "utf8" });
  expect(after).not.toMatch(/libatomic/i);
  expect(after).toContain("libstdc++.so.6");
  const script = join(directory, "uses-it.cjs");
  writeFileSync(script, USES_IT);
  expect(execFileSync(node, [script], { encoding: "utf8" })).toBe("");
});

test("what it does not know is refused", () => {
  expect(() => linkAtomic(Buffer.alloc(100))).toThrow("not a 64-bit little-endian ELF file");
  const other = Buffer.alloc(64);
  other.write("\u007fELF\u0002\u0001", "latin1");
  other.writeUInt16LE(8, 18); // MIPS
  expect(() => linkAtomic(other)).toThrow("no code for ELF machine 8");
});
