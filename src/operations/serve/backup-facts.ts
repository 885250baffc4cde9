/**
 * What the page says of the backup itself: where it is, how large, whether its hash is right, what is wrong with it,
 * and which members etcd had.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { JsonObject } from "../../kube/object.ts";
import { splitMoment } from "../../repository/moment.ts";
import { type HashVerdict, startHash } from "../../snapshot/hash-snapshot.ts";
import { readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { reportHash } from "../snapshot/status.ts";

export interface BackupFacts {
  read(): JsonObject;
  stop(): Promise<void>;
}

/** The hash is computed when somebody asks for the first time: it reads the whole file. `path` as the user typed it. */
export function watchBackup(snapshot: Snapshot, path: string, now: number): BackupFacts {
  const base = existsSync(path) ? path : splitMoment(path, now).place;
  const { members } = readStoreInfo(snapshot);
  let job: ReturnType<typeof startHash> | undefined;
  let hash: HashVerdict | "pending" | "failed" = "pending";
  const start = () => {
    job = startHash(snapshot.file);
    job.verdict.then(
      (verdict) => {
        hash = verdict;
        reportHash(verdict, path, snapshot.findings.report);
      },
      () => {
        hash = "failed";
      },
    );
  };
  return {
    read() {
      if (job === undefined) start();
      return {
        name: basename(path),
        place: path,
        base,
        bytes: snapshot.file.source.size,
        hash,
        findings: snapshot.findings.list().map(({ level, code, where, text }) => ({ level, code, where, text })),
        members: members.map(({ name, clientURLs }) => ({ name, clientURLs })),
      };
    },
    async stop() {
      await job?.stop();
    },
  };
}
