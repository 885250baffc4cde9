import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { newerFiles } from "./newer-files.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "kubemend-newer-"));
afterAll(() => rmSync(DIRECTORY, { recursive: true }));
const HOUR = 3_600_000;
const KEPT = Date.parse("2026-11-29T10:00:00Z");

function file(name: string, time: number): string {
  const path = join(DIRECTORY, name);
  writeFileSync(path, "");
  utimesSync(path, time / 1000, time / 1000);
  return path;
}

function found(paths: readonly string[]): string[] {
  const text = execFileSync("sh", ["-c", newerFiles(paths, KEPT)], { encoding: "utf8" });
  return text.split("\n").filter((line) => line !== "");
}

test("files that changed later, in folders too, and none of those that were kept", () => {
  mkdirSync(join(DIRECTORY, "pki"));
  file("old", KEPT - HOUR);
  file("kept-a-moment-later", KEPT + 60_000);
  file("pki/ca.crt", KEPT - HOUR);
  expect(found([DIRECTORY, join(DIRECTORY, "none")])).toEqual([]);
  const renewed = file("pki/apiserver.crt", KEPT + HOUR);
  const config = file("config.yaml", KEPT + HOUR);
  expect(found([join(DIRECTORY, "none"), join(DIRECTORY, "pki"), config]).sort()).toEqual([config, renewed]);
});
