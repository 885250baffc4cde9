/** Debian packages without dpkg: an `ar` archive of a version, a control archive and the files. Sources: deb(5), deb-control(5). */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { encodeTar, type TarEntry } from "../tar.ts";
import { debScripts } from "./scripts.ts";

export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  /** As Debian calls it: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly summary: string;
  /** Paragraphs of one line each. */
  readonly description: readonly string[];
  readonly maintainer: string;
  readonly homepage: string | undefined;
  /** Such as `libc6 (>= 2.28)`. */
  readonly depends: readonly string[];
}

/** A file of the package, or a symbolic link to `target`: `path` begins with a slash. */
export type PackageFile = { readonly path: string } & (
  | { readonly mode: number; readonly bytes: Uint8Array }
  | { readonly target: string }
);

/** Files that belong to the administrator once they are installed. */
export function isConfiguration({ path }: PackageFile): boolean {
  return path.startsWith("/etc/");
}

/** The bytes of the package: the same files give the same bytes. Its scripts keep `services` in step with it. */
export function encodeDeb(facts: PackageFacts, files: readonly PackageFile[], services: readonly string[]): Uint8Array {
  const sums = files.flatMap((file) =>
    "target" in file || isConfiguration(file)
      ? []
      : [`${createHash("md5").update(file.bytes).digest("hex")}  ${file.path.slice(1)}\n`],
  );
  const configuration = files.filter(isConfiguration).map(({ path }) => `${path}\n`);
  const control = [
    textEntry("./control", controlText(facts, files)),
    textEntry("./md5sums", sums.join("")),
    ...(configuration.length > 0 ? [textEntry("./conffiles", configuration.join(""))] : []),
    ...Object.entries(debScripts(services)).map(([name, text]) => textEntry(`./${name}`, text, 0o755)),
  ];
  return encodeAr([
    ["debian-binary", Buffer.from("2.0\n")],
    ["control.tar.gz", gzipped(control)],
    ["data.tar.gz", gzipped(withDirectories(files))],
  ]);
}

function controlText(facts: PackageFacts, files: readonly PackageFile[]): string {
  const kibibytes = Math.ceil(files.reduce((sum, file) => sum + ("target" in file ? 0 : file.bytes.length), 0) / 1024);
  const lines = [
    `Package: ${facts.name}`,
    `Version: ${facts.version}`,
    `Architecture: ${facts.architecture}`,
    `Maintainer: ${facts.maintainer}`,
    `Installed-Size: ${kibibytes}`,
    `Depends: ${facts.depends.join(", ")}`,
    "Section: admin",
    "Priority: optional",
    ...(facts.homepage === undefined ? [] : [`Homepage: ${facts.homepage}`]),
    `Description: ${facts.summary}`,
    ...facts.description.flatMap((paragraph, i) => [...(i > 0 ? [" ."] : []), ` ${paragraph}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function withDirectories(files: readonly PackageFile[]): TarEntry[] {
  const entries = new Map<string, TarEntry>([["./", { path: "./", mode: 0o755, directory: true }]]);
  for (const file of files) {
    const { path } = file;
    for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) {
      const directory = `.${path.slice(0, at + 1)}`;
      entries.set(directory, { path: directory, mode: 0o755, directory: true });
    }
    entries.set(path, { ...("target" in file ? { ...file, mode: 0o777 } : file), path: `.${path}` });
  }
  return [...entries.values()];
}

function textEntry(path: string, text: string, mode = 0o644): TarEntry {
  return { path, mode, bytes: Buffer.from(text) };
}

function gzipped(entries: readonly TarEntry[]): Uint8Array {
  return gzipSync(Buffer.concat(encodeTar(entries)), { level: 9 });
}

function encodeAr(members: readonly (readonly [name: string, bytes: Uint8Array])[]): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const [name, bytes] of members) {
    const [time, user, group, mode] = ["0", "0", "0", "100644"];
    const header = `${name.padEnd(16)}${time.padEnd(12)}${user.padEnd(6)}${group.padEnd(6)}${mode.padEnd(8)}`;
    parts.push(Buffer.from(`${header}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}
