/**
 * What the page says of the backup itself: where it is, how large, whether its hash is right, what `snapshot verify`
 * finds in it, and which members etcd had.
 */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Finding } from "../../errors/errors.ts";
import type { JsonObject } from "../../kube/object.ts";
import { splitMoment } from "../../repository/moment.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { reportHash } from "../snapshot/status.ts";
import type { SnapshotVerification } from "../snapshot/verify.ts";

export interface BackupFacts {
  read(): BackupState;
  stop(): Promise<void>;
}

export interface BackupState extends JsonObject {
  readonly members: readonly { readonly name: string; readonly clientURLs: readonly string[] }[];
}

export interface BackupOptions {
  /** As the user typed it. */
  readonly path: string;
  readonly now: number;
  /** The newest revision in the file, which may be later than the one that is served. */
  readonly lastRevision: number;
  /** What a command needs to read the backup, too. Paths may be relative to `directory`. */
  readonly reading: {
    readonly directory: string;
    readonly encryptionConfig: string | undefined;
    readonly etcdPrefix: string | undefined;
    readonly identity: string | undefined;
  };
  /** Verifies the whole file. */
  readonly verify: (signal: AbortSignal, onProgress: (part: number) => void) => Promise<SnapshotVerification>;
}

/** An address, which no directory changes. */
const STORE = /^[a-z][a-z0-9+.-]+:\/\//i;
/** Findings that the page lists. */
const MOST_FINDINGS = 50;

/** The file is hashed, and then verified, when somebody asks for the first time: both read all of it. */
export function watchBackup(snapshot: Snapshot, options: BackupOptions): BackupFacts {
  const { path, now, lastRevision, reading, verify } = options;
  const base = existsSync(path) ? path : splitMoment(path, now).place;
  const { directory, encryptionConfig, etcdPrefix, identity } = reading;
  // Commands are pasted in other terminals, whose directory is another.
  const found = (given: string): string => (STORE.test(given) ? given : resolve(directory, given));
  const command = {
    place: found(path),
    base: found(base),
    lastRevision,
    encryptionConfig: encryptionConfig === undefined ? null : found(encryptionConfig),
    etcdPrefix: etcdPrefix ?? null,
    identity: identity === undefined ? null : found(identity),
  };
  const members = readStoreInfo(snapshot).members.map(({ name, clientURLs }) => ({ name, clientURLs }));
  const over = new AbortController();
  let job: ReturnType<typeof startHash> | undefined;
  let hash: HashVerdict | "pending" | "failed" = "pending";
  let progress = 0;
  let verdict: SnapshotVerification | { readonly failed: string } | undefined;
  let verifying: Promise<void> | undefined;
  const hashAndVerify = async (running: ReturnType<typeof startHash>): Promise<void> => {
    try {
      hash = await running.verdict;
      reportHash(hash, path, snapshot.findings.report);
    } catch {
      hash = "failed";
    }
    try {
      if (!over.signal.aborted) {
        verdict = await verify(over.signal, (part) => {
          progress = part;
        });
      }
    } catch (error) {
      verdict = { failed: error instanceof Error ? error.message : String(error) };
    }
  };
  return {
    read() {
      if (job === undefined) {
        job = startHash(snapshot.file);
        verifying = hashAndVerify(job);
      }
      const findings = joined(
        snapshot.findings.list(),
        verdict !== undefined && "findings" in verdict ? verdict.findings : [],
      );
      return {
        name: basename(path),
        place: path,
        command,
        bytes: snapshot.file.source.size,
        hash,
        verify: verifyBody(verdict, progress),
        findings: findings
          .slice(0, MOST_FINDINGS)
          .map(({ level, code, where, text }) => ({ level, code, where, text })),
        moreFindings: Math.max(0, findings.length - MOST_FINDINGS),
        members,
      };
    },
    async stop() {
      over.abort();
      await job?.stop();
      await verifying;
    },
  };
}

function verifyBody(
  verdict: SnapshotVerification | { readonly failed: string } | undefined,
  progress: number,
): JsonObject {
  if (verdict === undefined) return { state: "pending", progress };
  if ("failed" in verdict) return { state: "failed", text: verdict.failed };
  const { ok, objects, encrypted, unreadable, opaque } = verdict;
  return { state: ok ? "ok" : "broken", objects, encrypted, unreadable, opaque };
}

/** What opening the file has found, and what verifying it has: each once. */
function joined(first: readonly Finding[], second: readonly Finding[]): readonly Finding[] {
  const unique = new Map([...first, ...second].map((each) => [`${each.code} ${each.where} ${each.text}`, each]));
  const rank = { error: 0, warning: 1, info: 2 } as const;
  return [...unique.values()].sort((a, b) => rank[a.level] - rank[b.level]);
}
