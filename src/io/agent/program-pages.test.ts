import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { canReleaseProgramPages, releasable, releaseProgramPages } from "./program-pages.ts";

const mapping = (head: string, anonymous = 0): string =>
  `${head}\nSize:                 64 kB\nRss:                  40 kB\nAnonymous:            ${anonymous} kB\nVmFlags: rd ex mr mw me\n`;

describe("mappings that are given back", () => {
  const program = "/usr/bin/program";
  const head = `7f0000001000-7f0000003000 r-xp 00001000 fe:00 1234                       ${program}`;

  test("code and constants of the program", () => {
    expect(releasable(mapping(head), program)).toEqual([{ start: 0x7f0000001000n, length: 0x2000n }]);
    expect(releasable(mapping(head.replace("r-xp", "r--p")) + mapping(head), program)).toHaveLength(2);
  });

  test.each([
    ["what is written", mapping(head.replace("r-xp", "rw-p"))],
    ["what is shared", mapping(head.replace("r-xp", "r-xs"))],
    ["where a page was changed before it became read-only, as relocations are", mapping(head, 4)],
    ["what is of another file, which may be unmapped meanwhile", mapping(head.replace(program, "/lib/libc.so.6"))],
    ["what is of no file", mapping("7f0000001000-7f0000003000 r-xp 00000000 00:00 0 ")],
    [
      "what the kernel brings",
      mapping("7fff00001000-7fff00003000 r-xp 00000000 00:00 0                          [vdso]"),
    ],
    ["what does not tell", head],
  ])("not %s", (_, smaps) => {
    expect(releasable(smaps, program)).toEqual([]);
  });
});

test.skipIf(!canReleaseProgramPages())("a process continues, with less of its program resident", () => {
  const resident = () => Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  const before = resident();
  releaseProgramPages();
  expect(resident()).toBeLessThan(before / 2);
  expect(JSON.parse(JSON.stringify({ still: ["works", 1.5] }))).toEqual({ still: ["works", 1.5] });
});
