/** A command that writes, and what must hold of its directory whenever the power is cut. */
export interface PowerJob {
  readonly name: string;
  /** Makes what is there before, in an empty directory. `inputs` is a directory beside it, for what is only read. */
  prepare(directory: string, inputs: string): Promise<void> | void;
  /** The program and its arguments: a module to run, with its arguments. */
  argv(directory: string, inputs: string): readonly string[];
  /** Environment of the run that is recorded. */
  readonly env?: Readonly<Record<string, string>>;
  /** What ends a run well; 0 unless given. */
  readonly codes?: readonly number[];
  /**
   * Judges a directory after a crash: throws where the old is lost and the new is not whole, or where something was
   * said that is not so.
   */
  check(directory: string, context: PowerContext): Promise<void> | void;
  /** Runs it again, in this process: it must end well, and leave nothing behind. */
  again(directory: string, inputs: string): Promise<void>;
  /** Ends what `prepare` started. */
  close?(): Promise<void> | void | undefined;
}

export interface PowerContext {
  readonly inputs: string;
  /** The directory before the run and after it. */
  readonly before: string;
  readonly after: string;
  /** Whether the command had said that it was done, and how many times it had said something. */
  readonly hasSpoken: boolean;
  readonly said: number;
}
