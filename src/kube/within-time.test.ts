import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TimeIsOver, withinTime } from "./within-time.ts";

const limit = { milliseconds: 20, hearsInterrupt: false };
/** For what ends by itself, however busy the machine is. */
const ample = { ...limit, milliseconds: 60_000 };

test("what is computed is returned, and what is thrown comes through as it is", () => {
  const value = { a: 1 };
  expect(withinTime(ample, () => value)).toBe(value);
  const error = new RangeError("x");
  expect(() =>
    withinTime(ample, () => {
      throw error;
    }),
  ).toThrow(error);
});

test("a loop and a regular expression that do not end are ended", () => {
  expect(() =>
    withinTime(limit, () => {
      for (;;);
    }),
  ).toThrow(TimeIsOver);
  expect(() => withinTime(limit, () => /^(a+)+$/.test(`${"a".repeat(60)}b`))).toThrow(TimeIsOver);
  expect(withinTime(ample, () => 5)).toBe(5);
});

test("SIGINT ends it, and is for the program again afterwards", () => {
  const program = `
    import { spawn } from "node:child_process";
    import { withinTime } from ${JSON.stringify(join(import.meta.dirname, "within-time.ts"))};
    spawn("sh", ["-c", "sleep 0.2; kill -INT " + process.pid], { stdio: "ignore" });
    try {
      withinTime({ milliseconds: 60_000, hearsInterrupt: true }, () => { for (;;); });
    } catch (error) {
      console.log(error.code);
    }
    process.once("SIGINT", () => { console.log("heard"); process.exit(0); });
    setInterval(() => {}, 1000);
    process.kill(process.pid, "SIGINT");
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  expect(stdout, stderr).toBe("interrupted\nheard\n");
});
