/** What `docs/read-a-snapshot.md` shows is what comes back: each console block must be in a transcript. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

test("the guide shows transcripts", () => {
  const transcripts = globSync("test/transcripts/snapshot-get/*.txt", { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n")
    .replace(/^--- .*\n/gm, "")
    .replace(/\S+\/snapshot\.db\.gz/g, "backup.db.gz");
  const guide = readFileSync(join(ROOT, "docs/read-a-snapshot.md"), "utf8");
  const blocks = [...guide.matchAll(/^```console\n(.*?)^```$/gms)].map((match) => match[1]!);
  expect(blocks.length).toBeGreaterThan(4);
  for (const block of blocks) expect(transcripts).toContain(block);
});
