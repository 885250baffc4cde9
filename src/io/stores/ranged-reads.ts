/** Reading objects by HTTP, whole or in part, from a store that knows ranges and entity tags. RFC 9110. */
import type { ByteRange, Store } from "./store.ts";
import type { StoreAnswer } from "./store-request.ts";

const READ_BYTES = 8 << 20;

/** `get` asks for an object with these headers. `refusal` is the error for an answer that is none. */
export function rangedReads(
  get: (name: string, headers: Readonly<Record<string, string>>) => Promise<StoreAnswer>,
  refusal: (answer: StoreAnswer, name: string) => Error,
): Pick<Store, "read" | "stream"> {
  async function readRange(name: string, range: ByteRange | undefined, etag?: string) {
    if (range?.size === 0) return { bytes: Buffer.alloc(0), etag };
    const answer = await get(name, {
      ...(range === undefined ? {} : { range: `bytes=${range.from}-${range.from + range.size - 1}` }),
      ...(etag === undefined ? {} : { "if-match": etag }),
    });
    if (answer.status === 416) return { bytes: Buffer.alloc(0), etag }; // it ends before the range begins
    if (answer.status !== 200 && answer.status !== 206) throw refusal(answer, name);
    // A server that does not know ranges sends everything.
    const isWhole = range !== undefined && answer.status === 200;
    const bytes = isWhole ? answer.bytes.subarray(range.from, range.from + range.size) : answer.bytes;
    return { bytes, etag: answer.headers.get("etag") ?? undefined };
  }
  return {
    read: async (name, range) => (await readRange(name, range)).bytes,
    async *stream(name) {
      let etag: string | undefined;
      for (let from = 0; ; from += READ_BYTES) {
        const read = await readRange(name, { from, size: READ_BYTES }, etag);
        etag ??= read.etag;
        if (read.bytes.length > 0) yield read.bytes;
        if (read.bytes.length < READ_BYTES) return;
      }
    },
  };
}
