/** RPM packages by rpmbuild, which must be installed (Debian and Fedora: rpm, rpm-build). */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PackageFacts, PackageFile } from "./deb.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = { amd64: "x86_64", arm64: "aarch64" };

/** Writes the package into `folder` and returns its file name. `time` is in seconds since the epoch. Throws what rpmbuild says. */
export function writeRpm(folder: string, facts: PackageFacts, files: readonly PackageFile[], time: number): string {
  const top = mkdtempSync(join(tmpdir(), "kubemend-rpm-"));
  try {
    for (const { path, mode, bytes } of files) {
      mkdirSync(dirname(join(top, "root", path)), { recursive: true });
      writeFileSync(join(top, "root", path), bytes, { mode });
    }
    writeFileSync(join(top, "kubemend.spec"), specText(facts, files, join(top, "root")));
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

function fileLine({ path, mode }: PackageFile): string {
  const configuration = path.startsWith("/etc/") ? "%config(noreplace) " : "";
  return `%attr(${mode.toString(8)}, root, root) ${configuration}"${path}"`;
}

function specText(facts: PackageFacts, files: readonly PackageFile[], root: string): string {
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
${files.map(fileLine).join("\n")}
`;
}
