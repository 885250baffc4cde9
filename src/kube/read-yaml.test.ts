import { expect, test } from "vitest";
import { parse } from "yaml";
import { readYaml, readYamlDocuments, YamlFault } from "./read-yaml.ts";

test("the first document counts, and of two fields the last", () => {
  expect(readYaml("a: 1\n---\nb: 2\n")).toEqual({ a: 1 });
  expect(readYaml("---\n# comment\n---\na: 1\n...\nrubbish: [\n")).toEqual({ a: 1 });
  expect(readYaml("%YAML 1.1\n---\na: 1\n")).toEqual({ a: 1 });
  expect(readYaml("a: 1\na: 2\n")).toEqual({ a: 2 });
  expect(readYaml("--- {a: 1}\n---\nb: 2")).toEqual({ a: 1 });
  expect(readYaml("")).toBeUndefined();
  expect(readYaml("# nothing\n")).toBeUndefined();
  expect(readYaml("text: |\n  ---x\n  b\n")).toEqual({ text: "---x\nb\n" });
  expect(readYamlDocuments("a: 1\n---\nb: 2\n")).toEqual([{ a: 1 }, { b: 2 }]);
});

test("YAML 1.1 unless 1.2 is asked for, and JSON", () => {
  expect(readYaml("a: yes")).toEqual({ a: true });
  expect(readYaml("a: yes", { version: "1.2" })).toEqual({ a: "yes" });
  // As Go reads it: times and numbers of base 60 are text.
  expect(readYaml("a: 2026-01-02\nb: 12:30\nc: 1:2:3.5\nd: 017")).toEqual({
    a: "2026-01-02",
    b: "12:30",
    c: "1:2:3.5",
    d: 15,
  });
  expect(readYaml('{"a": ["x", 1.5, null]}')).toEqual({ a: ["x", 1.5, null] });
  expect(readYaml("{a: [x]}")).toEqual({ a: ["x"] });
});

test("a field that is given twice is a fault where that is asked for", () => {
  expect(() => readYaml("a: 1\nb:\n  c: 1\n  c: 2\n", { repeated: "fault" })).toThrow(/given twice in line 4/);
});

test("a fault names its line, and nothing of the file", () => {
  for (const text of [
    "token: SECRET\n key: SECRET",
    "a: SECRET: SECRET",
    '"SECRET',
    "a: [SECRET",
    "*SECRET",
    "\tSECRET: 1",
  ]) {
    let fault: unknown;
    try {
      readYaml(text);
    } catch (error) {
      fault = error;
    }
    expect(fault, text).toBeInstanceOf(YamlFault);
    expect((fault as Error).message, text).not.toContain("SECRET");
  }
});

const HOSTILE: Readonly<Record<string, string>> = {
  "question marks in a line": `a:\n  ${"? ".repeat(400)}\n`,
  "question marks in lines": Array.from({ length: 400 }, (_, i) => `${" ".repeat(i)}?`).join("\n"),
  "question marks in braces": `a: ${"{? ".repeat(400)}${"}".repeat(400)}`,
  anchors: Array.from({ length: 20_000 }, (_, i) => `k${i}: &a${i} 1`).join("\n"),
  aliases: `a: &a 1\n${Array.from({ length: 20_000 }, (_, i) => `k${i}: *a`).join("\n")}`,
  tags: Array.from({ length: 20_000 }, (_, i) => `k${i}: !x${i} 1`).join("\n"),
  "aliases of aliases": `a: &a [x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f", "g"]
    .map(
      (key, i) =>
        `${key}: &${key} [${Array(9)
          .fill(`*${String.fromCharCode(97 + i)}`)
          .join(",")}]`,
    )
    .join("\n")}`,
  brackets: `a: ${"[".repeat(5000)}${"]".repeat(5000)}`,
  "too long": `a: ${"x".repeat(3 << 20)}`,
};

test.each(Object.entries(HOSTILE))("what would keep the library busy is refused: %s", (_, text) => {
  expect(() => readYaml(text)).toThrow(YamlFault);
});

test("150,000 keys are read, and none of them is compared with all others", () => {
  const text = Array.from({ length: 150_000 }, (_, i) => `k${i}: 1`).join("\n");
  expect(Object.keys(readYaml(text) as object)).toHaveLength(150_000);
});

test("text that looks like anchors, aliases and tags is none", () => {
  const script = Array.from({ length: 3000 }, (_, i) => `a && b & c *x ! y ${i}`);
  const text = `data:\n  run: |\n${script.map((line) => `    ${line}\n`).join("")}`;
  expect(readYaml(text)).toEqual({ data: { run: script.map((line) => `${line}\n`).join("") } });
});

test("many long keys beside each other are no danger: Go writes each with a question mark", () => {
  const keys = Array.from({ length: 2000 }, (_, i) => `k${i}-${"x".repeat(200)}`);
  const text = `data:\n${keys.map((key) => `  ? ${key}\n  : value\n`).join("")}`;
  expect(Object.keys((readYaml(text) as { data: object }).data)).toEqual(keys);
});

test("ordinary files read as the library reads them", () => {
  const text = "a: &x {b: [1, 'two', \"three\"]}\nc: *x\nd: |\n  text\n? e\n: f\ng: !!str 5\n";
  expect(readYaml(text, { version: "1.2" })).toEqual(parse(text));
});

test("a hundred thousand marks of documents are passed over once", () => {
  expect(readYaml(`${"---\n".repeat(200_000)}a: 1\n`)).toEqual({ a: 1 });
  expect(readYaml(`${"# note\n---\n".repeat(100_000)}a: 1\n...\nb: [`)).toEqual({ a: 1 });
});

test("what is not refused is ended by a deadline, and reading works afterwards", () => {
  const text = Array.from({ length: 50_000 }, (_, i) => `k${i}: {a: [1, x]}`).join("\n");
  const time = { milliseconds: 5, hearsInterrupt: false };
  expect(() => readYaml(text, { time })).toThrow(new YamlFault("it takes longer than 0.005 s to read"));
  expect(Object.keys(readYaml(text) as object)).toHaveLength(50_000);
});

test.each([
  "<<: 5",
  "a: &b [1]\n<<: *b",
  "<<: [1, {a: b}]",
  "!!set {a: 1}",
  "!!omap [{a: 1}, {a: 2}]",
  "!!omap [{a: 1}, 5]",
  "!!pairs 5",
  "!!timestamp 5",
  "!!binary [1]",
])("a merge key or a tag before what it cannot take is a fault: %j", (text) => {
  let fault: unknown;
  try {
    readYaml(text);
  } catch (error) {
    fault = error;
  }
  if (fault !== undefined) expect(fault).toBeInstanceOf(YamlFault);
});

test("a merge key that merges nothing is a fault", () => {
  expect(() => readYaml("<<: 5")).toThrow("a merge key (<<) or a tag stands before what it cannot take");
});
