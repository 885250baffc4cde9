/**
 * The manifests of krew and Homebrew for all platforms of a release at once, from the archives in a folder, which
 * several machines may have built: `kubemend-VERSION-OS-ARCHITECTURE.tar.gz`. Writes `mend.yaml` and `kubemend.rb` there.
 *
 * usage: node tools/release/collect.ts FOLDER --repository URL
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { type Artifacts, homebrewFormula, krewManifest } from "./manifests.ts";

/** By platform. Throws where there is none. */
export function archivesIn(folder: string, repository: string): Artifacts {
  const { name, version } = packageJson;
  const beginning = `${name}-${version}-`;
  const found = readdirSync(folder).flatMap((file) => {
    const platform = /^(linux|darwin|windows)-(amd64|arm64)(?=\.tar\.gz$)/.exec(file.slice(beginning.length))?.[0];
    if (platform === undefined || !file.startsWith(beginning)) return [];
    const sha256 = createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
    return [[platform, { url: `${repository}/releases/download/v${version}/${file}`, sha256 }] as const];
  });
  if (found.length === 0) throw new Error(`${folder} has no archive ${beginning}OS-ARCHITECTURE.tar.gz`);
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `summary` is that of the packages. */
export function writeManifests(folder: string, repository: string, summary: string): void {
  const described = { version: packageJson.version, summary, homepage: repository };
  const artifacts = archivesIn(folder, repository);
  writeFileSync(join(folder, "mend.yaml"), krewManifest(described, artifacts));
  writeFileSync(join(folder, "kubemend.rb"), homebrewFormula(described, artifacts));
}

if (import.meta.main) {
  const { packageFacts } = await import("../../deploy/packages/contents.ts");
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { repository: { type: "string" } } });
  const [folder] = positionals;
  if (folder === undefined || values.repository === undefined)
    throw new Error("usage: node tools/release/collect.ts FOLDER --repository URL");
  writeManifests(folder, values.repository, packageFacts("amd64", undefined).summary);
}
