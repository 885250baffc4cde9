/** Writes an undo file while a restore runs. */
import { MendError } from "../../errors/errors.ts";
import { type AppendLog, continueAppendLog, createAppendLog } from "../../io/files/durable/append-log.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import {
  decodeUndoFile,
  encodeHeader,
  encodeIntent,
  encodeOutcome,
  type UndoFile,
  type UndoHeader,
  type UndoIntent,
  type UndoOutcome,
} from "../../objects/undo-record.ts";

export interface UndoLog {
  readonly path: string;
  /** By the API server's clock, before the run's first write. Milliseconds since the epoch. */
  readonly since: number;
  /** Resolves when the announcement is on the disk. Returns the number of the write. */
  begin(intent: Omit<UndoIntent, "write">): Promise<number>;
  end(outcome: UndoOutcome): Promise<void>;
  close(): Promise<void>;
}

/** A new undo file. Throws `already-exists` where there is one of that name. */
export async function createUndoLog(path: string, header: UndoHeader): Promise<UndoLog> {
  const log = createAppendLog(path);
  await log.append(encodeHeader(header));
  return undoLog(log, header, 0);
}

/** Continues the undo file of a run that was interrupted. */
export function continueUndoLog(path: string, file: UndoFile): UndoLog {
  const last = file.entries.reduce((most, { write }) => Math.max(most, write), 0);
  return undoLog(continueAppendLog(path), file.header, last);
}

function undoLog(log: AppendLog, { serverTime }: UndoHeader, last: number): UndoLog {
  let write = last;
  return {
    path: log.path,
    since: Date.parse(serverTime),
    async begin(intent) {
      const number = ++write;
      await log.append(encodeIntent({ write: number, ...intent }));
      return number;
    },
    // Where a crash of the machine takes this line, the object itself says who wrote it (its managedFields).
    end: (outcome) => log.note(encodeOutcome(outcome)),
    close: () => log.close(),
  };
}

/** Of a million objects that were created, or some ten thousand that were changed. */
const MOST_BYTES = 480 << 20;

/** Throws `config-invalid` for what is no undo file. */
export function readUndoFile(path: string): UndoFile {
  return decodeUndoFile(readTextFile(path, MOST_BYTES), path);
}

/** Throws `wrong-cluster` where the file is another cluster's. */
export function checkCluster({ header }: UndoFile, identity: string, path: string): void {
  if (header.cluster === identity) return;
  throw new MendError("wrong-cluster", "the undo file is of another cluster", {
    where: path,
    hint: `pass the kubeconfig of the cluster at ${header.server}`,
  });
}
