/**
 * Every file under `test/transcripts` is run and compared as a whole (the format: `transcript.ts`). `UPDATE_TRANSCRIPTS=1 npm test --
 * test/transcripts.test.ts` writes what came back into the files instead: read the diff before you commit it.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTranscript } from "./transcript.ts";

const FOLDER = join(import.meta.dirname, "transcripts");
process.chdir(join(import.meta.dirname, "fixtures")); // where the paths of a transcript start

const files = globSync("**/*.txt", { cwd: FOLDER }).sort();

test.each(files)("%s", async (file) => {
  const path = join(FOLDER, file);
  const text = readFileSync(path, "utf8");
  const actual = await runTranscript(text);
  if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(path, actual);
  else expect(actual).toBe(text);
});

test("there are transcripts", () => expect(files.length).toBeGreaterThan(0));
