/** What a store needs to know of the process that opens it. */

export interface StoreOptions {
  /** The process' environment: where credentials and endpoints are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths start from it. */
  readonly cwd: string;
  readonly signal?: AbortSignal;
}
