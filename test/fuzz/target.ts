/** What is fuzzed: a reader of bytes from outside, with inputs that it reads, from which others are made. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs that are read: whatever else is tried is one of them, damaged, or two of them, joined. At least one. */
  corpus(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /**
   * Reads one. What it returns or throws as a `MendError` (other than an internal one), or as one of `faults`, is an
   * answer; anything else breaks the run. What it returns as text is searched for secrets too.
   */
  run(bytes: Uint8Array): unknown;
  /** Classes of errors that the reader promises to throw, and that its callers convert. */
  readonly faults?: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
  /** Text that no error and no output may contain. Those of a corpus of secrets. */
  readonly secrets?: readonly string[];
  /** Words that are inserted. */
  readonly words?: readonly string[];
  /**
   * Inputs in a round of a thousand: fewer for a reader that opens files or starts threads. 1 to 1000; 1000 unless
   * given.
   */
  readonly share?: number;
  /** Whether it is of bytes or of text, which is damaged by characters and lines. */
  readonly kind: "bytes" | "text";
  close?(): void | Promise<void>;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
