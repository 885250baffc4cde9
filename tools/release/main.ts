/**
 * `npm run release`: everything that a release consists of, in `build/release`, from a clean checkout: npm's package,
 * the executable and its archive, the image, packages for Debian and RPM, the chart, manifests for krew and Homebrew,
 * the bill of materials, provenance, SHA-256 sums, and with a key their signature. The same commit gives the same bytes (but for
 * RPM's, where rpmbuild has another version).
 *
 * usage: node tools/release/main.ts [--repository URL] [--key FILE] [--skip rpm|manifests] [--allow-changes]
 *   --repository  where the sources are, such as https://github.com/OWNER/kubemend; files of a release are at
 * URL/releases/download/vVERSION.
 *                 Provenance and the manifests for krew and Homebrew name it, and are not made without it
 *   --skip        rpm where there is no rpmbuild; manifests where collect.ts makes those of all platforms
 *   --key         an Ed25519 key in PEM (openssl genpkey -algorithm ed25519) that signs SHA256SUMS
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { chartArchive } from "../../deploy/helm/archive.ts";
import { KUBECTL_COMPLETION, packageFacts, packageFiles, SERVICES } from "../../deploy/packages/contents.ts";
import { encodeDeb } from "../../deploy/packages/deb.ts";
import { writeRpm } from "../../deploy/packages/rpm.ts";
import { encodeTar } from "../../deploy/tar.ts";
import packageJson from "../../package.json" with { type: "json" };
import { billOfMaterials } from "./bill-of-materials.ts";
import { writeManifests } from "./collect.ts";
import { publicKeyText, readSigningKey, signature } from "./minisign.ts";
import { provenance } from "./provenance.ts";

const ROOT = join(import.meta.dirname, "../..");
const OUT = join(ROOT, "build/release");
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

const { values } = parseArgs({
  options: {
    key: { type: "string" },
    repository: { type: "string" },
    skip: { type: "string", multiple: true, default: [] },
    "allow-changes": { type: "boolean", default: false },
  },
});

async function release(): Promise<void> {
  const { name, version } = packageJson;
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  const changes = git("status", "--porcelain");
  if (changes !== "" && !values["allow-changes"])
    throw new Error(`a release is made of what is committed, and there are changes:\n${changes}`);
  const commit = git("rev-parse", "HEAD");
  const time = Number(git("log", "-1", "--format=%ct"));
  const date = new Date(time * 1000);
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });

  print("package of npm");
  npm("run", "--silent", "build");
  npm("pack", "--silent", "--ignore-scripts", "--pack-destination", OUT);

  print("executable");
  npm("run", "--silent", "build:exe");
  const executable = join(ROOT, "build/kubemend");
  const platform = `linux-${architecture}`;
  copyFileSync(executable, join(OUT, `${name}-${version}-${platform}`));
  const archive = `${name}-${version}-${platform}.tar.gz`;
  const inArchive = encodeTar([
    { path: "kubemend", mode: 0o755, bytes: readFileSync(executable) },
    { path: "kubectl_complete-mend", mode: 0o755, bytes: Buffer.from(KUBECTL_COMPLETION) },
    { path: "LICENSE", mode: 0o644, bytes: readFileSync(join(ROOT, "LICENSE")) },
  ]);
  write(archive, gzipSync(Buffer.concat(inArchive), { level: 9 }));

  print("image");
  npm("run", "--silent", "build:image", "--", "--out", join(OUT, `${name}-${version}-image-${platform}.tar`));

  print("packages");
  const facts = packageFacts(architecture, values.repository);
  const files = await packageFiles(executable, date.toISOString().slice(0, 10));
  write(`${name}_${version}_${architecture}.deb`, encodeDeb(facts, files, SERVICES));
  if (!values.skip.includes("rpm")) writeRpm(OUT, facts, files, { services: SERVICES, time });

  print("chart");
  write(`${name}-${version}-chart.tgz`, chartArchive());

  print("manifests");
  write(`${name}-${version}.cdx.json`, billOfMaterials(ROOT, name, date));
  const { repository } = values;
  if (repository === undefined)
    console.log("no provenance and no manifests for krew and Homebrew: there is no --repository");
  else {
    if (!values.skip.includes("manifests")) writeManifests(OUT, repository, facts.summary);
    write("provenance.json", provenance(sums(), { repository, commit, version, node: process.version }));
  }
  const text = sums()
    .map((each) => `${each.sha256}  ${each.name}\n`)
    .join("");
  write("SHA256SUMS", text);
  if (values.key === undefined) console.log("not signed: there is no --key");
  else {
    const key = readSigningKey(readFileSync(values.key, "utf8"));
    write("SHA256SUMS.minisig", signature(Buffer.from(text), key, `kubemend ${version}, commit ${commit}`));
    write("kubemend.pub", publicKeyText(key));
  }
  process.stdout.write(text);
}

/** Of all files so far, by name. */
function sums(): readonly { readonly name: string; readonly sha256: string }[] {
  return readdirSync(OUT)
    .sort()
    .map((name) => ({ name, sha256: sha256(name) }));
}

function print(text: string): void {
  console.log(`== ${text}`);
}

function npm(...args: readonly string[]): void {
  execFileSync("npm", args, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
}

function write(name: string, content: string | Uint8Array): void {
  writeFileSync(join(OUT, name), content);
}

function sha256(name: string): string {
  return createHash("sha256")
    .update(readFileSync(join(OUT, name)))
    .digest("hex");
}

await release();
