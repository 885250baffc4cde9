/**
 * Flags on a container's command line: `--name=value` or `--name value`, in `command` or in `args`, also inside a
 * script that a shell is given (`/bin/sh -c "exec kube-apiserver --name=value"`). Go programs accept one dash or two.
 */

import { defined } from "../errors/defined.ts";
import { textsOf } from "./fields.ts";
import type { JsonObject } from "./object.ts";

/** One flag of a command line; `value` is undefined for a bare `--name` that nothing follows. */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  readonly value: string | undefined;
}

const IN_SCRIPT =
  /(?<=^|[\s"'])--?([a-zA-Z][\w.-]*)(?:=("[^"]*"|'[^']*'|[^\s"'\\;|&]*)|\s+("[^"]*"|'[^']*'|[^\s"'\\;|&-][^\s"'\\;|&]*))?/g;
const ARGUMENT = /^--?([a-zA-Z][\w.-]*)(?:=([\s\S]*))?$/;

/** Every word of the container's command line: its command, then its arguments. */
export function commandLine(container: JsonObject): readonly string[] {
  return [...textsOf(container.command), ...textsOf(container.args)];
}

/** Whether a shell runs a script, so that a flag cannot be added behind the last word. */
export function runsThroughShell(container: JsonObject): boolean {
  return commandLine(container).some(isScript);
}

/** Every flag, in order; a flag given twice is there twice. */
export function containerFlags(container: JsonObject): Flag[] {
  const flags: Flag[] = [];
  const words = commandLine(container);
  for (let i = 0; i < words.length; i++) {
    const word = defined(words[i]);
    if (isScript(word)) {
      for (const [, name, value, next] of word.matchAll(IN_SCRIPT)) {
        const found = value ?? next;
        flags.push({ name: defined(name), value: found === undefined ? undefined : unquote(found) });
      }
      continue;
    }
    const match = ARGUMENT.exec(word);
    if (match === null) continue;
    const next = words[i + 1];
    const value = match[2] ?? (next !== undefined && !next.startsWith("-") && !isScript(next) ? next : undefined);
    flags.push({ name: defined(match[1]), value });
  }
  return flags;
}

/** The last value of a flag of that name; undefined where it has none. */
export function flagNamed(flags: readonly Flag[] | undefined, name: string): string | undefined {
  return flags?.findLast((flag) => flag.name === name)?.value;
}

/** The flag's last value, which is the one that counts for all but list flags. */
export function flagValue(container: JsonObject, name: string): string | undefined {
  return containerFlags(container).findLast((flag) => flag.name === name && flag.value !== undefined)?.value;
}

/** Changes the value of each occurrence of a flag; a container without it comes back as it is. */
export function changeFlag(container: JsonObject, name: string, change: (value: string) => string): JsonObject {
  return {
    ...container,
    ...changeWords(container, "command", name, change),
    ...changeWords(container, "args", name, change),
  };
}

/** Adds a flag behind the last word. The caller has made sure that no shell runs a script. */
export function addFlag(container: JsonObject, name: string, value: string): JsonObject {
  const field = textsOf(container.args).length > 0 || textsOf(container.command).length === 0 ? "args" : "command";
  return { ...container, [field]: [...textsOf(container[field]), `--${name}=${value}`] };
}

function changeWords(
  container: JsonObject,
  field: "command" | "args",
  name: string,
  change: (value: string) => string,
): JsonObject {
  if (!Array.isArray(container[field])) return {};
  const words = [...textsOf(container[field])];
  for (let i = 0; i < words.length; i++) {
    const word = defined(words[i]);
    if (isScript(word)) {
      words[i] = word.replace(IN_SCRIPT, (all, found: string, value?: string, next?: string) => {
        const old = value ?? next;
        if (found !== name || old === undefined) return all;
        const quote = /^["']/.exec(old)?.[0] ?? "";
        return `${all.slice(0, all.length - old.length)}${quote}${change(unquote(old))}${quote}`;
      });
      continue;
    }
    const match = ARGUMENT.exec(word);
    if (match?.[1] !== name) continue;
    const dashes = word.startsWith("--") ? "--" : "-";
    if (match[2] !== undefined) words[i] = `${dashes}${name}=${change(match[2])}`;
    else if (words[i + 1] !== undefined && !defined(words[i + 1]).startsWith("-"))
      words[i + 1] = change(defined(words[i + 1]));
  }
  return { [field]: words };
}

/** A word that holds several words is a script for a shell. A flag's own value may hold spaces, a script does not start with a dash. */
function isScript(word: string): boolean {
  return !word.startsWith("-") && /\s-/.test(word);
}

function unquote(value: string): string {
  return /^(["']).*\1$/s.test(value) ? value.slice(1, -1) : value;
}
