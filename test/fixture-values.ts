/** Key-values of the snapshots in `test/fixtures`, and what the API server answered for them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readBolt } from "../src/bolt/bolt.ts";
import { readBuckets, readEntries } from "../src/bolt/bucket.ts";
import { memorySource } from "../src/bolt/byte-source.ts";
import type { JsonObject, JsonValue, StoredValue } from "../src/kube/object.ts";
import { decodeKeyValue } from "../src/mvcc/key-value.ts";
import { TOMBSTONE_SIZE } from "../src/mvcc/revision.ts";
import { compareStrings } from "../src/storage/arrange.ts";
import { parseJson } from "../src/storage/json-parse.ts";

export const SNAPSHOTS = [
  "k120-broad",
  "k136-encrypted",
  "k136-compacted",
  "selfhosted-k120",
  "selfhosted-etcd-k120",
  "kubeadm-k120",
] as const;
export type SnapshotName = (typeof SNAPSHOTS)[number];

const path = (snapshot: SnapshotName, file: string) => join(import.meta.dirname, "fixtures", snapshot, file);

/** Every version of every key below /registry that the file still holds, oldest first; a deletion has no value. */
function readVersions(snapshot: SnapshotName): { readonly stored: StoredValue; readonly deleted: boolean }[] {
  const bolt = readBolt(memorySource(gunzipSync(readFileSync(path(snapshot, "snapshot.db.gz")))));
  const fail = (finding: unknown): never => {
    throw new Error(JSON.stringify(finding));
  };
  const bucket = readBuckets(bolt, fail).find((each) => each.path === "key")!;
  const versions = [...readEntries(bolt, bucket, fail)].map((entry) => {
    const keyValue = decodeKeyValue(entry.value.slice());
    if (typeof keyValue === "string") throw new Error(keyValue);
    const { key, value, modRevision } = keyValue;
    const stored = { key: Buffer.from(key).toString("utf8"), value, modRevision };
    return { stored, deleted: entry.key.length === TOMBSTONE_SIZE };
  });
  return versions.filter(({ stored }) => stored.key.startsWith("/registry/"));
}

/** Every stored version of every object. */
export function storedVersions(snapshot: SnapshotName): StoredValue[] {
  return readVersions(snapshot).flatMap(({ stored, deleted }) => (deleted ? [] : [stored]));
}

/** The newest version of every key that is not deleted, sorted by key. */
export function liveValues(snapshot: SnapshotName): StoredValue[] {
  const live = new Map<string, StoredValue>();
  for (const { stored, deleted } of readVersions(snapshot)) {
    if (deleted) live.delete(stored.key);
    else live.set(stored.key, stored);
  }
  return [...live.values()].sort((a, b) => compareStrings(a.key, b.key));
}

export interface Answer {
  readonly key: string;
  /** The very text. */
  readonly text: string;
  readonly object: JsonObject;
}

/** What the API server answered at each stored apiVersion; keys for which it serves none are left out. */
export function answers(snapshot: SnapshotName): Map<string, Answer> {
  const found = new Map<string, Answer>();
  for (const line of gunzipSync(readFileSync(path(snapshot, "objects.jsonl.gz")))
    .toString("utf8")
    .split("\n")) {
    const match = /^\{"key": "([^"]+)".*?, "json": (\{.*\})(?:, "otherJson": .*)?\}$/s.exec(line);
    if (match)
      found.set(match[1]!, { key: match[1]!, text: match[2]!, object: parseJson(match[2]!, "int64") as JsonObject });
  }
  return found;
}

/** The paths of a key that the API server filled with defaults on reading: `except.txt`. */
export function exceptions(snapshot: SnapshotName): (key: string, place: string) => boolean {
  const file = path(snapshot, "except.txt");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const rules = lines.flatMap((line) => {
    const [glob, pattern] = line.split(/\s+/);
    if (!glob || !pattern || line.startsWith("#")) return [];
    const escaped = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    return [{ key: new RegExp(`^${escaped}$`), place: new RegExp(pattern) }];
  });
  return (key, place) => rules.some((rule) => rule.key.test(key) && rule.place.test(place));
}

/**
 * Where two objects differ, apart from what is not stored: an absent field where the answer has null, and null, 0, "", {} or [] where the
 * answer has no field (`omitempty` differs between releases).
 */
export function differences(answer: JsonValue | undefined, got: JsonValue | undefined, place = ""): string[] {
  if (got === undefined) return answer === null ? [] : [`${place}: absent`];
  if (answer === undefined) return isEmpty(got) ? [] : [`${place}: not in the answer`];
  if (Array.isArray(answer) && Array.isArray(got)) {
    if (answer.length !== got.length) return [`${place}: ${got.length} items for ${answer.length}`];
    return answer.flatMap((item, index) => differences(item, got[index], `${place}[${index}]`));
  }
  if (isMap(answer) && isMap(got)) {
    const names = [...new Set([...Object.keys(answer), ...Object.keys(got)])];
    return names.flatMap((name) => differences(answer[name], got[name], `${place}.${name}`));
  }
  return typeof answer === typeof got && answer === got ? [] : [`${place}: differs`];
}

function isMap(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: JsonValue): boolean {
  if (value === null || value === 0 || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
