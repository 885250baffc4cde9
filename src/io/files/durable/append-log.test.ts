import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { continueAppendLog, createAppendLog } from "./append-log.ts";

test("lines stay in order, those that last and those that are noted, over several runs", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-log-"));
  try {
    const path = join(directory, "log");
    const log = createAppendLog(path);
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? log.append(`lasts ${i}`) : log.note(`noted ${i}`))),
    );
    expect(readFileSync(path, "utf8").split("\n")).toHaveLength(51);
    await log.note("alone");
    expect(readFileSync(path, "utf8")).toMatch(/alone\n$/); // also while the log is open
    await log.close();
    const more = continueAppendLog(path);
    await more.append("last");
    await more.close();
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(lines.slice(0, 2)).toEqual(["lasts 0", "noted 1"]);
    expect(lines.slice(-2)).toEqual(["alone", "last"]);
    expect(lines).toHaveLength(52);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
