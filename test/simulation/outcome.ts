/** What came of a seed. */
export interface Outcome {
  readonly seed: number;
  readonly title: string;
  readonly seconds: number;
  /** What was wrong, a sentence each. */
  readonly faults: readonly string[];
  /** What happened, a line each. */
  readonly story: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}
