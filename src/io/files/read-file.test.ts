import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readBytes, readTextFile } from "./read-file.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-read-"));
  path = join(directory, "file");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("a file, and a link to one", () => {
  writeFileSync(path, "text");
  symlinkSync("file", join(directory, "link"));
  expect([readTextFile(path), readTextFile(join(directory, "link"))]).toEqual(["text", "text"]);
  expect(() => readTextFile(path, 3)).toThrow(/has 4 bytes, too many/);
  writeFileSync(path, Buffer.from([0xff, 0x00]));
  expect(() => readTextFile(path)).toThrow(/not a text file/);
  expect(readBytes(path)).toEqual(Buffer.from([0xff, 0x00]));
});

describe.runIf(process.platform !== "win32")("what is no file", () => {
  test("a directory, a socket, a device without an end", async () => {
    mkdirSync(path);
    expect(() => readBytes(path)).toThrow(expect.objectContaining({ code: "not-a-file", hint: "give a file" }));
    const server = createServer().listen(join(directory, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    expect(() => readBytes(join(directory, "socket"))).toThrow(/is not a regular file/);
    server.close();
    for (const device of ["/dev/null", "/dev/zero"]) expect(() => readBytes(device)).toThrow(/is not a regular file/);
  });

  test("a pipe that nobody writes into holds nothing up", () => {
    expect(spawnSync("mkfifo", [path]).status).toBe(0);
    expect(() => readBytes(path)).toThrow(/is a pipe, and nothing comes out of it/);
  });

  test("a pipe is read to its end, as a shell gives one, but not for ever", () => {
    const reader = `
      const { readTextFile } = await import(process.argv[1]);
      try { console.log(readTextFile("/dev/stdin", 1000)); } catch (error) { console.log(error.message); }`;
    const node = `"${process.execPath}" --input-type=module -e "$READER" "${join(import.meta.dirname, "read-file.ts")}"`;
    const run = (script: string): string =>
      spawnSync("sh", ["-c", script], { env: { ...process.env, READER: reader }, encoding: "utf8" }).stdout;
    expect(run(`{ echo first; echo last; } | ${node}`)).toBe("first\nlast\n\n");
    expect(run(`yes | ${node}`)).toMatch(/is a pipe with more than 1000 bytes/);
  });
});
