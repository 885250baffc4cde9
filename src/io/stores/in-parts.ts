/** A stream as pieces of one size. */

/** Pieces of `size` bytes; the last one may be shorter, and is the only one where all fits into it. */
export async function* inParts(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly part: Uint8Array; readonly isLast: boolean }> {
  let buffer = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) {
      if (filled === size) {
        yield { part: buffer, isLast: false };
        buffer = Buffer.allocUnsafe(size);
        filled = 0;
      }
      const piece = chunk.subarray(at, at + size - filled);
      buffer.set(piece, filled);
      filled += piece.length;
      at += piece.length;
    }
  }
  yield { part: buffer.subarray(0, filled), isLast: true };
}
