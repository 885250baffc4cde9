/** Bytes of memory that this process may still take, by its control group where that has a limit. */
export function availableMemory(): number {
  return process.availableMemory();
}
