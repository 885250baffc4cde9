/**
 * YAML, read in this one place: as Kubernetes reads its files (`sigs.k8s.io/yaml`), and within limits that are checked
 * on the text before the library sees it. What the
 * library takes minutes for (`? ` nested in itself, tens of thousands of repeated keys, anchors and tags by the
 * thousand) is no file that anybody writes. Whatever else
 * might keep it busy is ended by a deadline and by Ctrl-C (docs/adr/0150).
 *
 * Kubernetes reads the first document of a file and no other, takes the last of two fields with the same name, and YAML
 * 1.1, where `yes` is true.
 */

import {
  type CollectionTag,
  type Document,
  isMap,
  isScalar,
  parseAllDocuments,
  parseDocument,
  type ScalarTag,
  type Tags,
  visit,
} from "yaml";
import { defined } from "../errors/defined.ts";
import { TimeIsOver, type TimeLimit, withinTime } from "./within-time.ts";

interface YamlLimits {
  /** Of text that is not JSON; the library needs up to six milliseconds a kilobyte of the worst. */
  readonly characters: number;
  /** `? ` before a key that is not a word, one inside another. */
  readonly explicitKeys: number;
  /** `&name`, `*name` and `!tag`, each. */
  readonly anchors: number;
}

const YAML_LIMITS: YamlLimits = { characters: 2 << 20, explicitKeys: 16, anchors: 1000 };

/**
 * A text of all the characters that are allowed takes the library three seconds where it is what people write, and
 * twelve where it is the worst that is known.
 */
const YAML_TIME: TimeLimit = { milliseconds: 30_000, hearsInterrupt: true };
/** Shorter texts are read without a deadline: the worst of them takes a few milliseconds. */
const SHORT = 1024;

export interface YamlOptions {
  /** Of two fields with the same name: the last one, as Kubernetes does, or a fault. */
  readonly repeated?: "last" | "fault";
  /** 1.1 unless given. */
  readonly version?: "1.1" | "1.2";
  /** Aliases that may be followed; 100 unless given. */
  readonly aliases?: number;
  /** Whole numbers as bigints. */
  readonly bigints?: boolean;
  /** {@link YAML_TIME} unless given. */
  readonly time?: TimeLimit;
  readonly limits?: Partial<YamlLimits>;
}

/** Why a text is not YAML, in our own words: what the library says quotes the file, which may be a secret. */
export class YamlFault extends Error {
  override readonly name = "YamlFault";
  /** From 1; undefined where the fault is the whole file's. */
  readonly line: number | undefined;

  constructor(message: string, line?: number) {
    super(line === undefined ? message : `${message} in line ${line}`);
    this.line = line;
  }
}

/** The value of the first document that has one; undefined where none has. Throws {@link YamlFault}. */
export function readYaml(text: string, options: YamlOptions = {}): unknown {
  return inTime(text, options, () => readDocuments(firstDocument(text), options)).find((value) => value !== undefined);
}

/** Every document's value. Throws {@link YamlFault}. */
export function readYamlDocuments(text: string, options: YamlOptions = {}): unknown[] {
  return inTime(text, options, () => readDocuments(text, options));
}

function inTime<T>(text: string, { time = YAML_TIME }: YamlOptions, read: () => T): T {
  if (text.length <= SHORT) return read();
  try {
    return withinTime(time, read);
  } catch (error) {
    if (error instanceof TimeIsOver) throw new YamlFault(`it takes longer than ${time.milliseconds / 1000} s to read`);
    throw error;
  }
}

function readDocuments(text: string, options: YamlOptions): unknown[] {
  const json = options.bigints === true ? undefined : readJson(text);
  if (json !== undefined) return [json];
  checkLimits(text, { ...YAML_LIMITS, ...options.limits });
  const settings = {
    version: options.version ?? "1.1",
    customTags: (tags: Tags) => tags.filter((tag) => typeof tag === "string" || !isUnknownToGo(tag)),
    intAsBigInt: options.bigints === true,
    stringKeys: true,
    uniqueKeys: false, // by its own walk, which takes the square of a map's size
    prettyErrors: false,
    logLevel: "silent",
  } as const;
  let documents: Document[];
  try {
    const parsed = parseAllDocuments(text, settings);
    documents = Array.isArray(parsed) ? (parsed as Document[]) : [parseDocument(text, settings)];
  } catch (error) {
    throw asFault(error);
  }
  return documents.map((document) => documentValue(document, text, options));
}

/** Times and numbers of base 60 are text for Go's YAML, whatever YAML 1.1 says. */
function isUnknownToGo(tag: ScalarTag | CollectionTag): boolean {
  return tag.tag === "tag:yaml.org,2002:timestamp" || ("format" in tag && tag.format === "TIME");
}

/** A file that is JSON, as many are, takes the short way; a number that JavaScript cannot hold takes the long one. */
function readJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text) || /[0-9]{16}|"__proto__"/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // flow YAML, or none at all
  }
}

