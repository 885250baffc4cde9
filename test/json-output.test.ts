/**
 * docs/json-output.md names every field of what `-o json` prints, as commands print it here: a field that comes, goes
 * or changes its type is a change of the page, and of the CHANGELOG. UPDATE_TRANSCRIPTS=1 writes the page; a field
 * without a meaning fails.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, expect, test } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { ENDS, MEANINGS, TYPES } from "./json-meanings.ts";
import { describeJson } from "./json-types.ts";
import { kubemend } from "./kubemend.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGE = join(ROOT, "docs/json-output.md");
const fixture = (name: string) => join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
const directory = mkdtempSync(join(tmpdir(), "kubemend-json-"));
afterAll(() => rmSync(directory, { recursive: true }));

writeFileSync(join(directory, "text"), "no snapshot\n");

/** What is run for each command: together they show every field. */
const RUNS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "any command that fails": [["snapshot", "status", join(directory, "text")]],
  "snapshot status": [
    ["snapshot", "status", fixture("k120-broad")],
    ["snapshot", "status", fixture("k136-compacted")],
  ],
  "snapshot verify": [
    ["snapshot", "verify", fixture("k120-broad")],
    ["snapshot", "verify", fixture("k136-encrypted")],
  ],
  "snapshot keys": [["snapshot", "keys", fixture("kubeadm-k120"), "/registry/namespaces"]],
  "snapshot stats": [["snapshot", "stats", fixture("k136-encrypted")]],
  "snapshot export --dir": [["snapshot", "export", fixture("k136-encrypted"), "--dir", join(directory, "tree")]],
  "snapshot restore": [["snapshot", "restore", fixture("kubeadm-k120"), "--data-dir", join(directory, "data")]],
  recover: [
    [
      "recover",
      "--etcd-backup-file",
      fixture("selfhosted-k120"),
      "--recovery-dir",
      join(directory, "recovered"),
      "--kubeconfig",
      join(ROOT, "examples/kubeconfig"),
    ],
    [
      "recover",
      "--etcd-backup-file",
      fixture("kubeadm-k120"),
      "--recovery-dir",
      join(directory, "dry"),
      "--dry-run",
      "--kubeconfig",
      join(ROOT, "examples/kubeconfig"),
    ],
  ],
  render: [["render", "--asset-dir", join(directory, "assets"), "--dry-run"]],
  "cluster bundle": [["cluster", "bundle", fixture("kubeadm-ha-k136"), "--out", join(directory, "bundles")]],
  ready: [["ready", "--node-command", "kubemend"]],
  "snapshot edit": [
    ["snapshot", "edit", fixture("kubeadm-k120"), "out", "--remove", "deployment/nginx", "-n", "default", "--dry-run"],
  ],
  "objects diff": [
    ["objects", "diff", `${fixture("kubeadm-k120")}@1000`, fixture("kubeadm-k120"), "nodes,configmaps,pods"],
  ],
  "objects history": [["objects", "history", fixture("kubeadm-k120"), "node/node1"]],
  "objects changes": [["objects", "changes", fixture("kubeadm-k120"), "--since-revision", "2000"]],
  explain: [["explain", "snapshot-hash-mismatch"]],
};

/** Commands whose JSON is that of Kubernetes: objects, and lists of them. */
const OBJECTS = ["snapshot get", "snapshot describe", "checkpoint manifests", "rbac"];
/** etcdctl's own JSON. */
const ETCDCTL = ["etcd members", "etcd member list"];

