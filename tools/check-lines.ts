/**
 * `npm run check:lines`: no line of code or prose is longer than 140 characters. Left out are what cannot be wrapped:
 * rows of tables and blocks of output in Markdown, and a line that is one word, such as an address.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const MOST = 140;
const ROOT = join(import.meta.dirname, "..");
const GENERATED = /^(src\/storage\/tables|test\/fixtures|test\/transcripts)\//;

function longLines(file: string): string[] {
  const isProse = file.endsWith(".md");
  let isBlock = false;
  return readFileSync(join(ROOT, file), "utf8")
    .split("\n")
    .flatMap((line, index) => {
      if (isProse && /^\s*(```|~~~)/.test(line)) isBlock = !isBlock;
      const stays = isProse && (isBlock || /^\s*\|/.test(line));
      if (line.length <= MOST || stays || !line.trim().includes(" ")) return [];
      return [`${file}:${index + 1}: ${line.length} characters, expected at most ${MOST}`];
    });
}

const files = execFileSync("git", ["ls-files", "*.ts", "*.tsx", "*.md"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && !GENERATED.test(file));
const found = files.flatMap(longLines);
if (found.length > 0) {
  process.stderr.write(`${found.join("\n")}\n${found.length} lines are too long\n`);
  process.exitCode = 1;
}
