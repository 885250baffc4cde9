/** Random access to bytes that are never loaded whole: how the pure rooms see a file. */
export interface ByteSource {
  /** How messages name it, such as its path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Fills `target` with the bytes from `position` on and returns how many there were: fewer than asked for only at the end.
   * Synchronous, because a walk over a page tree is a chain of dependent reads. Throws a `MendError` ("io") when the medium fails.
   */
  read(target: Uint8Array, position: number): number;
}

/** A source over bytes that are in memory already: an inline value, a test. */
export function memorySource(bytes: Uint8Array, name = "memory"): ByteSource {
  return {
    name,
    size: bytes.length,
    read(target, position) {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}
