/**
 * One folder writes (docs/adr/0085): everything else goes through `src/io/files/durable/`. This test reads the imports
 * of Node's file modules, and how files are opened.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../src");
const DURABLE = "io/files/durable/";

/** What changes something, without the `Sync` at its end. */
const WRITES = new Set(
  `appendFile chmod chown copyFile cp createWriteStream fchmod fchown fdatasync fsync ftruncate futimes
   lchown link lutimes mkdir mkdtemp rename rm rmdir symlink
  truncate unlink utimes write writeFile writev`.split(/\s+/),
);
/** Who may nevertheless, and why. */
const EXEMPT: Readonly<Record<string, string>> = {
  "executable/crc32c.ts": "a native module, which is loaded before anything else is, and gone at once",
  "io/node/kubelet-service.ts": "the log of a kubelet that is started again, which the kubelet writes",
};

interface Import {
  readonly names: readonly string[];
  readonly whole: boolean;
}

function fileImports(text: string): Import[] {
  const named = [...text.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"node:fs(?:\/promises)?"/g)];
  const whole =
    /import\s+(?:\*\s+as\s+)?\w+\s+from\s+"node:fs|import\("node:fs|require\("(?:node:)?fs|getBuiltinModule\("(?:node:)?fs/.test(
      text,
    );
  return [
    ...named.map(([, list]) => ({
      names: list!.split(",").map((each) =>
        each
          .trim()
          .replace(/^type\s+/, "")
          .replace(/\s+as\s+.*$/s, ""),
      ),
      whole: false,
    })),
    ...(whole ? [{ names: [], whole: true }] : []),
  ];
}

function wrongs(file: string): string[] {
  const text = readFileSync(join(SRC, file), "utf8");
  const imports = fileImports(text);
  if (imports.length === 0) return [];
  const names = imports.flatMap((each) => each.names);
  const wrong = names
    .filter((name) => WRITES.has(name.replace(/Sync$/, "")))
    .map((name) => `${file} calls ${name}: only ${DURABLE} may`);
  if (imports.some(({ whole }) => whole)) wrong.push(`${file} imports all of node:fs: name what it needs`);
  if (names.some((name) => name === "open" || name === "openSync")) {
    for (const [call] of text.matchAll(/\bopen(?:Sync)?\([^;]*?\)/g)) {
      if (/"(?:[wa]|r\+)|O_WRONLY|O_RDWR|O_CREAT|O_APPEND|O_TRUNC/.test(call))
        wrong.push(`${file} opens a file to write: ${call}`);
    }
  }
  return wrong;
}

test("one folder writes files", () => {
  const files = globSync("**/*.ts", { cwd: SRC }).filter(
    (file) => !file.endsWith(".test.ts") && !file.startsWith(DURABLE),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => EXEMPT[file] === undefined).flatMap(wrongs)).toEqual([]);
  for (const file of Object.keys(EXEMPT)) expect(wrongs(file), `${file} needs no exemption`).not.toEqual([]);
});
