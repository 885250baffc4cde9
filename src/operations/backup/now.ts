/** `backup now`: one full, at once. */
import { tmpdir } from "node:os";
import type { EtcdFlags } from "../../io/etcd/etcd-connection.ts";
import type { FullHead } from "../../repository/head.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { openForWriting, type WriteAccess } from "./open-for-writing.ts";
import { takeFull } from "./take-full.ts";

export interface NowOptions extends WriteAccess {
  readonly etcd: EtcdFlags;
  readonly progress?: ProgressSink;
}

export async function backUpNow(address: string, options: NowOptions): Promise<FullHead> {
  const writable = await openForWriting(address, options);
  try {
    return await takeFull(writable, { ...options, temporaryDirectory: tmpdir(), reason: "asked for" });
  } finally {
    await writable.repository.store.close();
  }
}
