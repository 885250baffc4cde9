import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import { escapeText } from "../../errors/unsafe-text.ts";
import { printYaml } from "../../storage/yaml-text.ts";
import { hanging, lineOf, oneLine } from "./escape.ts";
import { createPrinter } from "./printer.ts";
import { styled } from "./styled.ts";

/** Of every kind that steers, hides or reorders. */
const HOSTILE = [
  "\u0000\u0007\b\f\r\u001b[31m\u001b]0;title\u0007",
  "\u007f\u0085\u009b31m\u009d0;title\u009c",
  "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
  "\u200b\u2028\u2029\u2060\u2064\ufeff\ufffb\u{e0001}\u{e0041}",
];
const STEERS = /[^\P{C}\n\t\u200c\u200d]|[\u2028\u2029]/u;

test("what steers a terminal is escaped; text of every script stays", () => {
  for (const text of HOSTILE) expect(escapeText(text)).toMatch(/^(\\[bfr]|\\u[0-9a-f]{4}|[[\]0-9a-z;])+$/);
  const good = "Grüße, καλημέρα, שלום, 你好, नमस्ते, 👩‍🚒\n\ttabs and line feeds";
  expect(escapeText(good)).toBe(good);
  expect(oneLine("a\nerror: b\tc\u001b")).toBe("a\\nerror: b\\tc\\u001b");
  expect(lineOf`node ${"a\nhint: rm"} has ${3}`).toBe("node a\\nhint: rm has 3\n");
  expect(hanging("a\nerror: b")).toBe("a\n  error: b");
});

const anything = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...HOSTILE.flatMap((text) => [...text]), "\n", "\t", '"', "\\"),
    fc.string({ unit: "binary" }),
  ),
});

test("nothing that steers passes, whatever the text", () => {
  fc.assert(
    fc.property(anything, (text) => {
      expect(escapeText(text.toWellFormed()).replace(/[\p{Cn}\p{Co}\u00ad]|\p{Cf}/gu, "")).not.toMatch(STEERS);
      expect(oneLine(text)).not.toMatch(/[\n\t]/);
    }),
  );
});

test("JSON means the same behind the edge, and YAML is not changed by it", () => {
  fc.assert(
    fc.property(fc.dictionary(anything, anything), (value) => {
      expect(JSON.parse(escapeText(JSON.stringify(value)))).toEqual(JSON.parse(JSON.stringify(value)));
      const yaml = printYaml(value);
      expect(escapeText(yaml)).toBe(yaml);
    }),
  );
});

test("a colour is ours, what it colours is not; without a terminal nothing moves", async () => {
  const write = async (isTTY: boolean, env = {}) => {
    let all = "";
    const sink = {
      isTTY,
      columns: 12,
      write: async (text: string) => {
        all += text;
      },
    };
    const printer = createPrinter(sink, env, (text) => text);
    await printer.write([styled("error", "x\u001b[0m"), ["\u009b1m", "\n"]]);
    await printer.moveLine("a line that is\nlong");
    await printer.clearLine();
    await printer.clearScreen();
    return all;
  };
  const ESC = "\u001b";
  const moves = `\r${"a line that"}${ESC}[K\r${ESC}[K${ESC}[H${ESC}[2J`;
  expect(await write(true)).toBe(`${ESC}[1;31mx\\u001b[0m${ESC}[0m\\u009b1m\n${moves}`);
  expect(await write(true, { NO_COLOR: "1" })).toBe(`x\\u001b[0m\\u009b1m\n${moves}`);
  expect(await write(false)).toBe("x\\u001b[0m\\u009b1m\n");
});

test("there is one edge: no other file has an escape sequence or the process's streams", () => {
  const src = join(import.meta.dirname, "../..");
  const others = globSync("**/*.ts", { cwd: src }).filter(
    (file) =>
      !file.endsWith(".test.ts") &&
      !file.startsWith("cli/terminal/printer") &&
      file !== "errors/unsafe-text.ts" &&
      file !== "cli/main.ts",
  );
  expect(others.length).toBeGreaterThan(100);
  const wrong = others.filter((file) =>
    /\\u001b|\\x1b|\\u009b|\\e\[|process\.(stdout|stderr)|console\./.test(readFileSync(join(src, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});
