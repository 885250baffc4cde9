/**
 * Lines of runbooks that were written for etcdctl, etcdutl and kubectl, with the program's name changed: flags before
 * the subcommand, `-w`, `member list`, `endpoint health`, `drain NODE`, `help`, `version`. They become what this
 * command line calls the same.
 */

import type { Command } from "commander";
import { defined } from "../errors/defined.ts";

/** The first words that others use, and ours for the same. The longest match counts. */
const SAME: readonly (readonly [theirs: string, ours: string])[] = [
  ["member list", "etcd members"],
  ["member", "etcd member"],
  ["endpoint health", "etcd health --only-endpoints"],
  ["endpoint status", "etcd health --only-endpoints"],
  ["alarm", "etcd alarm"],
  ["compaction", "etcd compact"],
  ["compact", "etcd compact"],
  ["defrag", "etcd defrag"],
  ["move-leader", "etcd move-leader"],
  ["drain", "node drain"],
  ["cordon", "node cordon"],
  ["uncordon", "node uncordon"],
  ["version", "--version"],
];

/** Commands that take etcdctl's `-w`; elsewhere it is `--watch`. */
const WRITES_OUT = new Set(["etcd", "snapshot"]);

/** Arguments as this command line has them. `loadAll` gives the whole tree, for lines that begin with a flag. */
export async function ownWords(argv: readonly string[], loadAll: () => Promise<Command>): Promise<readonly string[]> {
  const first = argv[0] ?? "";
  const isOwn = first === "" || ["-h", "--help", "--version"].includes(first);
  if (isOwn) return argv;
  if (first === "help") return [...translated(argv.slice(1)), "--help"];
  return translated(first.startsWith("-") ? commandFirst(argv, valueFlags(await loadAll())) : argv);
}

/** The command's words in front, then the flags that preceded them. */
function commandFirst(argv: readonly string[], takesValue: ReadonlySet<string>): readonly string[] {
  let at = 0;
  while (at < argv.length && defined(argv[at]).startsWith("-")) at += takesValue.has(defined(argv[at])) ? 2 : 1;
  const flags = argv.slice(0, at);
  const rest = argv.slice(at);
  const words = rest.findIndex((word) => word.startsWith("-"));
  // Two words name any command; what follows them are arguments, in front of which flags may stand as well.
  const end = Math.min(2, words < 0 ? rest.length : words);
  return end === 0 ? argv : [...rest.slice(0, end), ...flags, ...rest.slice(end)];
}

/** Flags that take the next word as their value, anywhere in the tree. */
function valueFlags(program: Command): Set<string> {
  const flags = new Set(["-w", "--write-out"]);
  const visit = (command: Command): void => {
    for (const { short, long, required } of command.options) {
      for (const flag of [short, long]) if (flag !== undefined && required) flags.add(flag);
    }
    for (const each of command.commands) visit(each);
  };
  visit(program);
  return flags;
}

function translated(argv: readonly string[]): readonly string[] {
  for (const [theirs, ours] of SAME) {
    const words = theirs.split(" ");
    if (!words.every((word, i) => argv[i] === word)) continue;
    const rest = argv.slice(words.length);
    const asks = ours.includes("--only-endpoints") && rest.includes("--cluster");
    const own = ours.split(" ").filter((word) => !(asks && word === "--only-endpoints"));
    const others = rest.filter((word) => !(ours.startsWith("etcd health") && word === "--cluster"));
    return written([...own, ...others]);
  }
  return written(argv);
}

/** `-o` for etcdctl's `-w` and `--write-out`, and its "simple" by our name. */
function written(argv: readonly string[]): readonly string[] {
  if (!WRITES_OUT.has(argv[0] ?? "")) return argv;
  return argv.map((word, i) => {
    if (word === "--") return word;
    if (word === "-w" || word === "--write-out") return "-o";
    const value = /^(?:-w=?|--write-out=)(.+)$/.exec(word)?.[1];
    if (value !== undefined) return `--output=${formatOf(value)}`;
    return argv[i - 1] === "-w" || argv[i - 1] === "--write-out" ? formatOf(word) : word;
  });
}

function formatOf(format: string): string {
  return format === "simple" ? "text" : format;
}
