/**
 * What a command may know of the process it runs in. Only `main.ts` makes one from the real process; tests make their own,
 * which is how transcripts run without a child process.
 */
export interface Host {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The directory that relative paths start from. */
  readonly cwd: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Aborted by the first SIGINT or SIGTERM. Long operations check it between chunks. */
  readonly signal: AbortSignal;
  /** Puts a question to the person at the terminal and returns the answer without its line feed. Undefined where nobody sits there. */
  readonly ask?: (question: string) => Promise<string>;
}

/** A stream of text: the result (stdout) or the story (stderr). */
export interface TextSink {
  /** Resolves when the sink is ready for more, so that an export of gigabytes never piles up in memory. */
  write(text: string): Promise<void>;
  /** True on a terminal: the only place for colours and moving progress. */
  readonly isTTY: boolean;
  /** The terminal's width in columns, or undefined where there is none. */
  readonly columns: number | undefined;
}
