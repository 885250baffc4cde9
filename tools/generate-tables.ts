/**
 * Writes `src/storage/tables/`: the fields of every message that Kubernetes 1.6 and later stores, and the registry of its kinds.
 *
 *   npm run generate          fetches the Go types where `.cache/` (or KUBERNETES_TYPES) does not hold them
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Resource } from "../src/storage/resources.ts";
import { type GoPackage, readGoPackages } from "./go-types.ts";
import { fetchSource, SOURCES, sourceDirectory, sourceVersions } from "./kubernetes-sources.ts";
import { readLegacyTypes } from "./legacy-types.ts";
import { type Merged, mergeReleases, printField, reachable } from "./merge-messages.ts";
import {
  CLUSTER_KINDS,
  ETCD_SEGMENTS,
  LEGACY_GROUPS,
  NOT_STORED,
  NOT_STORED_KIND,
  NOT_STORED_PACKAGES,
  PLURALS,
  SHORT_NAMES,
} from "./resource-facts.ts";

export const TABLES = join(import.meta.dirname, "../src/storage/tables");
/** What the tables are made from besides the Go types: a change to one of these asks for `npm run generate`. */
const INPUTS = ["go-types.ts", "legacy-types.ts", "legacy-types.txt", "merge-messages.ts", "resource-facts.ts"];

export interface Manifest {
  readonly note: string;
  /** Package and version, newest release first. */
  readonly sources: Readonly<Record<string, readonly string[]>>;
  /** SHA-256 of every Go file that was read, by release, and of the generator's own inputs. */
  readonly inputs: Readonly<Record<string, string>>;
  /** SHA-256 of the generated files. */
  readonly tables: Readonly<Record<string, string>>;
}

export const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

/** SHA-256 of the generator's own inputs. */
export function inputHash(): string {
  return sha256(INPUTS.map((name) => sha256(readFileSync(join(import.meta.dirname, name)))).join());
}

/** The directories of a release that hold stored types, by import path, with the table's name for each. */
function packageDirectories(root: string): Map<string, string> {
  const directories = new Map([
    ["k8s.io/apimachinery/pkg/api/resource", "resource"],
    ["k8s.io/apimachinery/pkg/util/intstr", "intstr"],
    ["k8s.io/apimachinery/pkg/runtime", "runtime"],
    ["k8s.io/apimachinery/pkg/apis/meta/v1", "meta/v1"],
  ]);
  const patterns = [
    "k8s.io/api/*/v*/types*.go",
    "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v*/types*.go",
    "k8s.io/kube-aggregator/pkg/apis/apiregistration/v*/types*.go",
  ];
  for (const file of patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort()) {
    const directory = dirname(file);
    directories.set(directory, directory.split("/").slice(-2).join("/"));
  }
  return directories;
}

/** SHA-256 over the Go files of a release that the generator reads. */
export function goFilesHash(root: string): string {
  const files = [...packageDirectories(root).keys()].flatMap((path) => globSync(`${path}/*.go`, { cwd: root }));
  const read = files.filter((file) => !/(_test|generated[^/]*)\.go$/.test(file)).sort();
  return sha256(read.map((file) => `${file} ${sha256(readFileSync(join(root, file)))}\n`).join(""));
}

function resources(merged: Merged, groups: ReadonlyMap<string, string>): Resource[] {
  const rows: Resource[] = [];
  for (const [message, { namespaced }] of merged.objects) {
    const [id, kind] = message.split(".") as [string, string];
    if (NOT_STORED.has(message) || NOT_STORED_PACKAGES.test(message) || NOT_STORED_KIND.test(kind)) continue;
    const group = groups.get(id) ?? LEGACY_GROUPS[id];
    if (group === undefined) throw new Error(`no API group is known for "${id}"`);
    const lower = kind.toLowerCase();
    const resource =
      PLURALS[kind] ??
      (/(s|x|ch)$/.test(lower) ? `${lower}es` : /[^aeiou]y$/.test(lower) ? `${lower.slice(0, -1)}ies` : `${lower}s`);
    rows.push({
      group,
      version: id.split("/")[1]!,
      kind,
      resource,
      namespaced: namespaced && !CLUSTER_KINDS.has(message),
      shortNames: SHORT_NAMES[resource] ?? [],
      etcdSegment: ETCD_SEGMENTS[resource] ?? resource,
      message,
    });
  }
  const order = (row: Resource) => `${row.group}/${row.kind}/${row.version}`;
  return rows.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** The generated files by name, from releases that are all present; `manifest.json` last. */
export function generate(directories: ReadonlyMap<string, string>): {
  files: Map<string, string>;
  disagreements: readonly string[];
} {
  const releases: [string, Map<string, GoPackage>][] = [...directories].map(([release, root]) => [
    release,
    readGoPackages([root], packageDirectories(root)),
  ]);
  const groups = new Map(
    releases.flatMap(([, packages]) => [...packages.values()].map((p) => [p.id, p.group] as const)),
  );
  const merged = mergeReleases(releases, readLegacyTypes());
  const rows = resources(merged, groups);
  const messages = reachable(
    merged.messages,
    rows.map((row) => row.message),
  );
  const lines = (entries: string[], open: string, close: string) =>
    `${open}\n${entries.map((e) => `  ${e}`).join(",\n")}\n${close}\n`;
  const files = new Map([
    [
      "messages.json",
      lines(
        [...messages].map(([name, fields]) => `${JSON.stringify(name)}: ${JSON.stringify(fields.map(printField))}`),
        "{",
        "}",
      ),
    ],
    [
      "resources.json",
      lines(
        rows.map((row) => JSON.stringify(row)),
        "[",
        "]",
      ),
    ],
  ]);
  const manifest: Manifest = {
    note: "generated by npm run generate; not to be edited",
    sources: Object.fromEntries([...directories].map(([release, root]) => [release, sourceVersions(root)])),
    inputs: Object.fromEntries([
      ...[...directories].map(([release, root]) => [release, goFilesHash(root)]),
      ["tools", inputHash()],
    ]),
    tables: Object.fromEntries([...files].map(([name, text]) => [name, sha256(text)])),
  };
  files.set("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  return { files, disagreements: merged.disagreements };
}

/** The unpacked Go types by release, or undefined where one of them is absent and `fetch` is false. */
export function directoriesOf(fetch: boolean): Map<string, string> | undefined {
  const directories = new Map<string, string>();
  for (const source of SOURCES) {
    const directory = sourceDirectory(source) ?? (fetch ? fetchSource(source) : undefined);
    if (directory === undefined) return undefined;
    directories.set(source.release, directory);
  }
  return directories;
}

if (process.argv[1] === import.meta.filename) {
  const { files, disagreements } = generate(directoriesOf(true)!);
  if (!existsSync(TABLES)) mkdirSync(TABLES, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(TABLES, name), text);
  for (const line of disagreements) console.log(`releases disagree: ${line}`);
  console.log(`wrote ${[...files.keys()].join(", ")} in src/storage/tables`);
}
