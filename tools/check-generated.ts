/**
 * Says whether every generated file is what its generator would write today, as far as that can be told without the network: always that
 * no table was edited by hand and that the generator's own inputs are those it last ran with; and, where the Go types are at hand
 * (`.cache/` or KUBERNETES_TYPES), that generating again gives the same bytes.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isPageCurrent } from "../bench/page.ts";
import { auditPage } from "../src/cli/permissions/audit-lines.ts";
import { codesPage } from "../src/cli/reports/codes-text.ts";
import { directoriesOf, generate, inputHash, type Manifest, sha256, TABLES } from "./generate-tables.ts";

function checkTables(): { problems: string[]; depth: string } {
  const path = join(TABLES, "manifest.json");
  if (!existsSync(path)) return { problems: ["src/storage/tables/manifest.json is missing"], depth: "" };
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  const problems: string[] = [];
  for (const [name, expected] of Object.entries(manifest.tables)) {
    const file = join(TABLES, name);
    if (!existsSync(file)) problems.push(`src/storage/tables/${name} is missing`);
    else if (sha256(readFileSync(file)) !== expected) problems.push(`src/storage/tables/${name} was edited by hand`);
  }
  if (inputHash() !== manifest.inputs.tools)
    problems.push("the generator changed since src/storage/tables was generated");
  const directories = directoriesOf(false);
  if (!directories) return { problems, depth: "by recorded SHA-256" };
  for (const [name, text] of generate(directories).files) {
    const file = join(TABLES, name);
    if (!existsSync(file) || readFileSync(file, "utf8") !== text)
      problems.push(`src/storage/tables/${name} differs from what the generator writes`);
  }
  return { problems, depth: "generated again from the Go types" };
}

/** The pages that are made from the code. */
function checkPages(): string[] {
  const isCurrent = (name: string, text: string): boolean => {
    const page = join(import.meta.dirname, "../docs", name);
    return existsSync(page) && readFileSync(page, "utf8") === text;
  };
  return [
    ...(isCurrent("codes.md", codesPage()) ? [] : ["docs/codes.md is not what the codes in src/errors say"]),
    ...(isCurrent("audit-lines.md", auditPage())
      ? []
      : ["docs/audit-lines.md is not what src/cli/permissions/audit-lines.ts says"]),
    ...(isPageCurrent() ? [] : ["docs/performance.md is not what bench/results.json says: run npm run bench:page"]),
  ];
}

const { problems, depth } = checkTables();
problems.push(...checkPages());
for (const problem of problems) console.error(`error: ${problem}`);
if (problems.length > 0) {
  console.error("hint: run npm run generate and commit what it writes");
  process.exitCode = 1;
} else console.log(`generated files are as their generator writes them (${depth})`);
