/**
 * Gives the memory of bytes back at once that nobody reads any more. Memory outside of the heap counts as pressure on
 * the collector: a gigabyte that passes in pieces had the heap collected at every few megabytes, by threads that took
 * more CPU time than decompressing it.
 */
export function freeMemory({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength <= Math.max(SHARED, 2 * Buffer.poolSize)) return;
  buffer.transfer(0); // to a length of nothing: the bytes are freed, and the old buffer has none
}

/** Bytes. Smaller ones may lie in a buffer that Node shares out, a little larger than its `poolSize`, beside others in use. */
const SHARED = 128 << 10;
