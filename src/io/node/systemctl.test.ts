import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemctl } from "./systemctl.ts";

const ERRORS = { code: "service-failed", hint: "look" } as const;
const { PATH } = process.env;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-systemctl-"));
  process.env.PATH = `${directory}${delimiter}${PATH}`;
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(directory, { recursive: true });
});

function install(script: string): void {
  const path = join(directory, "systemctl");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

test("what it prints, and what it complains of", async () => {
  install('[ "$1" = show ] && echo LoadState=loaded || { echo "no such unit" >&2; exit 5; }');
  expect(await systemctl(["show", "etcd"], ERRORS)).toBe("LoadState=loaded\n");
  const failed = systemctl(["start", "etcd"], ERRORS);
  await expect(failed).rejects.toMatchObject({ code: "service-failed", hint: "look" });
  await expect(failed).rejects.toThrow("systemctl start etcd fails: no such unit");
});

test("a unit that has for ever to stop is not waited for as long", async () => {
  install("exec sleep 600");
  await expect(systemctl(["stop", "etcd"], ERRORS, 200)).rejects.toMatchObject({
    code: "timeout",
    message: "systemctl stop etcd has not ended within 0.2 s",
    hint: expect.stringContaining("systemctl kill --signal=SIGKILL etcd"),
  });
});