/** A sentence's beginning, but for names. */
function small(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

function commandsWithJson(command: Command, typed: readonly string[] = []): string[] {
  const hasJson = command.options.some(({ long, argChoices }) => long === "--output" && argChoices?.includes("json"));
  return [
    ...(hasJson ? [typed.join(" ")] : []),
    ...command.commands.flatMap((each) => commandsWithJson(each, [...typed, each.name()])),
  ];
}

test("every command that prints JSON is on the page", async () => {
  const context = { host: {} as never, exit() {}, commandTree: () => Promise.reject(new Error("not asked for")) };
  const commands = commandsWithJson(await createProgram(context, {}, undefined));
  const headings = [...readFileSync(PAGE, "utf8").matchAll(/^## (.*)$/gm)].map((match) => match[1]!);
  const onPage = headings.flatMap((heading) => {
    const [first = "", ...others] = heading.replace(/ \(.*| --.*/, "").split(", ");
    return [first, ...others.map((each) => first.replace(/\S+$/, each))];
  });
  expect(commands.length).toBeGreaterThan(40);
  expect(commands.filter((each) => ![...onPage, ...OBJECTS, ...ETCDCTL].includes(each))).toEqual([]);
});

type Types = Map<string, Set<string>>;

/** Objects whose fields are data, and what is written for their names. */
const KEYED: Readonly<Record<string, string>> = { hostFiles: "NODE", "plan.files": "NODE", noise: "REASON" };

/** Adds the type of each field below `path`; `[]` is an item of a list. */
function collect(value: unknown, path: string, types: Types): void {
  const type = value === null ? "null" : Array.isArray(value) ? "list" : typeof value;
  // The values of objects' fields may be anything.
  if (/\.(before|after|object)$/.test(path) && path.includes("[]")) {
    types.set(path, new Set(["any value"]));
    return;
  }
  if (path !== "") types.set(path, (types.get(path) ?? new Set()).add(type));
  if (Array.isArray(value)) for (const each of value) collect(each, `${path}[]`, types);
  else if (type === "object")
    for (const [name, each] of Object.entries(value as object))
      collect(each, path === "" ? name : `${path}.${KEYED[path] ?? name}`, types);
}

/** No line is longer than prose may be; further ones are indented. */
function wrapped(item: string): string {
  const lines = [""];
  for (const word of item.split(" ")) {
    const last = lines.length - 1;
    const longer = lines[last] === "" ? word : `${lines[last]} ${word}`;
    if (longer.length > 138) lines.push(`  ${word}`);
    else lines[last] = longer;
  }
  return lines.join("\n");
}

test("every field is named, with its type and its meaning", { timeout: 300_000 }, async () => {
  const sections: string[] = [];
  const unknown: string[] = [];
  const unnamed: string[] = [];
  for (const [command, runs] of Object.entries(RUNS)) {
    const types: Types = new Map();
    for (const argv of runs) {
      const { stdout, stderr } = await kubemend(directory, [...argv, "-o", "json"]);
      collect(JSON.parse(stdout === "" ? stderr : stdout), "", types);
    }
    const lines = [...types]
      .filter(([path]) => path === "[]" || !path.endsWith("[]"))
      .map(([path, kinds]) => {
        const meaning = MEANINGS[`${command} ${path}`] ?? MEANINGS[path];
        if (meaning === undefined) unknown.push(`${command} ${path}`);
        const type = TYPES[`${command} ${path}`] ?? TYPES[path] ?? [...kinds].sort().join(" or ");
        return wrapped(`- \`${path}\` (${type})${meaning ? `: ${meaning}` : ""}`);
      });
    sections.push(`## ${command}\n\n${lines.join("\n")}\n`);
  }
  for (const [command, fields] of describeJson("src/cli/json-outputs.ts", "JsonOutputs")) {
    const lines = fields.map(({ path, type, meaning }) => {
      const text = MEANINGS[`${command} ${path}`] ?? (meaning === "" ? ENDS[path.split(".").at(-1)!] : meaning);
      if (text === undefined) unnamed.push(`${command} ${path}`);
      return wrapped(`- \`${path}\` (${type})${text ? `: ${small(text)}` : ""}`);
    });
    sections.push(`## ${command}\n\n${lines.join("\n")}\n`);
  }
  expect(unknown).toEqual([]);
  const page = `# JSON output

With \`-o json\` a command prints one JSON value on stdout, and errors as one line on stderr. These fields stay: a field is
removed, renamed or given another type only with a new major version, and new ones may come at any time, so pass over those
that you do not know. The order of fields, and texts that are for people (\`text\`, \`message\`, \`hint\`), may change. Codes are in
[codes.md](codes.md).

This page is checked: the fields of commands that work offline against what they print, those of the others against the types
of what they print. A field that may be \`null\` is always there; one that is not printed has no value. \`snapshot get\`
and \`checkpoint manifests\` print Kubernetes' objects, \`etcd members\` prints what etcdctl prints.

${sections.join("\n")}`;
  if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, "utf8")).toBe(page);
});
