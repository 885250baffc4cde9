/**
 * What a `node clean` keeps beside the things it has moved, `manifest.json`: what it needs to continue after a crash, and
 * to take everything back. Written before each thing that it tells of is done.
 */

import { z } from "zod";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";

const kubeletSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("systemd"), unit: z.string() }),
  z.object({
    kind: z.literal("process"),
    /** The file that ran, and the words it was called with. */
    program: z.string(),
    words: z.array(z.string()),
    cwd: z.string(),
    /** `NAME=value` */
    environment: z.array(z.string()),
    /** The file that it wrote its log to, where it was a file. */
    log: z.string().nullable(),
  }),
]);

const moveSchema = z.object({
  what: z.enum(["manifests", "pods", "etcd"]),
  from: z.string(),
  to: z.string(),
});

const backupSchema = z.object({
  /** `member/snap/db` of the data dir. */
  database: z.string(),
  file: z.string(),
  /** The database as it was when it was copied: another size or time means that etcd ran again since. */
  bytes: z.number(),
  modified: z.number(),
  revision: z.number(),
  objects: z.number(),
  sha256: z.string(),
  /** False where it was damaged and the user chose to continue. */
  ok: z.boolean(),
});

const placesSchema = z.object({
  /** Where the kubelet looks for static pods. */
  manifests: z.string(),
  /** What it keeps of its pods. */
  pods: z.string(),
  etcd: z.array(
    z.object({
      directory: z.string(),
      /** True where all that is in it is etcd's, false where it was found and only what etcd writes is taken. */
      whole: z.boolean(),
    }),
  ),
  /** Where the runtime is configured to be; null where nobody said. */
  runtime: z.string().nullable(),
});

const recordSchema = z.object({
  version: z.literal(1),
  host: z.string(),
  began: z.string(),
  state: z.enum(["begun", "done", "undoing", "undone"]),
  /** Whether what was moved has been deleted. */
  purged: z.boolean(),
  /** What was found when it began: the kubelet and its containers, which tell of them, are gone when it continues. */
  places: placesSchema,
  /** How the kubelet is started; null where none was found. */
  kubelet: kubeletSchema.nullable(),
  logs: z.object({ archive: z.string(), files: z.number(), bytes: z.number() }).nullable(),
  backups: z.array(backupSchema),
  /** `NAMESPACE/POD/CONTAINER` of those that were removed. */
  containers: z.array(z.string()),
  /** Everything that is moved: planned before the first, so `from` may still be there, or `to` not yet. */
  moves: z.array(moveSchema),
});

export type KubeletStart = z.infer<typeof kubeletSchema>;
export type CleanPlaces = z.infer<typeof placesSchema>;
export type CleanMove = z.infer<typeof moveSchema>;
export type EtcdBackup = z.infer<typeof backupSchema>;
export type CleanRecord = z.infer<typeof recordSchema>;

export const RECORD_NAME = "manifest.json";
const DIRECTORY = /^cleaned-\d{8}T\d{6}Z(?:-\d+)?$/;

/** Such as `cleaned-20261121T120305Z`: names sort by time. `time` is in milliseconds. */
export function cleanedName(time: number): string {
  return `cleaned-${new Date(time).toISOString().replace(/[-:]|\.\d+/g, "")}`;
}

export function isCleanedName(name: string): boolean {
  return DIRECTORY.test(name);
}

export function newRecord(host: string, time: number, places: CleanPlaces): CleanRecord {
  return {
    version: 1,
    host,
    began: new Date(time).toISOString(),
    state: "begun",
    purged: false,
    places,
    kubelet: null,
    logs: null,
    backups: [],
    containers: [],
    moves: [],
  };
}

export function encodeRecord(record: CleanRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Throws `config-invalid` for what is no record. */
export function decodeRecord(text: string, where: string): CleanRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not JSON", where, cause);
  }
  const parsed = recordSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = defined(parsed.error.issues[0]);
  throw invalid(`${issue.path.join(".") || "it"}: ${issue.message.toLowerCase()}`, where, parsed.error);
}

function invalid(why: string, where: string, cause: unknown): MendError {
  return new MendError("config-invalid", `"${where}" is no record of a node clean: ${why}`, {
    where,
    hint: "move its directory away to start over; what it holds can be moved back by hand",
    cause,
  });
}
