/**
 * Arrows point one way (docs/architecture.md): cli -> operations -> io, and a pure folder imports only the pure folders
 * before it. This test walks the imports and fails with a sentence for each wrong one.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";
import { INNER_FOLDERS, PURE_FOLDERS as PURE } from "./folders.ts";

const SRC = join(import.meta.dirname, "../src");
/**
 * What a pure folder may import from outside: computation only. `node:vm` compiles decoders and ends computations in
 * time; none touches a file, a socket or a clock.
 */
const PURE_PACKAGES = new Set([
  "@noble/ciphers",
  "@peculiar/x509",
  "reflect-metadata",
  "yaml",
  "zod",
  "node:crypto",
  "node:util",
  "node:vm",
]);
const EDGE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  browser: PURE,
  io: PURE,
  snapshot: [...PURE, "io"],
  operations: [...PURE, "io", "snapshot"],
  cli: [...PURE, "snapshot", "operations"],
};

function imports(file: string): string[] {
  const text = readFileSync(join(SRC, file), "utf8");
  return [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g)].map((match) => match[1]!);
}

function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function wrongImports(file: string): string[] {
  const folder = file.split("/")[0]!;
  const wrong: string[] = [];
  for (const specifier of imports(file)) {
    if (!specifier.startsWith(".")) {
      const name = packageOf(specifier);
      const isLoader = file === "checksum/crc32c.ts" && ["node:module", "@node-rs/crc32"].includes(name);
      if (PURE.includes(folder) && !PURE_PACKAGES.has(name) && !isLoader)
        wrong.push(`${file} must not import ${specifier}`);
      continue;
    }
    const target = relative(SRC, normalize(join(SRC, dirname(file), specifier)));
    if (!target.includes("/") || target.startsWith("..")) continue; // errors.ts, package.json
    const to = target.split("/")[0]!;
    if (to === folder) {
      wrong.push(...wrongWithin(folder, file, target));
      continue;
    }
    const allowed = PURE.includes(folder) ? PURE.slice(0, PURE.indexOf(folder)) : EDGE_MAY_IMPORT[folder];
    if (allowed && !allowed.includes(to)) wrong.push(`${file} must not import ${target}`);
  }
  return wrong;
}

/** Within io/ and operations/ arrows point one way too. */
function wrongWithin(folder: string, file: string, target: string): string[] {
  const order = INNER_FOLDERS[folder];
  const [from = "", to = ""] = [file, target].map((path) => path.split("/")[1]);
  if (order === undefined || from === to) return [];
  const unknown = [from, to].filter((each) => !order.includes(each));
  if (unknown.length > 0) return unknown.map((each) => `${folder}/${each} has no place in test/folders.ts`);
  return order.indexOf(to) < order.indexOf(from) ? [] : [`${file} must not import ${target}`];
}

/** The process belongs to the edges: what comes from it is an argument elsewhere. */
function wrongProcess(file: string): string[] {
  if (!/^(operations|snapshot|cli)\//.test(file) || file === "cli/main.ts") return [];
  const code = readFileSync(join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const uses = /(?<![\w.$])process\??\.(?!pid\b|unit\b)[a-z]/.test(code) || code.includes('"node:process"');
  return uses ? [`${file} must not use process`] : [];
}

/** A clock or a process hides in globals, not in imports. */
function wrongGlobals(file: string): string[] {
  if (!PURE.includes(file.split("/")[0]!)) return [];
  const text = readFileSync(join(SRC, file), "utf8");
  return ["Date.now(", "new Date()", "performance.now(", "process.", "setTimeout("]
    .filter((word) => text.includes(word))
    .map((word) => `${file} must not use ${word.replace(/\W+$/, "")}`);
}

/** Takes longer to load than all of kubemend: only by `import()`, by who needs it. */
const SLOW_PACKAGES = ["@peculiar/x509", "reflect-metadata"];

test("what is slow to load is loaded when it is needed", () => {
  const wrong = globSync("**/*.ts", { cwd: SRC }).flatMap((file) => {
    const text = readFileSync(join(SRC, file), "utf8");
    const statics = [...text.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;"]*\bfrom\s*)?"([^"]+)"/gm)];
    return statics
      .filter((match) => SLOW_PACKAGES.includes(packageOf(match[1]!)))
      .map((match) => `${file} must import ${match[1]} by import()`);
  });
  expect(wrong).toEqual([]);
});

test("arrows point one way", () => {
  const files = globSync("**/*.ts", { cwd: SRC }).filter((file) => !file.endsWith(".test.ts"));
  expect(files.length).toBeGreaterThan(3);
  expect(files.flatMap((file) => [...wrongImports(file), ...wrongGlobals(file), ...wrongProcess(file)])).toEqual([]);
});

test("the page imports nothing but itself and its framework", () => {
  const web = join(import.meta.dirname, "../web");
  const wrong = globSync("**/*.{ts,tsx}", { cwd: web })
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) => {
      const text = readFileSync(join(web, file), "utf8");
      const found = [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g)].map((match) => match[1]!);
      const isOwn = (specifier: string) =>
        specifier.startsWith(".") && !normalize(join(dirname(file), specifier)).startsWith("..");
      return found
        .filter((specifier) => !isOwn(specifier) && packageOf(specifier) !== "preact")
        .map((specifier) => `web/${file} must not import ${specifier}`);
    });
  expect(wrong).toEqual([]);
});

/** Types included: what two files both need is a file of its own. */
test("no file imports itself by way of others", () => {
  const targets = new Map<string, string[]>();
  for (const file of globSync("**/*.ts", { cwd: SRC })) {
    if (file.endsWith(".test.ts")) continue;
    const relatives = imports(file).filter((each) => each.startsWith("."));
    targets.set(
      file,
      relatives.map((each) => normalize(join(dirname(file), each))),
    );
  }
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (path.includes(file) || done.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  expect(targets.size).toBeGreaterThan(50);
  for (const file of targets.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

test("YAML is read in one place", () => {
  const readers = globSync("**/*.ts", { cwd: SRC }).filter((file) => {
    if (file.endsWith(".test.ts")) return false;
    const text = readFileSync(join(SRC, file), "utf8");
    const imported = [...text.matchAll(/import\s*\{([^}]*)\}\s*from\s*"yaml"/g)].map((match) => match[1]).join();
    return (
      /\bparse|\bLexer|\bComposer|\bParser/.test(imported) || /import\s*\*.*from "yaml"|import\("yaml"\)/.test(text)
    );
  });
  expect(readers).toEqual(["kube/read-yaml.ts"]);
});
