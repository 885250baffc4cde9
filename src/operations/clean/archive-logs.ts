/** Archives what the kubelet links in `/var/log/containers`: the files that the links lead to, under the links' names. */
import { createReadStream, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { MendError } from "../../errors/errors.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import { type TarEntry, writeTarGzip } from "../../io/files/tar-writer.ts";
import type { CleanRecord } from "../../nodes/clean-record.ts";
import { isBelow } from "../../nodes/mount-table.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { entriesOf } from "./clean-places.ts";

/** Where links may lead: what the runtimes write to. Others are archived as links. */
const LOG_PLACES = ["/var/log/pods", "/var/lib/docker/containers"];
/** At the end of every archive. */
const TRAILER = 1024;

export interface ArchiveLogsOptions {
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** Writes the archive beside its place, reads it back, and gives it its name. */
export async function archiveLogs(
  fs: FileSystem,
  directory: string,
  archive: string,
  { signal, progress }: ArchiveLogsOptions,
): Promise<NonNullable<CleanRecord["logs"]>> {
  const draft = `${archive}.partial`;
  fs.remove(draft);
  const entries = entriesOf(directory).flatMap((name): TarEntry[] => logEntry(directory, name));
  const { files, bytes } = await writeTarGzip(fs, draft, entries, {
    signal,
    onProgress: (done) => progress({ step: "archiving", done, unit: "bytes" }),
  });
  await checkArchive(draft, bytes);
  fs.rename(draft, archive);
  fs.syncDirectory(join(archive, ".."));
  return { archive, files, bytes };
}

function logEntry(directory: string, name: string): TarEntry[] {
  const path = join(directory, name);
  const stat = lstatSync(path);
  const inArchive = `containers/${name}`;
  if (stat.isFile()) return [{ name: inArchive, file: path }];
  if (!stat.isSymbolicLink()) return [];
  const asLink: TarEntry = { name: inArchive, linkTo: readlinkSync(path), modified: stat.mtimeMs };
  try {
    const real = realpathSync(path);
    const expected = [directory, ...LOG_PLACES].some((place) => isBelow(real, place));
    return [expected && lstatSync(real).isFile() ? { name: inArchive, file: real } : asLink];
  } catch {
    return [asLink]; // its file has gone
  }
}

/** gzip's own checksum covers every byte. */
async function checkArchive(path: string, expected: number): Promise<void> {
  let bytes = 0;
  const counter = new Writable({
    write(chunk: Buffer, _, done) {
      bytes += chunk.length;
      done();
    },
  });
  try {
    await pipeline(createReadStream(path), createGunzip(), counter);
  } catch (cause) {
    throw new MendError("io", `the archive "${path}" does not read back`, {
      where: path,
      hint: "check the disk, then run this again",
      cause,
    });
  }
  if (bytes < expected + TRAILER)
    throw new MendError("io", `the archive "${path}" is shorter than what it should hold`);
}
