/**
 * Where the generator's facts come from: Debian's packages of Kubernetes' Go API types, fetched with apt and unpacked under `.cache/`.
 * `KUBERNETES_TYPES` names a directory that holds them already, as `<release>/k8s.io/...`.
 *
 * Run as a program, it fetches what is missing: `node tools/kubernetes-sources.ts`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Source {
  /** The Kubernetes release, as directories and headers name it. */
  readonly release: string;
  readonly suite: string;
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  /** A Debian source package whose orig tarball holds the types under `inside`. */
  readonly fromSource?: { readonly name: string; readonly version: string; readonly inside: string };
}

/** Newest first: where releases disagree, the newest is believed. */
export const SOURCES: readonly Source[] = [
  {
    release: "0.36",
    suite: "sid",
    packages: [
      { name: "golang-k8s-api-dev", version: "0.36." },
      { name: "golang-k8s-apimachinery-dev", version: "0.36." },
      { name: "golang-k8s-apiextensions-apiserver-dev", version: "0.36." },
    ],
  },
  {
    release: "0.32",
    suite: "trixie",
    packages: [
      { name: "golang-k8s-api-dev", version: "0.32." },
      { name: "golang-k8s-apimachinery-dev", version: "0.32." },
    ],
  },
  {
    release: "0.20",
    suite: "bookworm",
    packages: [],
    fromSource: { name: "kubernetes", version: "1.20.", inside: "staging/src/k8s.io" },
  },
];

const ROOT = join(import.meta.dirname, "..");
const CACHE = join(ROOT, ".cache/kubernetes-types");

/** The directory that holds `k8s.io/` of a release, or undefined where it was not fetched. */
export function sourceDirectory(source: Source): string | undefined {
  const given = process.env.KUBERNETES_TYPES;
  const directory = join(given ?? CACHE, source.release);
  return existsSync(join(directory, "k8s.io/api/core/v1/types.go")) ? directory : undefined;
}

/** The package versions that a release's directory was unpacked from, written there by {@link fetchSource}. */
export function sourceVersions(directory: string): string[] {
  const file = join(directory, "VERSIONS");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : ["unknown"];
}

/** The machine's own Debian mirror: the first one that its package sources name. */
function mirror(): { readonly uri: string; readonly keyring: string } {
  const directory = "/etc/apt/sources.list.d";
  for (const file of existsSync(directory) ? readdirSync(directory).sort() : []) {
    const text = readFileSync(join(directory, file), "utf8");
    const uri = /^URIs:\s*(\S+)/m.exec(text)?.[1] ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(text)?.[1];
    if (uri)
      return {
        uri,
        keyring: /^Signed-By:\s*(\S+)/m.exec(text)?.[1] ?? "/usr/share/keyrings/debian-archive-keyring.gpg",
      };
  }
  throw new Error(
    "no Debian mirror is configured in /etc/apt/sources.list.d: set KUBERNETES_TYPES to a directory with the types",
  );
}

/** Fetches and unpacks one release's types with apt, using package lists of its own. */
export function fetchSource(source: Source): string {
  const { uri, keyring } = mirror();
  const apt = join(CACHE, `apt-${source.suite}`);
  for (const part of ["lists/partial", "cache/archives/partial", "download"])
    mkdirSync(join(apt, part), { recursive: true });
  const line = `[signed-by=${keyring}] ${uri} ${source.suite} main`;
  writeFileSync(join(apt, "sources.list"), `deb ${line}\ndeb-src ${line}\n`);
  const options = [
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  const run = (program: string, args: readonly string[], cwd: string) =>
    execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  run("apt-get", [...options, "-q", "update"], apt);
  const staged = join(CACHE, `${source.release}.partial`);
  rmSync(staged, { recursive: true, force: true });
  mkdirSync(staged, { recursive: true });
  const download = join(apt, "download");
  const versions: string[] = [];
  for (const { name, version } of source.packages) {
    run("apt-get", [...options, "-q", "download", name], download);
    const file = newest(download, name, ".deb");
    versions.push(checked(name, version, file.split("_")[1]!));
    run("dpkg", ["-x", join(download, file), join(staged, "root")], download);
  }
  if (source.packages.length > 0) renameSync(join(staged, "root/usr/share/gocode/src/k8s.io"), join(staged, "k8s.io"));
  if (source.fromSource) {
    const { name, version, inside } = source.fromSource;
    run("apt-get", [...options, "-q", "source", "--download-only", name], download);
    const file = newest(download, name, ".orig.tar.gz");
    versions.push(
      checked(
        name,
        version,
        file
          .split("_")[1]!
          .replace(".orig.tar.gz", "")
          .replace(/^.*\+really/, ""),
      ),
    );
    const depth = inside.split("/").length;
    run(
      "tar",
      ["xzf", join(download, file), "-C", staged, `--strip-components=${depth}`, "--wildcards", `*/${inside}/*`],
      download,
    );
  }
  rmSync(join(staged, "root"), { recursive: true, force: true });
  writeFileSync(join(staged, "VERSIONS"), `${versions.join("\n")}\n`);
  const directory = join(CACHE, source.release);
  rmSync(directory, { recursive: true, force: true });
  renameSync(staged, directory);
  return directory;
}

function newest(directory: string, name: string, ending: string): string {
  const file = readdirSync(directory)
    .filter((entry) => entry.startsWith(`${name}_`) && entry.endsWith(ending))
    .sort()
    .at(-1);
  if (!file) throw new Error(`apt-get brought no ${name}*${ending}`);
  return file;
}

function checked(name: string, wanted: string, found: string): string {
  if (!found.startsWith(wanted)) throw new Error(`${name}: expected version ${wanted}*, found ${found}`);
  return `${name} ${found}`;
}

if (process.argv[1] === import.meta.filename) {
  for (const source of SOURCES) {
    const present = sourceDirectory(source);
    console.log(`${source.release}: ${present ?? fetchSource(source)}`);
  }
}
