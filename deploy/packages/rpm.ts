/** RPM packages by rpmbuild, which must be installed (Debian and Fedora: rpm, rpm-build). */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isConfiguration, type PackageFacts, type PackageFile } from "./deb.ts";
import { rpmScripts } from "./scripts.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = { amd64: "x86_64", arm64: "aarch64" };

interface RpmOptions {
  /** Units of systemd that the package's scripts keep in step with it. */
  readonly services: readonly string[];
  /** In seconds since the epoch. */
  readonly time: number;
}

/** Writes the package into `folder` and returns its file name. Throws what rpmbuild says. */
export function writeRpm(
  folder: string,
  facts: PackageFacts,
  files: readonly PackageFile[],
  { services, time }: RpmOptions,
): string {
  const top = mkdtempSync(join(tmpdir(), "kubemend-rpm-"));
  try {
    for (const file of files) {
      const path = join(top, "root", file.path);
      mkdirSync(dirname(path), { recursive: true });
      if ("target" in file) symlinkSync(file.target, path);
      else writeFileSync(path, file.bytes, { mode: file.mode });
    }
    writeFileSync(join(top, "kubemend.spec"), specText(facts, files, services, join(top, "root")));
    const defines = [
      ["_topdir", join(top, "build")],
      ["_build_id_links", "none"],
      ["_buildhost", "localhost"],
      ["use_source_date_epoch_as_buildtime", "1"],
      ["clamp_mtime_to_source_date_epoch", "1"],
      // The executable carries its program after its sections: nothing may strip or compress it.
      ["__os_install_post", "%{nil}"],
      ["debug_package", "%{nil}"],
    ].flatMap(([name, value]) => ["--define", `${name} ${value}`]);
    const target = ["--target", ARCHITECTURES[facts.architecture] ?? facts.architecture];
    execFileSync("rpmbuild", ["-bb", "--quiet", ...target, ...defines, join(top, "kubemend.spec")], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const packages = join(top, "build/RPMS");
    const name = readdirSync(packages, { recursive: true, encoding: "utf8" }).find((each) => each.endsWith(".rpm"));
    if (name === undefined) throw new Error(`rpmbuild left no package in ${packages}`);
    copyFileSync(join(packages, name), join(folder, name.slice(name.lastIndexOf("/") + 1)));
    return name.slice(name.lastIndexOf("/") + 1);
  } finally {
    rmSync(top, { recursive: true });
  }
}

function fileLine(file: PackageFile): string {
  if ("target" in file) return `"${file.path}"`;
  const configuration = isConfiguration(file) ? "%config(noreplace) " : "";
  return `%attr(${file.mode.toString(8)}, root, root) ${configuration}"${file.path}"`;
}

/** Folders that are the package's alone: they go with it. */
function directoryLines(files: readonly PackageFile[]): string[] {
  const own = files.flatMap(({ path }) => {
    const parents = path.split("/").map((_, i, parts) => parts.slice(0, i).join("/"));
    return parents.filter((parent) => parent.includes("/kubemend"));
  });
  return [...new Set(own)].map((path) => `%dir %attr(755, root, root) "${path}"`);
}

function specText(
  facts: PackageFacts,
  files: readonly PackageFile[],
  services: readonly string[],
  root: string,
): string {
  return `Name: ${facts.name}
Version: ${facts.version}
Release: 1
Summary: ${facts.summary}
License: Apache-2.0
${facts.homepage === undefined ? "" : `URL: ${facts.homepage}\n`}Requires: glibc >= 2.28, libstdc++, libgcc
AutoReqProv: no

%description
${facts.description.join("\n\n")}

%install
mkdir -p %{buildroot}
cp -a ${root}/. %{buildroot}/

%files
${[...directoryLines(files), ...files.map(fileLine)].join("\n")}

${rpmScripts(services)}`;
}
