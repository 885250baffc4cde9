/**
 * What `npm pack` puts into the package: an allow-list, so that nothing that a command has written, such as the keys
 * that the demo recovers, gets into it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const ALLOWED =
  /^(?:dist\/[\w./-]+\.(?:js|map|d\.ts|html|css)|docs\/[\w./-]+\.(?:md|png|svg)|(?:README|CHANGELOG)\.md|LICENSE|package\.json)$/;

test("the package holds what it is made of, and nothing else", () => {
  const out = join(ROOT, "examples/out");
  const wasThere = existsSync(out);
  const key = join(out, "package-test/ca.key");
  mkdirSync(join(out, "package-test"), { recursive: true });
  writeFileSync(key, "-----BEGIN PRIVATE KEY-----\n");
  try {
    const listing = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: ROOT,
      encoding: "utf8",
    });
    const parsed = JSON.parse(listing);
    const [{ files }] = Array.isArray(parsed) ? parsed : Object.values(parsed);
    const paths: string[] = files.map(({ path }: { path: string }) => path);
    expect(paths).toContain("README.md");
    expect(paths.filter((path) => !ALLOWED.test(path))).toEqual([]);
  } finally {
    rmSync(wasThere ? join(out, "package-test") : out, { recursive: true });
  }
});

test("it is built before it is packed, and asks for the Node that the README names", () => {
  const { scripts, engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(scripts.prepack).toBe("npm run build");
  const oldest = engines.node.replace(">=", "");
  for (const page of ["README.md", "docs/install.md"]) {
    const named = [...readFileSync(join(ROOT, page), "utf8").matchAll(/Node (\d+(?:\.\d+)?) or newer/g)];
    expect(named.map((match) => match[1])).toContain(oldest);
    expect(new Set(named.map((match) => match[1])).size).toBe(1);
  }
});