function documentValue(document: Document, text: string, { repeated = "last", aliases = 100 }: YamlOptions): unknown {
  const [fault] = document.errors;
  if (fault !== undefined)
    throw new YamlFault(FAULTS[fault.code] ?? "it is not well-formed", lineAt(text, fault.pos[0]));
  if (repeated === "fault") refuseRepeated(document, text);
  try {
    return document.toJS({ maxAliasCount: aliases }) ?? undefined;
  } catch (error) {
    if (error instanceof ReferenceError) throw new YamlFault("it has an alias that leads nowhere, or to far too much");
    throw asFault(error);
  }
}

/** What the library throws for a text is about the text, but for the end of its time. */
function asFault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TimeIsOver) return error;
  if (error instanceof RangeError) return new YamlFault("it is nested too deeply");
  return new YamlFault("a merge key (<<) or a tag stands before what it cannot take");
}

const FAULTS: Readonly<Record<string, string>> = {
  BAD_INDENT: "a line is not indented as its block is",
  TAB_AS_INDENT: "a line is indented by a tab",
  MULTILINE_IMPLICIT_KEY: "a key goes over several lines",
  MISSING_CHAR: "a bracket, a quote or a colon is missing",
  UNEXPECTED_TOKEN: "something stands where nothing may",
  BLOCK_AS_IMPLICIT_KEY: "a key has two values in one line",
  BLOCK_IN_FLOW: "a block stands inside brackets",
  BAD_ALIAS: "an alias has no name",
  TAG_RESOLVE_FAILED: "a tag is not known",
  RESOURCE_EXHAUSTION: "it is nested too deeply",
  MULTIPLE_DOCS: "it has several documents",
};

function refuseRepeated(document: Document, text: string): void {
  visit(document, {
    Map(_, node) {
      if (!isMap(node)) return;
      const seen = new Set<unknown>();
      for (const { key } of node.items) {
        const name = isScalar(key) ? key.value : undefined;
        if (name !== undefined && seen.has(name)) {
          const at = isScalar(key) ? key.range?.[0] : undefined;
          throw new YamlFault("a field is given twice", at === undefined ? undefined : lineAt(text, at));
        }
        seen.add(name);
      }
    },
  });
}

function checkLimits(text: string, { characters, explicitKeys, anchors }: YamlLimits): void {
  if (text.length > characters) throw new YamlFault(`it has more than ${characters} characters`);
  const count = (pattern: RegExp, most: number): boolean => {
    let found = 0;
    while (pattern.test(text)) if (++found > most) return true;
    return false;
  };
  if (depthOfExplicitKeys(text, explicitKeys) > explicitKeys || count(/[[{,]\s*\?(?=\s)/g, explicitKeys))
    throw new YamlFault("it has too many keys inside keys that begin with a question mark");
  // Where a value begins: text has such characters elsewhere.
  if (count(/(?:^ *|[:?-] +|[[{,] *)&\w/gm, anchors)) throw new YamlFault("it has too many anchors");
  if (count(/(?:^ *|[:?-] +|[[{,] *)\*\w/gm, anchors)) throw new YamlFault("it has too many aliases");
  if (count(/(?:^ *|[:?-] +|[[{,] *)!\w/gm, anchors)) throw new YamlFault("it has too many tags");
}

/**
 * How deep keys that begin with a question mark are in each other, by the indentation of their lines; counted to one
 * more than `most`.
 */
function depthOfExplicitKeys(text: string, most: number): number {
  const open: number[] = [];
  for (const line of text.matchAll(/^( *)((?:[?-](?: +|$))*)[^\n]*$/gm)) {
    const [whole, spaces = "", marks = ""] = line;
    if (whole.trim() === "") continue;
    while (open.length > 0 && defined(open.at(-1)) >= spaces.length) open.pop();
    for (const mark of marks.matchAll(/\?/g)) open.push(spaces.length + mark.index);
    if (open.length > most) return open.length;
  }
  return open.length;
}

/** Up to the second document, or to the mark of the first one's end. */
function firstDocument(text: string): string {
  const marks = /^(?:---(?=\s|$)|\.\.\.(?=\s|$))/gm;
  let from = 0;
  for (let mark = marks.exec(text); mark !== null; from = mark.index, mark = marks.exec(text)) {
    const lines = text.slice(from, mark.index).split("\n");
    const isEmpty = lines.every((line) => /^\s*(#|%|$)/.test(line) || /^---\s*(#|$)/.test(line));
    if (!isEmpty) return text.slice(0, mark.index);
    if (mark[0] === "...") continue;
    // `--- value` begins the document in the same line.
    const end = text.indexOf("\n", mark.index);
    const rest = text.slice(mark.index + 3, end < 0 ? undefined : end);
    if (!/^\s*(#|$)/.test(rest)) continue;
  }
  return text;
}

function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < position; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
