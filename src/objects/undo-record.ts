/**
 * The undo file: JSON lines. The first says of which cluster and which run it is; then each write is announced before
 * it is made, with what was there, and concluded after it, with what came of it. A write that is announced and not
 * concluded may have been made or not: who reads the file has to look.
 */
import { z } from "zod";
import { MendError } from "../errors/errors.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { parseJson } from "../storage/json-parse.ts";
import { printJson } from "../storage/json-text.ts";
import type { ObjectId } from "./object-id.ts";

const UNDO_FORMAT = "kubemend undo file";
const VERSION = 1;

export interface UndoHeader {
  /** UID of the namespace kube-system, which tells clusters apart. */
  readonly cluster: string;
  readonly server: string;
  /** RFC 3339, by this machine's clock. */
  readonly started: string;
  /** RFC 3339, by the API server's clock; earlier than any write. */
  readonly serverTime: string;
  /** What was asked for, so that an interrupted run can continue. */
  readonly request: RestoreRequest;
}

export interface RestoreRequest {
  readonly file: string;
  readonly atRevision: number | null;
  readonly selection: readonly string[];
  readonly namespace: string | null;
  readonly selector: string;
  readonly changed: boolean;
  readonly withDependents: boolean;
  readonly intoNamespace: string | null;
  readonly renamed: Readonly<Record<string, string>>;
  readonly encryptionConfig: string | null;
  readonly etcdPrefix: string | null;
  /** Which history of the cluster a revision of a repository belongs to. */
  readonly history: number | null;
  /** The path of the identity file of a repository. */
  readonly identity: string | null;
}

export interface UndoIntent {
  /** Counts from 1. */
  readonly write: number;
  readonly wave: number;
  readonly op: "create" | "update";
  readonly id: ObjectId;
  /** The version of the API that it is written in. */
  readonly apiVersion: string;
  /** What was there before an update. */
  readonly before: KubeObject | null;
  /** What an update is to write. */
  readonly sent?: KubeObject | undefined;
}

export interface UndoOutcome {
  readonly write: number;
  /** Undefined where the API server refused it. */
  readonly uid?: string | undefined;
  /** The object that an update left, where it means something else than what was sent. */
  readonly after?: KubeObject | undefined;
  readonly refused?: string | undefined;
}

export interface UndoEntry extends UndoIntent {
  /** Undefined where the run ended in between. */
  readonly outcome: UndoOutcome | undefined;
}

export interface UndoFile {
  readonly header: UndoHeader;
  /** In the order of the writes. */
  readonly entries: readonly UndoEntry[];
}

export function encodeHeader(header: UndoHeader): string {
  return printJson({ format: UNDO_FORMAT, version: VERSION, ...header } as unknown as JsonValue);
}

export function encodeIntent(intent: UndoIntent): string {
  return printJson({ ...intent, id: { ...intent.id, namespace: intent.id.namespace ?? null } });
}

export function encodeOutcome(outcome: UndoOutcome): string {
  return printJson({ outcome } as unknown as JsonValue);
}

const REQUEST = z.object({
  file: z.string(),
  atRevision: z.number().nullable(),
  selection: z.array(z.string()),
  namespace: z.string().nullable(),
  selector: z.string(),
  changed: z.boolean(),
  withDependents: z.boolean(),
  intoNamespace: z.string().nullable(),
  renamed: z.record(z.string(), z.string()),
  encryptionConfig: z.string().nullable(),
  etcdPrefix: z.string().nullable(),
  history: z.number().nullable().default(null),
  identity: z.string().nullable().default(null),
});
const HEADER = z.object({
  format: z.literal(UNDO_FORMAT),
  version: z.literal(VERSION),
  cluster: z.string(),
  server: z.string(),
  started: z.string(),
  serverTime: z.string(),
  request: REQUEST,
});
const OBJECT = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
const INTENT = z.object({
  write: z.number().int().positive(),
  wave: z.number().int(),
  op: z.enum(["create", "update"]),
  id: z.object({ path: z.string(), namespace: z.string().nullable(), name: z.string() }),
  apiVersion: z.string(),
  before: OBJECT.nullable(),
  sent: OBJECT.optional(),
});
const OUTCOME = z.object({
  outcome: z.object({
    write: z.number().int().positive(),
    uid: z.string().optional(),
    after: OBJECT.optional(),
    refused: z.string().optional(),
  }),
});

/**
 * Reads an undo file. A last line that was cut off is left out: its write was not begun. What a power cut has left as
 * zeros had not been flushed, and so were outcomes alone: those writes count as announced and not concluded. Throws
 * `config-invalid` for what is no undo file.
 */
export function decodeUndoFile(text: string, path: string): UndoFile {
  const end = text.lastIndexOf("\n");
  const lines = end < 0 ? [] : text.slice(0, end).split("\n").map(behindZeros);
  const invalid = (line: number, what: string): MendError =>
    new MendError("config-invalid", `"${path}" is no undo file: ${what}`, {
      where: `${path} · line ${line}`,
      hint: "pass the file that objects restore wrote, whole and unchanged",
    });
  const read = (line: string, number: number): unknown => {
    try {
      return parseJson(line);
    } catch {
      throw invalid(number, "the line is no JSON");
    }
  };
  const [first] = lines;
  if (first === undefined) throw invalid(1, "it is empty");
  const header = HEADER.safeParse(read(first, 1));
  if (!header.success) throw invalid(1, "the first line is not that of an undo file of this version");
  const entries = new Map<number, UndoEntry>();
  for (const [i, line] of lines.slice(1).entries()) {
    if (line === "") continue;
    const value = read(line, i + 2);
    const outcome = OUTCOME.safeParse(value);
    if (outcome.success) {
      const { write } = outcome.data.outcome;
      const entry = entries.get(write);
      if (entry === undefined) throw invalid(i + 2, `write ${write} ends, but never began`);
      entries.set(write, { ...entry, outcome: outcome.data.outcome as UndoOutcome });
      continue;
    }
    const intent = INTENT.safeParse(value);
    if (!intent.success) throw invalid(i + 2, "the line is neither a write nor what came of one");
    const { id, ...rest } = intent.data;
    if (entries.has(rest.write)) throw invalid(i + 2, `write ${rest.write} begins twice`);
    entries.set(rest.write, {
      ...(rest as Omit<UndoIntent, "id">),
      id: { ...id, namespace: id.namespace ?? undefined },
      outcome: undefined,
    });
  }
  const { format: _format, version: _version, ...rest } = header.data;
  return { header: rest, entries: [...entries.values()] };
}

/** The line that ends behind zeros; empty where it is no whole one. */
function behindZeros(line: string): string {
  const last = line.lastIndexOf("\0");
  if (last < 0) return line;
  const rest = line.slice(last + 1);
  return rest.startsWith("{") && isJson(rest) ? rest : "";
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}
