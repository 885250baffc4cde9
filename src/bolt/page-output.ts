/** Pages in ascending order, gathered into large writes. */
import { invariant } from "../errors/errors.ts";

/** Where written bytes go. Throws a `MendError` when the medium fails. The bytes are reused after the call. */
export interface ByteSink {
  write(bytes: Uint8Array, position: number): void;
}

export interface PageOutput {
  /** The id that the next page gets. */
  readonly nextPage: number;
  /** Zeroed space for `bytes`, rounded up to whole pages, to be filled before the next call. */
  allocate(bytes: number): { readonly id: number; readonly overflow: number; readonly page: Uint8Array };
  flush(): void;
}

const CHUNK = 1024 * 1024;

export function createPageOutput(sink: ByteSink, pageSize: number, firstPage: number): PageOutput {
  let chunk = new Uint8Array(CHUNK);
  let used = 0;
  let chunkPage = firstPage;
  let nextPage = firstPage;

  function flush(): void {
    if (used > 0) sink.write(chunk.subarray(0, used), chunkPage * pageSize);
    chunk.fill(0, 0, used);
    used = 0;
    chunkPage = nextPage;
  }

  return {
    get nextPage() {
      return nextPage;
    },
    allocate(bytes) {
      const pages = Math.ceil(bytes / pageSize);
      const size = pages * pageSize;
      invariant(pages >= 1 && pages <= 0xffff_ffff, `a page of ${bytes} bytes cannot be written`);
      if (used + size > chunk.length) {
        flush();
        if (size > chunk.length) chunk = new Uint8Array(size);
      }
      const id = nextPage;
      const page = chunk.subarray(used, used + size);
      used += size;
      nextPage += pages;
      return { id, overflow: pages - 1, page };
    },
    flush,
  };
}
