/** How an operation reports how far it is; what is done with it is the command line's affair. */
export interface Progress {
  /** What is being done, in a word or two, such as `hashing`. */
  readonly step: string;
  readonly done: number;
  /** Undefined where the end is not known. */
  readonly total?: number;
  readonly unit: "bytes" | "objects" | "keys";
}

export type ProgressSink = (progress: Progress) => void;
