/** Every link inside the documentation leads somewhere: the file exists, and so does the heading in it. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { allPages, anchorsOf, prose, ROOT, readPage, slugOf } from "./markdown.ts";

/** Undefined where it leads somewhere. */
function fault(from: string, target: string): string | undefined {
  const [file, anchor] = target.split("#", 2) as [string, string | undefined];
  const path = file === "" ? from : normalize(join(dirname(from), decodeURIComponent(file)));
  if (path.startsWith("..")) return "leads out of the project";
  if (!existsSync(join(ROOT, path))) return "no such file";
  if (anchor === undefined) return undefined;
  if (!path.endsWith(".md")) return "an anchor of what is no page";
  const anchors = known.get(path) ?? anchorsOf(readPage(path));
  known.set(path, anchors);
  return anchors.has(anchor) ? undefined : "no such heading";
}
const known = new Map<string, ReadonlySet<string>>();

test("links, images and anchors of every page", () => {
  const faults: string[] = [];
  let seen = 0;
  for (const page of allPages()) {
    // A link's text may go over the end of a line.
    const text = prose(page)
      .map((each) => each.text)
      .join("\n");
    for (const match of text.matchAll(/(?:\]\(|^\[[^\]]+\]: )([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)?/gm)) {
      const target = match[1]!;
      if (/^[a-z]+:/.test(target)) continue;
      seen++;
      const line = text.slice(0, match.index).split("\n").length;
      const what = fault(page.path, target);
      if (what !== undefined) faults.push(`${page.path}:${line}: ${target}: ${what}`);
    }
  }
  expect(faults).toEqual([]);
  expect(seen).toBeGreaterThan(200);
});

test("pages that the program and its files name", () => {
  const sources = globSync("{src,deploy,testbed,examples,tools,.github}/**/*.{ts,yaml,yml,md,json,service}", {
    cwd: ROOT,
    exclude: ["**/*.test.ts"],
  });
  const faults = sources.flatMap((path) =>
    [...readFileSync(join(ROOT, path), "utf8").matchAll(/\bdocs\/[\w./-]+\.md(?:#[\w-]+)?/g)].flatMap(([target]) => {
      const what = fault("README.md", target);
      return what === undefined ? [] : [`${path}: ${target}: ${what}`];
    }),
  );
  expect(faults).toEqual([]);
});

test("the site gives headings the anchors that links name", async () => {
  const { slugOf: slugOfSite } = (await import(join(ROOT, "site/slug.js"))) as { slugOf: typeof slugOf };
  for (const heading of [
    "A `code` and a [link](x.md#y), too",
    "It runs, but is NotReady",
    "etcd's quorum",
    "1. Ünïcode_x-y",
  ])
    expect(slugOfSite(heading)).toBe(slugOf(heading));
});
