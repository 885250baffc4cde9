/** What a code means, and what to do: a sentence each, without a full stop. */
export interface CodeText {
  readonly means: string;
  readonly todo: string;
}
