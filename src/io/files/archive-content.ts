/** What an archive holds, as it is unpacked. */

/** Bytes of an archive on their way out, and where in the archive they are read: for messages. */
export interface ArchiveContent {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The decompressed size that the archive claims, where it does. */
  readonly claimedSize?: number;
  readonly entry?: string;
  where(): string;
}
